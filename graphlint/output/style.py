"""Terminal colours, and whether to use them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO


@dataclass(frozen=True, slots=True)
class Style:
    """Wraps text in terminal colours, or leaves it alone."""

    color: bool = False

    def bold(self, text: str) -> str:
        """Set file names apart."""
        return self._wrap("1", text)

    def code(self, text: str) -> str:
        """Colour the code of a rule."""
        return self._wrap("1;31", text)

    def primary(self, text: str) -> str:
        """Colour the marks under the place that a finding is about."""
        return self._wrap("1;31", text)

    def secondary(self, text: str) -> str:
        """Colour the marks under the other places of a witness."""
        return self._wrap("1;34", text)

    def gutter(self, text: str) -> str:
        """Colour row numbers and frames."""
        return self._wrap("1;34", text)

    def fix(self, text: str) -> str:
        """Colour what has to do with fixes."""
        return self._wrap("36", text)

    def _wrap(self, sequence: str, text: str) -> str:
        return f"\033[{sequence}m{text}\033[0m" if self.color and text else text


def wants_color(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Say whether a stream takes colours: a terminal does, and the environment can overrule.

    `NO_COLOR` (no-color.org) and `TERM=dumb` turn colours off, `FORCE_COLOR` turns them on.
    """
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return stream.isatty() and environ.get("TERM") != "dumb"


def columns(stream: TextIO) -> int | None:
    """Return how many columns of text a stream shows, None for what is no terminal."""
    return shutil.get_terminal_size().columns if stream.isatty() else None
