"""Findings beside what a recorded run measured at the same calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from graphlint.findings import Finding, Measured
from graphlint.profiles import Profile, SiteProfile


def with_measurements(findings: Iterable[Finding], profile: Profile) -> list[Finding]:
    """Return the findings, each with what the run measured at its call, if it ran there.

    A finding and a site of the profile belong together when they name the same file and row.
    """
    sites = {(_resolve(site.filename), site.row): site for site in profile.sites}
    return [replace(finding, measured=_measured(finding, sites)) for finding in findings]


def _measured(finding: Finding, sites: Mapping[tuple[Path, int], SiteProfile]) -> Measured | None:
    site = sites.get((_resolve(finding.filename), finding.location.row))
    if site is None:
        return None
    return Measured(
        calls=site.passes,
        retained_bytes_mean=site.retained_bytes.mean,
        retained_bytes_peak=int(site.retained_bytes.max),
        exclusive_bytes_mean=site.exclusive_bytes.mean,
        reused=site.reused_passes,
        held_s_mean=site.held_s.mean,
    )


def _resolve(filename: str) -> Path:
    return Path(filename).resolve()
