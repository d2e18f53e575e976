"""The repair that takes a whole statement away."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from graphlint.findings import Applicability, Edit, Fix, Location
from graphlint.source.lines import Lines, unix_newlines
from graphlint.trace import Site

_BLOCKS = ("body", "orelse", "finalbody")


def drop_statement(source: str, site: Site) -> Fix | None:
    """Drop the statement that a call is, with the comment behind it.

    Args:
        source: the file's text.
        site: the call.

    Returns:
        A safe fix, or None where the call is part of something else, shares its lines, or is all
        that its block does.
    """
    text = unix_newlines(source)
    lines = Lines(text)
    start = lines.offset(site.span.row, site.span.column)
    end = lines.offset(site.span.end_row, site.span.end_column)
    first, behind = lines.start(start), lines.next_start(end)
    rest = text[end:behind].strip()
    if text[first:start].strip() or not _dispensable(text, site):
        return None
    if rest and not rest.startswith("#"):
        return None
    edit = Edit(Location(*lines.place(first)), Location(*lines.place(behind)), "")
    return Fix(Applicability.SAFE, f"Drop `{text[start:end]}`.", (edit,))


def _dispensable(text: str, site: Site) -> bool:
    """Whether a call is a statement of its own in a block that has others."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(
        isinstance(statement, ast.Expr) and statement.lineno == site.span.row and len(block) > 1
        for block in _blocks(tree)
        for statement in block
    )


def _blocks(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(tree):
        for name in _BLOCKS:
            block = getattr(node, name, None)
            if isinstance(block, list):
                yield block
