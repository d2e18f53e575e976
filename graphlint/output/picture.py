"""The sources of several files with marks in them, one below the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from graphlint.output import Options, Sources
from graphlint.output.snippet import Mark, draw
from graphlint.output.style import Style
from graphlint.output.wording import shown_name

Marks = Mapping[str, Sequence[Mark]]


def gutter_width(marks: Marks) -> int:
    """Return how many digits the largest row number has."""
    return len(str(max(row for of_file in marks.values() for mark in of_file for row in mark.rows)))


def picture(
    marks: Marks, main_file: str, sources: Sources, options: Options, width: int
) -> Iterator[str]:
    """Yield the lines of a picture.

    Args:
        marks: what to underline, by file.
        main_file: the file that needs no naming.
        sources: return a file's text.
        options: say whether there are colours, and what file names are relative to.
        width: of the column with row numbers, in characters.
    """
    style = Style(options.color)
    border = " " * width + style.gutter(" |")
    drawn = False
    for filename, of_file in marks.items():
        lines = list(draw(sources(filename), of_file, style, width))
        if not lines:
            continue
        if filename != main_file:
            where = f"{shown_name(filename, options)}:{of_file[0].start.row}"
            yield style.gutter(" " * (width + 1) + "::: ") + where
        yield border
        yield from lines
        drawn = True
    if drawn:
        yield border
