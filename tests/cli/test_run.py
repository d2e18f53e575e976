"""`graphlint run` and `graphlint demo`: programs under the recorder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from commandline import UNNEEDED, Run

from graphlint.cli.run import command

pytestmark = pytest.mark.torch
SHOW_ARGUMENTS = "import sys\nprint(sys.argv[1:])\nsys.exit(3)\n"


@pytest.mark.parametrize(
    "args",
    [
        ["show.py"],
        ["-m", "show"],
        ["-mshow"],
        ["-o", "profile.json", "-m", "show"],
        ["--quiet", "show.py"],
    ],
)
def test_all_behind_the_program_is_its_own(graphlint: Run, folder: Path, args: list[str]) -> None:
    (folder / "show.py").write_text(SHOW_ARGUMENTS)
    status, out, err = graphlint("run", *args, "-o", "x", "--help", "-m", "--", "y")
    assert status == 3
    assert out == "['-o', 'x', '--help', '-m', '--', 'y']\n"
    assert ("peak retained" in err) != ("--quiet" in args)
    assert (folder / "profile.json").exists() == ("profile.json" in args)


def test_the_profile_is_what_report_shows(graphlint: Run, folder: Path) -> None:
    (folder / "train.py").write_text(UNNEEDED)
    status, out, err = graphlint("run", "-o", "profile.json", "train.py")
    assert (status, out) == (0, "")
    assert "train.py:5" in err
    assert graphlint("report", "profile.json").out.strip() in err
    profile = json.loads((folder / "profile.json").read_text())
    assert profile["sites"][0]["verdict"] == "unneeded"
    assert [finding["code"] for finding in profile["findings"]] == ["RG101"]


def test_an_installed_program_is_named_and_not_what_started_it(
    graphlint: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from graphlint.runtime import places

    monkeypatch.setattr(places, "_LIBRARIES", (f"{folder}{os.sep}",))
    places.classify.cache_clear()
    (folder / "installed.py").write_text(UNNEEDED)
    try:
        graphlint("run", "-o", "profile.json", folder / "installed.py")
    finally:
        places.classify.cache_clear()
    (site,) = json.loads((folder / "profile.json").read_text())["sites"]
    assert (site["filename"], site["row"]) == ("installed.py", 5)


def test_no_such_program(graphlint: Run) -> None:
    status, out, err = graphlint("run", "nowhere.py")
    assert (status, out) == (2, "")
    assert err.startswith("graphlint: can't open file ")
    assert err.endswith("nowhere.py': [Errno 2] No such file or directory\n")


def test_no_program_at_all() -> None:
    assert CliRunner().invoke(command, []).exit_code == 2


def test_demo_shows_findings_and_bytes(graphlint: Run) -> None:
    status, out, _ = graphlint("demo")
    assert status == 0
    for code in ("RG101 [*]", "RG103", "RG108"):
        assert f": {code} " in out
    assert out.count("= measured: called ") == 3
    assert "256.5 KiB of it held by nothing else; never visited again" in out


@pytest.mark.skipif(os.name != "posix", reason="ends by a signal on POSIX alone")
def test_an_interrupt_ends_it_by_the_signal(folder: Path) -> None:
    (folder / "train.py").write_text(f"{UNNEEDED}raise KeyboardInterrupt\n")
    command = [sys.executable, "-m", "graphlint", "run", "-o", "profile.json", "train.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == -signal.SIGINT
    assert done.stderr.count("KeyboardInterrupt") == 2  # the line that raises, and the last one
    assert "peak retained" in done.stderr
    assert (folder / "profile.json").exists()


def test_a_profile_that_cannot_be_written(graphlint: Run, folder: Path) -> None:
    (folder / "train.py").write_text(f"{UNNEEDED}raise SystemExit(3)\n")
    status, _, err = graphlint("run", "-o", "train.py/profile.json", "train.py")
    assert status == 3
    assert "train.py:5" in err
    assert "graphlint: train.py/profile.json: can't be written: " in err
