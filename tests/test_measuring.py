"""Findings and measurements meet at the row of the call."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphlint.findings import Finding, Location, Measured
from graphlint.measuring import with_measurements
from graphlint.profiles import Profile, SiteProfile, Spread

SITE = SiteProfile(
    filename="train.py",
    row=4,
    function="step",
    kind="backward",
    passes=3,
    retained_passes=3,
    reused_passes=1,
    verdict="partly",
    retained_bytes=Spread(10.0, 12.0),
    exclusive_bytes=Spread(5.0, 6.0),
    held_s=Spread(0.5, 1.0),
)


def finding(filename: str, row: int) -> Finding:
    return Finding(
        "RG101", "unneeded-retain-graph", "…", filename, Location(row, 1), Location(row, 9)
    )


def test_same_file_and_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    findings = [finding(str(tmp_path / "train.py"), 4), finding("train.py", 5)]
    first, second = with_measurements(findings, Profile(sites=(SITE,)))
    assert first.measured == Measured(3, 10.0, 12, 5.0, 1, 0.5)
    assert second.measured is None
