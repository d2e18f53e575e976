"""The repair of statements that keep a graph: keep the value alone, with `.detach()`.

What is known of the statement is its place; which expression in it has the graph is read off its
syntax, and where that is not plain (a tuple, a display, a comprehension), there is no repair.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from graphlint.findings import Applicability, Edit, Fix, Location
from graphlint.rules.edits import drop_retain_graph
from graphlint.rules.syntax import extent
from graphlint.source.lines import Lines, unix_newlines
from graphlint.trace import Site

_Finder = Callable[[ast.stmt], "ast.expr | None"]
_PRIMARY = ast.Name | ast.Attribute | ast.Call | ast.Subscript
_COMPOUND = ast.BinOp | ast.UnaryOp
LEFT = "left"
"""Of a claim: a value that is kept is no tensor, or not always."""
_STORING = {"append": 0, "appendleft": 0, "add": 0, "push": 0, "put": 0, "insert": 1}


def detach_summand(source: str, site: Site) -> Fix | None:
    """Detach what a statement adds to a sum (`total += loss`, `total = total + loss`).

    Args:
        source: the file's text, with whatever newlines it has.
        site: the statement.

    Returns:
        An unsafe fix, or None where what is added is no plain expression.
    """
    return _detach(source, site, _summand)


def detach_stored(source: str, site: Site) -> Fix | None:
    """Detach what a statement puts into a container (`losses.append(loss)`, `kept[i] = loss`).

    Args:
        source: the file's text, with whatever newlines it has.
        site: the call or the assignment.

    Returns:
        An unsafe fix, or None where what is stored is no plain expression.
    """
    return _detach(source, site, _stored)


def leave(source: str, site: Site) -> Fix | None:
    """Mend nothing: what has no `.detach()` would raise.

    Args:
        source: the file's text.
        site: the statement.
    """
    return None


def detach_and_free(source: str, site: Site, places: Sequence[Site]) -> Fix | None:
    """Detach values where a graph takes them over, and have a pass keep its graph no longer.

    Args:
        source: the file's text, with whatever newlines it has.
        site: the call that says the flag; without one, the values are detached alone.
        places: the expressions that stand for the values.

    Returns:
        An unsafe fix, or None where an expression is no plain value.
    """
    text = unix_newlines(source)
    lines = Lines(text)
    edits = []
    for place in dict.fromkeys(places):
        end = lines.offset(place.span.end_row, place.span.end_column)
        value = text[lines.offset(place.span.row, place.span.column) : end]
        if not isinstance(_expression(value), ast.Name | ast.Attribute | ast.Subscript):
            return None
        edits.append(_insertion(lines, end, ".detach()"))
    freed = drop_retain_graph(source, site)
    message = "Cut the graph with `.detach()`. Unsafe, as nothing below gets this pass's gradients."
    if freed:
        message = f"{message[:-1]}; {freed.message[0].lower()}{freed.message[1:]}"
    return Fix(Applicability.UNSAFE, message, (*edits, *(freed.edits if freed else ())))


def _expression(text: str) -> ast.expr | None:
    statement = _parse(text)
    return statement.value if isinstance(statement, ast.Expr) else None


def _detach(source: str, site: Site, find: _Finder) -> Fix | None:
    lines = Lines(unix_newlines(source))
    start = lines.offset(site.span.row, site.span.column)
    text = unix_newlines(source)[start : lines.offset(site.span.end_row, site.span.end_column)]
    statement = _parse(text)
    value = find(statement) if statement else None
    if not isinstance(value, _PRIMARY | _COMPOUND):
        return None
    first, last = extent(text, value)
    edits = [_insertion(lines, start + last, ".detach()")]
    if isinstance(value, _COMPOUND):
        edits = [
            _insertion(lines, start + first, "("),
            _insertion(lines, start + last, ").detach()"),
        ]
    message = "Keep the value without its graph, by `.detach()`."
    return Fix(Applicability.UNSAFE, message, tuple(edits))


def _parse(text: str) -> ast.stmt | None:
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return body[0] if len(body) == 1 else None


def _insertion(lines: Lines, offset: int, content: str) -> Edit:
    place = Location(*lines.place(offset))
    return Edit(place, place, content)


def _summand(statement: ast.stmt) -> ast.expr | None:
    if isinstance(statement, ast.AugAssign):
        return statement.value
    if not (isinstance(statement, ast.Assign) and isinstance(statement.value, ast.BinOp)):
        return None
    if not isinstance(statement.value.op, ast.Add | ast.Sub):
        return None
    target = statement.targets[0]
    earlier = {ast.unparse(target)}
    if isinstance(target, ast.Subscript):
        earlier.add(f"{ast.unparse(target.value)}.get")
    terms = [statement.value.left, statement.value.right]
    others = [t for t in terms if earlier.isdisjoint(map(ast.unparse, ast.walk(t)))]
    return others[0] if len(others) == 1 else None


def _stored(statement: ast.stmt) -> ast.expr | None:
    if isinstance(statement, ast.Assign):
        return statement.value if isinstance(statement.targets[0], ast.Subscript) else None
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
        return None
    index = _STORING.get(call.func.attr)
    if index is None or len(call.args) <= index or call.keywords:
        return None
    return call.args[index]
