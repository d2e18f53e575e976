"""`graphlint selfcheck` says what is exact on this machine, and what is wrong."""

from __future__ import annotations

import json

import pytest
import torch
from click.testing import CliRunner

from graphlint.cli.selfcheck import command
from graphlint.runtime import selfcheck
from graphlint.runtime.selfcheck import Check

pytestmark = pytest.mark.torch


def test_the_recorder_is_exact_here_or_says_that_it_is_not() -> None:
    done = CliRunner().invoke(command, ["--output-format", "json"])
    assert done.exit_code == 0
    report = json.loads(done.stdout)
    assert f"torch {torch.__version__}" in report["machine"]
    results = {check["model"]: check["result"] for check in report["checks"]}
    assert results.pop("changed_views") in ("exact", "lower bound")
    assert set(results.values()) == {"exact"}
    assert all(check["freed"] > 1000 for check in report["checks"])


@pytest.mark.parametrize(
    ("recorded", "lower_bound", "unchanged", "result"),
    [
        (10, False, True, "exact"),
        (10, True, True, "exact"),
        (9, True, True, "lower bound"),
        (9, False, True, "wrong"),
        (11, True, True, "wrong"),
        (10, False, False, "wrong"),
    ],
)
def test_what_a_check_comes_to(
    recorded: int, lower_bound: bool, unchanged: bool, result: str
) -> None:
    assert Check("cpu", "net", recorded, 10, lower_bound, unchanged).result == result


def test_a_wrong_figure_fails_and_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Check("cpu", "net", 1200, 1000, lower_bound=False, unchanged=False)
    monkeypatch.setattr(selfcheck, "selfcheck", lambda _device: [wrong])
    done = CliRunner().invoke(command, [])
    assert done.exit_code == 1
    assert "1,200      1,000  wrong, and the gradients differ" in done.stdout
    assert done.stdout.endswith("0 exact, 0 lower bound, 1 wrong, of 1.\n")
