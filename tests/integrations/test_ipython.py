"""The magics, in a real shell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch  # noqa: F401
from IPython.testing import globalipapp as testing

from graphlint.profiles import Profile

pytestmark = pytest.mark.torch

CELL = "loss = torch.ones(1000, requires_grad=True).exp().sum()\nloss.backward(retain_graph=True)\n"


@pytest.fixture
def shell() -> Iterator[Any]:
    """A shell that has loaded the extension, and torch."""
    shell = testing.start_ipython() or testing.get_ipython()
    shell.run_line_magic("load_ext", "graphlint")
    shell.run_cell("import torch")
    yield shell
    shell.run_line_magic("reset", "-f")


def test_a_cell_is_recorded(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell_magic("graphlint", "", CELL)
    out = capsys.readouterr().out
    assert "peak retained 3.9 KiB" in out
    assert "\ncell:2 " in out
    assert "ExpBackward0.result, cell:1" in out
    assert "ipython-input" not in out
    assert shell.user_ns["loss"].shape == ()


def test_a_statement_is_recorded(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell(CELL)
    shell.run_line_magic("graphlint", "loss.backward()")
    assert "not-retained" in capsys.readouterr().out


def test_the_profile_is_written(shell: Any, tmp_path: Path) -> None:
    shell.run_cell_magic("graphlint", f"--every 2 -o {tmp_path / 'cell.json'}", CELL)
    (site,) = Profile.load(tmp_path / "cell.json").sites
    assert site.retained_passes == 1


def test_what_a_cell_raises_is_shown(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell_magic("graphlint", "", CELL + "1 / 0\n")
    out = capsys.readouterr().out
    assert "ZeroDivisionError" in out
    assert "peak retained 3.9 KiB" in out
