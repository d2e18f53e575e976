"""`graphlint run --live`: a table that moves on a terminal, and nothing elsewhere."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch  # noqa: F401
from commandline import Run
from rich.console import Console

from graphlint.cli._live import LiveTable, table
from graphlint.profiles import GrowthProfile, Profile, SiteProfile
from graphlint.profiles.records import Series, Timeline

pytestmark = pytest.mark.torch
ROOT = Path(__file__).parents[2]
PROGRAM = """\
import time, torch
losses = []
for step in range(30):
    x = torch.ones(1000, requires_grad=True)
    loss = x.exp().sum()
    loss.backward(retain_graph=True)
    losses.append(loss)
    time.sleep(0.05)
print("the program's own output")
"""


def drawn(profile: Profile) -> str:
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(table(profile))
    return console.export_text()


def test_the_table_has_a_row_for_each_call() -> None:
    site = SiteProfile(
        filename="train.py", row=6, function="", kind="backward", passes=30, retained_passes=20,
        reused_passes=3, verdict="unknown",
    )  # fmt: skip
    profile = Profile(
        program="train.py",
        duration_s=2.0,
        peak_retained_bytes=4096,
        sites=(site, replace(site, row=9, passes=0)),
        growth=(GrowthProfile("train.py", 6, 5.0, 64.0),),
        timelines=(Timeline(0, 1, 0.0, 1.0, (Series("train.py", 6, (0, 2048)),)),),
    )
    title, *_, first, second = drawn(profile).strip().splitlines()
    assert title.strip() == "train.py: 2.0 s, peak retained 4.0 KiB"
    cells = re.split(" {2,}", first.strip())
    assert cells == ["train.py:6", "30", "20", "3", "2.0 KiB", "0 B", "+5 nodes"]
    assert "train.py:9" in second


def test_nothing_is_drawn_where_there_is_no_terminal(graphlint: Run, folder: Path) -> None:
    (folder / "train.py").write_text(PROGRAM)
    status, out, err = graphlint("run", "--live", "train.py")
    assert (status, out) == (0, "the program's own output\n")
    assert "\x1b" not in err
    assert "holds now" not in err


def test_the_table_moves_on_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(PROGRAM)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "graphlint", "run", "--live", "train.py"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                shown += os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
        os.close(ours)
    text = shown.decode(errors="replace")
    assert process.returncode == 0
    assert text.count("holds now") > 1
    assert "KiB" in text


def test_a_program_without_torch_has_no_table_yet() -> None:
    assert "waiting" in str(LiveTable(lambda: None)._draw())
