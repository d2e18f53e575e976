"""Rows and columns of a text, as offsets and back."""

from __future__ import annotations

import re
from bisect import bisect_right

# What Python takes for the end of a line: form feeds and Unicode's separators are none.
_NEWLINE = re.compile(r"\r\n|\r|\n")


class Lines:
    """Turns places in a text (row and column from 1, columns in characters) into offsets."""

    def __init__(self, text: str) -> None:
        self._length = len(text)
        self._starts = [0, *(match.end() for match in _NEWLINE.finditer(text))]

    @property
    def count(self) -> int:
        """The number of rows; the empty one behind a final newline counts."""
        return len(self._starts)

    def offset(self, row: int, column: int) -> int:
        """Return the offset of a place, that of the text's end for a place behind it."""
        if row > len(self._starts):
            return self._length
        return min(self._starts[row - 1] + column - 1, self._length)

    def place(self, offset: int) -> tuple[int, int]:
        """Return the row and the column of an offset."""
        row = bisect_right(self._starts, offset)
        return row, offset - self._starts[row - 1] + 1

    def start(self, offset: int) -> int:
        """Return the offset at which the line of an offset starts."""
        return self._starts[bisect_right(self._starts, offset) - 1]

    def next_start(self, offset: int) -> int:
        """Return the offset at which the line behind that of an offset starts."""
        index = bisect_right(self._starts, offset)
        return self._starts[index] if index < len(self._starts) else self._length


def unix_newlines(text: str) -> str:
    """Return the text with every line end as a line feed: rows and columns stay what they are."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
