"""Where a syntax node stands, in rows and characters."""

from __future__ import annotations

import re
from typing import Protocol

from graphlint.trace import Span


class Placed(Protocol):
    """A syntax node with a position: columns in UTF-8 bytes, from 0."""

    @property
    def lineno(self) -> int:
        """The first row."""

    @property
    def col_offset(self) -> int:
        """The first column."""

    @property
    def end_lineno(self) -> int | None:
        """The last row."""

    @property
    def end_col_offset(self) -> int | None:
        """The column behind the last."""


class Places:
    """Turns the parser's positions (rows from 1, UTF-8 bytes from 0) into spans."""

    def __init__(self, source: str) -> None:
        self._ascii = source.isascii()
        self._lines = [] if self._ascii else re.split(r"\r\n|\r|\n", source)
        self._rows = source.count("\n") + 1

    def whole(self) -> Span:
        """Return the span of the whole file."""
        return Span(1, 1, self._rows, 1)

    def of(self, node: Placed) -> Span:
        """Return the span of a node."""
        end_row = node.end_lineno or node.lineno
        end = node.end_col_offset if node.end_col_offset is not None else node.col_offset
        start_column = self._column(node.lineno, node.col_offset)
        return Span(node.lineno, start_column, end_row, self._column(end_row, end))

    def _column(self, row: int, offset: int) -> int:
        if self._ascii or row > len(self._lines):
            return offset + 1
        return len(self._lines[row - 1].encode()[:offset].decode(errors="replace")) + 1


class OnePlace(Places):
    """Has every node stand in one place, where its text is evaluated."""

    def __init__(self, span: Span) -> None:
        super().__init__("")
        self._span = span

    def of(self, node: Placed) -> Span:
        """Return that place."""
        return self._span
