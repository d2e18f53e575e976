"""`graphlint report`: show a recorded profile."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("report")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to show it.",
)
@click.option(
    "-o", "--output-file", type=click.Path(path_type=Path), help="Write to this file instead."
)
def command(file: Path, output_format: str, output_file: Path | None) -> None:
    """Show the profile FILE, which `graphlint run -o` or `Report.save` has written."""
    from graphlint.cli._writing import write
    from graphlint.output.profile_text import render
    from graphlint.profiles import Profile

    profile = Profile.load(file)
    text = profile.to_json() if output_format == "json" else f"{render(profile)}\n"
    write(text, output_file)
