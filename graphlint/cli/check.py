"""`graphlint check`: lint files, and fix them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from graphlint.cli._options import complete_codes, split_lists, split_pairs
from graphlint.output import FORMATS

F = TypeVar("F", bound=Callable[..., Any])
CONFIDENCES = ("certain", "likely", "possible")


def _flag(*names: str, help: str, default: bool | None = False) -> Callable[[F], F]:  # noqa: A002
    return click.option(*names, is_flag=True, default=default, help=help)


def _list(*names: str, help: str) -> Callable[[F], F]:  # noqa: A002
    return click.option(*names, multiple=True, callback=split_lists, metavar="LIST", help=help)


def _rules(*names: str, help: str) -> Callable[[F], F]:  # noqa: A002
    return click.option(
        *names,
        multiple=True,
        callback=split_lists,
        metavar="LIST",
        shell_complete=complete_codes,
        help=help,
    )


@click.command("check", short_help="Lint files and folders.")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, allow_dash=True))
@_flag("--fix/--no-fix", default=None, help="Apply the safe fixes, and show what is left.")
@_flag("--unsafe-fixes/--no-unsafe-fixes", help="Count unsafe fixes in, for --fix and --diff.")
@_flag("--diff", help="Show what --fix would change, and change nothing.")
@_rules("--select", help="The rules to use: codes, their beginnings, names, or ALL.")
@_rules("--ignore", help="Rules to leave out.")
@_rules("--extend-select", help="Rules to use on top of the configured ones.")
@click.option(
    "--per-file-ignores",
    multiple=True,
    callback=split_pairs,
    metavar="GLOB:RULE",
    help="Rules to leave out of the files of a glob.",
)
@_list("--exclude", help="Globs of files and folders not to look into, in place of the default.")
@_list("--extend-exclude", help="More of them.")
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Show what a run measured beside the findings, most bytes first; one use for each rank.",
)
@click.option("--min-confidence", type=click.Choice(CONFIDENCES), help="Leave out what is less.")
@click.option(
    "--output-format",
    type=click.Choice(FORMATS),
    default="full",
    show_default=True,
    help="How to show findings.",
)
@click.option(
    "-o", "--output-file", type=click.Path(path_type=Path), help="Write findings to this file."
)
@_flag("--statistics", help="Show how often each rule found something, and no findings.")
@_flag("-e", "--exit-zero", help="Exit with 0 although there are findings.")
@_flag("--exit-non-zero-on-fix", help="Exit with 1 if a fix was applied, whatever is left.")
@_flag("--show-files", help="Show which files would be linted.")
@_flag("--show-settings", help="Show the configuration that would be used.")
@click.option("-j", "--jobs", type=click.IntRange(0), default=0, help="Processes; 0: one a core.")
@click.option("--config", type=click.Path(path_type=Path), help="Use this configuration file.")
@_flag("--isolated", help="Look for no configuration file.")
@_flag("-q", "--quiet", help="Show findings, and nothing else.")
@click.option("--stdin-filename", type=click.Path(path_type=Path), help="What to call `-`.")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Lint PATHS: files, folders, or - for standard input. The default is this folder.

    Exits with 0 when nothing was found, with 1 when something was, and with 2 when the run itself
    failed.
    """
    from graphlint.cli._checking import Request, check

    ctx.exit(check(Request(**given)))
