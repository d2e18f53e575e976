"""Looking things up in a file's syntax tree, for repairs that need more than one call's text."""

from __future__ import annotations

import ast

from graphlint.findings import Edit, Location
from graphlint.source.lines import Lines


def parse(text: str) -> ast.Module | None:
    """Parse a text, None where it can't be parsed."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def extent(text: str, node: ast.expr | ast.stmt) -> tuple[int, int]:
    """Return where a node starts and ends, in characters: the parser counts bytes.

    Args:
        text: what was parsed, with line feeds for newlines.
        node: a node of its tree.
    """
    rows = text.split("\n")
    before = [0]
    for row in rows:
        before.append(before[-1] + len(row) + 1)

    def offset(row: int, column: int) -> int:
        return before[row - 1] + len(rows[row - 1].encode()[:column].decode())

    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return offset(node.lineno, node.col_offset), offset(node.end_lineno, node.end_col_offset)


def replacement(lines: Lines, start: int, end: int, content: str) -> Edit:
    """Return the edit that replaces what stands between two offsets."""
    return Edit(Location(*lines.place(start)), Location(*lines.place(end)), content)


def in_parentheses(text: str) -> bool:
    """Whether one pair of parentheses holds a whole text."""
    if not text.startswith("("):
        return False
    depth = 0
    for index, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return index == len(text) - 1
    return False
