"""Where a command's output goes: to a file, or to standard output."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TextIO

import click

from graphlint.errors import GraphlintError


def write(text: str, output_file: Path | None = None, err: bool = False) -> None:
    """Write a text to a file, or to standard output (standard error, if told) without one."""
    # A file name may hold bytes that are no text: Python's stand-ins for them can't be written.
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    try:
        if output_file is None:
            # Whoever wrote the text chose its colours.
            click.echo(text, nl=False, err=err, color=True)
            return
        output_file.parent.mkdir(parents=True, exist_ok=True)
        output_file.write_text(text, encoding="utf-8")
    except BrokenPipeError:
        raise
    except OSError as error:
        if output_file is None:
            _drop_rest(sys.stderr if err else sys.stdout)
        where = output_file or ("standard error" if err else "standard output")
        raise GraphlintError(f"{where}: can't be written: {error.strerror}.") from error


def _drop_rest(stream: TextIO) -> None:
    """Throw away what a stream could not write: Python would try again, and fail, when it ends."""
    with contextlib.suppress(OSError), open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), stream.fileno())
