"""`graphlint explain`: what the static observer saw through a line."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from graphlint.cli._settings import Settings
from graphlint.cli._writing import write
from graphlint.errors import GraphlintError


@click.command("explain", short_help="Tell what a line builds, visits, keeps or frees.")
@click.argument("place", metavar="FILE:LINE")
@click.option("--alone", is_flag=True, help="Look at this file alone, and not at its project.")
@click.option(
    "--output-format", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@click.option("--config", type=click.Path(path_type=Path), help="Use this configuration file.")
@click.option("--isolated", is_flag=True, help="Look for no configuration file.")
def command(
    place: str, alone: bool, output_format: str, config: Path | None, isolated: bool
) -> None:
    """Tell which graphs a line builds, visits, keeps or frees, and whether it needs to.

    The files of the project around FILE are executed with it, as callers decide what a function
    does; what is told holds for the paths that were explored.
    """
    from graphlint.explaining import explain

    filename, row = _parse(place)
    settings = Settings(lambda found: found, config, isolated)
    found = settings.of_paths([Path(filename)])
    files = [filename] if alone else _project_files(filename, settings)
    stories = explain(filename, row, files, found)
    if output_format == "json":
        write(json.dumps([story.to_dict() for story in stories], indent=2) + "\n")
        return
    from graphlint.cli._sources import FileTexts
    from graphlint.output import Options
    from graphlint.output.explained import render
    from graphlint.output.style import wants_color

    options = Options(color=wants_color(sys.stdout, os.environ), base=str(Path.cwd()))
    write(render(stories, FileTexts(), options))


def _parse(place: str) -> tuple[str, int]:
    """Split `FILE:LINE`, with or without a column behind it."""
    filename, separator, row = place.rpartition(":")
    outer, _, middle = filename.rpartition(":")
    if separator and row.isdecimal() and outer and middle.isdecimal():
        filename, row = outer, middle
    if not separator or not row.isdecimal():
        raise GraphlintError(
            f"{place!r} names no line. Write FILE:LINE, as in `graphlint explain train.py:31`."
        )
    if not Path(filename).is_file():
        raise GraphlintError(f"{filename}: there is no such file.")
    return filename, int(row)


def _project_files(filename: str, settings: Settings) -> list[str]:
    """Return the files of the project that a file is in, with the file called as it was given."""
    from graphlint.observing import project_root
    from graphlint.source.discover import discover

    root = Path(project_root([filename]))
    files = discover([root], settings.of_paths([root]))
    real = os.path.realpath(filename)
    return [filename, *(name for name in files if os.path.realpath(name) != real)]
