"""`graphlint demo`: lint and profile the bundled example."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import click

from graphlint.cli._writing import write
from graphlint.errors import GraphlintError

if TYPE_CHECKING:
    from graphlint.runtime.report import Report


@click.command("demo", short_help="Lint and measure a bundled example.")
def command() -> None:
    """Lint a bundled training script, run it under the recorder, and show both together."""
    from graphlint import demo
    from graphlint.linting import lint_file
    from graphlint.measuring import with_measurements
    from graphlint.output import Options
    from graphlint.output.full import render
    from graphlint.output.profile_text import render as render_profile
    from graphlint.output.style import columns, wants_color
    from graphlint.output.wording import shown_name
    from graphlint.source.read import read_source

    options = Options(color=wants_color(sys.stdout, os.environ), base=str(Path.cwd()))
    path = Path(demo.__file__).with_name("training.py")
    shown = shown_name(str(path), options)
    write(f"The example is {shown}: three training loops, each with a mistake.\n\n")
    findings = list(lint_file(path).findings)
    report = _run(shown)
    if report is not None:
        findings = with_measurements(findings, report.profile)
    write(render(findings, lambda name: read_source(name).text, options))
    if report is None:
        write(
            "torch is not installed, so the example was linted and not run. To measure what it "
            "keeps:\n  pip install 'torch-graphlint[profile]'\n"
        )
    else:
        table = render_profile(report.profile, columns(sys.stdout))
        write(f"And what `graphlint run {shown}` prints:\n\n{table}\n\n")
        write(f"Next: `graphlint rule RG101`, and `graphlint check --diff {shown}`.\n")


def _run(path: str) -> Report | None:
    """Run the example under the recorder; None where torch is not installed."""
    from graphlint.runtime.needs import TorchMissingError
    from graphlint.runtime.program import run_program

    try:
        with warnings.catch_warnings():
            # The example has no use for numpy, and torch would complain that it is not there.
            warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
            result = run_program(path)
    except TorchMissingError:
        return None
    if result.exit_status:
        raise GraphlintError(f"{path}: the example failed, with the error above.")
    return result.report
