"""Rows of figures as aligned text, or one below the other where the terminal is too narrow."""

from __future__ import annotations

from collections.abc import Sequence

_INDENT = "  "
_NONE = "-"


def table(rows: Sequence[Sequence[str]], width: int | None = None) -> str:
    """Align columns: the first and the last to the left, figures between them to the right.

    Args:
        rows: the headings, and the rows below them; a cell without a figure is `-`.
        width: how many columns of text there are, None for as many as it takes. A table that is
            wider becomes a list, in which each figure stands behind its heading.
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = [_line(row, widths) for row in rows]
    longest = max(map(len, lines))
    if width is not None and longest > width:
        return "\n".join(_listed(rows[0], row, width) for row in rows[1:])
    lines.insert(1, "-" * longest)
    return "\n".join(lines)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *figures, last = row
    middle = "  ".join(c.rjust(w) for c, w in zip(figures, widths[1:-1], strict=True))
    return f"{first.ljust(widths[0])}  {middle}  {last}".rstrip()


def _listed(headings: Sequence[str], row: Sequence[str], width: int) -> str:
    """Name the row and what it comes to, and below that as many figures a line as fit."""
    lines = [f"{row[0]}: {row[-1]}"]
    figures = zip(headings[1:-1], row[1:-1], strict=True)
    for words in (f"{heading} {figure}" for heading, figure in figures if figure != _NONE):
        longer = f"{lines[-1]}, {words}"
        if len(lines) > 1 and len(longer) < width:  # with room for the comma of the next
            lines[-1] = longer
        else:
            lines.append(_INDENT + words)
    return lines[0] + "\n" + ",\n".join(lines[1:])
