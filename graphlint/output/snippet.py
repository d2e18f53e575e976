"""Source lines with marks under the places that matter, in the manner of a compiler."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from graphlint.findings import Location
from graphlint.output.style import Style
from graphlint.source.lines import unix_newlines

TAB = "    "
MOST_ROWS = 6  # of one mark; the middle of a longer one is left out


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of source to underline, and what to say of it."""

    start: Location
    end: Location
    notes: tuple[str, ...] = ()
    primary: bool = False

    @property
    def rows(self) -> range:
        """The rows that the mark covers."""
        return range(self.start.row, max(self.start.row, self.end.row) + 1)


def draw(text: str, marks: Sequence[Mark], style: Style, width: int) -> Iterator[str]:
    """Yield the lines of a picture: a gutter of `width` digits, source lines, marks and notes."""
    lines = unix_newlines(text).split("\n") if text else []
    shown = _rows(marks, len(lines))
    gutter = " " * width + style.gutter(" |")
    previous = shown[0] if shown else 0
    for row in shown:
        if row > previous + 1:
            yield style.gutter("...")
        previous = row
        line = lines[row - 1]
        source = _expand(line).rstrip()
        yield style.gutter(f"{row:>{width}} |") + (f" {source}" if source else "")
        for mark in marks:
            if row in mark.rows:
                yield from (f"{gutter} {under}" for under in _underline(line, row, mark, style))


def _rows(marks: Sequence[Mark], count: int) -> list[int]:
    """Choose the rows to show: those of the marks, and single rows between them."""
    rows: set[int] = set()
    for mark in marks:
        covered = list(mark.rows)
        if len(covered) > MOST_ROWS:
            covered = [*covered[: MOST_ROWS // 2], covered[-1]]
        rows.update(row for row in covered if 1 <= row <= count)
    between = {row + 1 for row in rows if row + 2 in rows}
    return sorted(rows | between)


def _underline(line: str, row: int, mark: Mark, style: Style) -> Iterator[str]:
    """Yield the marks under one row, with the notes behind those of the mark's last row."""
    indent = len(line) - len(line.lstrip())
    start = mark.start.column - 1 if row == mark.start.row else indent
    last = row == mark.rows[-1]
    end = mark.end.column - 1 if row == mark.end.row else len(line.rstrip())
    before, marked = _columns(line[:start]), _columns(line[start:end])
    sign = "^" if mark.primary else "-"
    paint = style.primary if mark.primary else style.secondary
    notes = mark.notes if last else ()
    signs = sign * max(1, marked)
    yield " " * before + paint(f"{signs} {notes[0]}" if notes else signs)
    for note in notes[1:]:
        yield " " * (before + len(signs) + 1) + paint(note)


def _expand(text: str) -> str:
    return text.replace("\t", TAB)


def _columns(text: str) -> int:
    """Count the columns that a terminal gives to a text."""
    text = _expand(text)
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))
