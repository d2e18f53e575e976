"""`graphlint report`: show a recorded profile."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from graphlint.output import PROFILE_FORMATS


@click.command("report", short_help="Show a recorded profile.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(PROFILE_FORMATS),
    default="text",
    show_default=True,
    help="text: the table. json: the profile. speedscope: what holds the bytes, as a flame graph "
    "for speedscope.app. chrome: bytes over time, for Perfetto or chrome://tracing. html: a page "
    "with charts, source and cures that needs no network.",
)
@click.option(
    "-o", "--output-file", type=click.Path(path_type=Path), help="Write to this file instead."
)
def command(files: tuple[Path, ...], output_format: str, output_file: Path | None) -> None:
    """Show the profile FILE, which `graphlint run -o` or `Report.save` has written.

    The files of several ranks of one run, as in `FILE.rank*.json`, make one report.
    """
    from graphlint.cli._writing import write
    from graphlint.output import profile_renderer
    from graphlint.output.profile_text import render
    from graphlint.output.style import columns
    from graphlint.profiles.merging import load_run

    profile = load_run(files)
    if output_format == "text" and output_file is None:
        text = render(profile, columns(sys.stdout))
    else:
        text = profile_renderer(output_format)(profile)
    write(text if text.endswith("\n") else f"{text}\n", output_file)
