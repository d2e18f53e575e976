"""`graphlint run`: run a program under the recorder."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from graphlint.runtime.needs import OVERHEAD

_TAKES_VALUE = ("-o", "--output", "--every", "--overhead")
_REPORT = "`graphlint report --format html` makes a page of it"


class ProgramCommand(click.Command):
    """Leaves all that stands behind the program's name to the program."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Turn `-m MODULE ARGS` into a flag and arguments, as click knows no such option."""
        index = 0
        while index < len(args) and args[index].startswith("-") and args[index] not in ("-", "--"):
            if args[index].startswith("-m"):
                joined, rest = args[index][2:], args[index + 1 :]
                program = [joined, *rest] if joined else rest
                args = [*args[:index], "--module", "--", *program]
                break
            index += 2 if args[index] in _TAKES_VALUE else 1
        return super().parse_args(ctx, args)


@click.command(
    "run",
    short_help="Run a program under the recorder.",
    cls=ProgramCommand,
    context_settings={"allow_interspersed_args": False},
    options_metavar="[OPTIONS]",
)
@click.option(
    "-m", "--module", is_flag=True, help="Run a module, as `python -m` does; SCRIPT is its name."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Write the profile to this file."
)
@click.option(
    "--every",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Measure the bytes of one in so many retained passes of a call.",
)
@click.option(
    "--overhead",
    type=click.FloatRange(0, min_open=True),
    default=OVERHEAD,
    show_default=True,
    help="The share of CPU time that may go into looking at graphs; leave out graphs beyond it.",
)
@click.option("--live", is_flag=True, help="Show the table while the program runs, on a terminal.")
@click.option("-q", "--quiet", is_flag=True, help="Print no table.")
@click.argument("script")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(
    ctx: click.Context,
    module: bool,
    output: Path | None,
    every: int,
    overhead: float,
    live: bool,
    quiet: bool,
    script: str,
    args: tuple[str, ...],
) -> None:
    """Run SCRIPT with ARGS under the recorder, and print what its backward passes kept.

    All that follows SCRIPT belongs to the program. It keeps its exit status and its traceback. The
    table goes to standard error, so that the program's own output stays as it is.
    """
    from graphlint.cli._live import LiveTable
    from graphlint.output.profile_text import render
    from graphlint.output.style import columns
    from graphlint.runtime.program import RunOptions, run_program

    options = RunOptions(
        module=module,
        output=output,
        every=every,
        overhead=overhead,
        watch=LiveTable if live else None,
    )
    result = run_program(script, args, options)
    if not quiet:
        click.echo(f"\n{render(result.report.profile, columns(sys.stderr))}", err=True)
        if result.output is not None:
            click.echo(f"\nThe profile is in {result.output}: {_REPORT}.", err=True)
    if result.unwritten:
        click.echo(f"graphlint: {result.unwritten}", err=True)
    if result.interrupted:
        raise click.Abort
    ctx.exit(result.exit_status)
