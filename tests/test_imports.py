"""Linting imports nothing heavy: proved in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "libcst", "numpy", "rich", "graphlint.runtime", "asyncio", "multiprocessing")
REPORT = """
import sys
loaded = [name for name in {heavy!r} if name in sys.modules]
print("LOADED", loaded)
"""
CLEAN = "import torch\nx = torch.ones(2, requires_grad=True)\nx.sum().backward()\n"


def loaded_after(program: str, folder: Path) -> str:
    """Run a program and return which heavy modules it has imported."""
    code = program + REPORT.format(heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1]


CHECK = """
import sys
from graphlint.cli import main
sys.argv = ["graphlint", "check", {path!r}]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
"""


def test_importing_the_package(tmp_path: Path) -> None:
    assert loaded_after("import graphlint", tmp_path) == "LOADED []"


def test_importing_the_lint_function(tmp_path: Path) -> None:
    assert loaded_after("from graphlint import lint_source", tmp_path) == "LOADED []"


@pytest.mark.parametrize("name", ["clean.py", "."])
def test_checking_with_nothing_to_fix(tmp_path: Path, name: str) -> None:
    (tmp_path / "clean.py").write_text(CLEAN, encoding="utf-8")
    assert loaded_after(CHECK.format(path=name), tmp_path) == "LOADED []"


def test_showing_a_rule(tmp_path: Path) -> None:
    program = CHECK.replace('"check", {path!r}', '"rule", "RG101"')
    assert loaded_after(program, tmp_path) == "LOADED []"
