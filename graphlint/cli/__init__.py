"""The command `graphlint`: one file a sub-command, each imported when it is called.

A sub-command's file defines `command`. Nothing heavy is imported at the top of any of them, so
that `graphlint check` pays for no torch.
"""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import click

from graphlint import __version__
from graphlint.errors import GraphlintError

FAILED = 2
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class LazyGroup(click.Group):
    """Finds a sub-command by the name of its file."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the files beside this one that hold a sub-command."""
        return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one sub-command."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command = import_module(f"{__name__}.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the sub-command that is asked for; who names a file is told of `check`."""
        if args and self.get_command(ctx, args[0]) is None and Path(args[0]).exists():
            ctx.fail(f"{args[0]!r} is no command. To lint it: graphlint check {args[0]}")
        return super().resolve_command(ctx, args)


def _print_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"graphlint {__version__}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings=CONTEXT)
@click.option(
    "--version",
    "-V",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Find the autograd graphs that a PyTorch program keeps alive, and whether it needs to."""


def main(args: Sequence[str] | None = None) -> None:
    """Run a command line (that of the process, unless told), and exit with its status.

    A mistake of the user's becomes a line that names it, never a traceback.
    """
    try:
        status = cli.main(args, standalone_mode=False, prog_name="graphlint")
    except GraphlintError as error:
        click.echo(f"graphlint: {error}", err=True)
        status = error.exit_code
    except click.ClickException as error:
        error.show()
        status = FAILED
    except (click.Abort, KeyboardInterrupt):
        _end_by_interrupt()
    except BrokenPipeError:  # the reader of a pipe has seen enough
        sys.stderr.close()
        status = FAILED
    sys.exit(status if isinstance(status, int) else 0)


def _end_by_interrupt() -> NoReturn:
    """End as Python ends a program that was interrupted: by the signal, which a shell sees as 130.

    A shell that sees a mere exit status goes on with its loop. There is no traceback to show: ours
    interests nobody, and that of a program was shown when it ended.
    """
    sys.excepthook = lambda *_: None
    raise KeyboardInterrupt
