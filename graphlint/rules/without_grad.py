"""The repair of evaluations that build graphs: run them under `torch.no_grad()`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from graphlint.findings import Applicability, Edit, Fix
from graphlint.rules.syntax import parse, replacement
from graphlint.source.lines import Lines, unix_newlines
from graphlint.trace import Site

_GRADIENTS = frozenset(
    "backward manual_backward grad step zero_grad enable_grad set_grad_enabled requires_grad_ "
    "requires_grad jacobian hessian vjp jvp".split()
)
"""Names of what an evaluation has no use for: where one of them stands, gradients are wanted."""
_Loop = ast.For | ast.While
_Function = ast.FunctionDef


def turn_gradients_off(source: str, site: Site) -> Fix | None:
    """Decorate the function that evaluates with `torch.no_grad()`, or put a script's loop into one.

    Args:
        source: the file's text, with whatever newlines it has.
        site: the call of the model.

    Returns:
        An unsafe fix, or None where gradients are used around the call, or `torch` isn't imported
        by that name.
    """
    text = unix_newlines(source)
    tree = parse(text)
    if tree is None or not _imports_torch(tree):
        return None
    around = list(_around(tree, site.span.row))
    functions = [node for node in around if not isinstance(node, _Loop)]
    newline = "\r\n" if "\r\n" in source else "\n"
    lines = Lines(text)
    users = _users_of_gradients(tree)
    if not functions:
        edits = _wrapped(text, lines, around, newline, users)
    elif isinstance(functions[-1], _Function) and _only_evaluates(functions[-1], users):
        edits = _decorated(lines, functions[-1], newline)
    else:
        edits = []
    message = "Turn gradients off with `torch.no_grad()`: nothing in it may want them later."
    return Fix(Applicability.UNSAFE, message, tuple(edits)) if edits else None


def _imports_torch(tree: ast.Module) -> bool:
    imports = [statement for statement in tree.body if isinstance(statement, ast.Import)]
    names = [name for statement in imports for name in statement.names]
    return any(name.name == "torch" and name.asname is None for name in names)


def _around(tree: ast.AST, row: int) -> Iterator[ast.stmt]:
    """Walk the functions and loops around a row, from the outermost."""
    for node in ast.iter_child_nodes(tree):
        rows = getattr(node, "lineno", row), getattr(node, "end_lineno", row)
        if rows[0] <= row <= rows[1]:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.For, ast.While)):
                yield node
            yield from _around(node, row)


def _users_of_gradients(tree: ast.AST) -> frozenset[str]:
    """Return the names of a file's functions that use gradients, or call others that do."""
    functions = [node for node in ast.walk(tree) if isinstance(node, _Function)]
    users: frozenset[str] = frozenset()
    while True:
        found = users.union(f.name for f in functions if _mentions(f, users))
        if found == users:
            return users
        users = found


def _mentions(function: ast.FunctionDef, users: frozenset[str]) -> bool:
    return any(
        (isinstance(part, ast.Attribute) and part.attr in _GRADIENTS) or _calls(part, users)
        for part in ast.walk(function)
    )


def _calls(node: ast.AST, users: frozenset[str]) -> bool:
    """Whether a name, or a method of `self`, is one of some functions."""
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id == "self" and node.attr in users
    return isinstance(node, ast.Name) and node.id in users


def _only_evaluates(node: ast.stmt, users: frozenset[str]) -> bool:
    """Whether nothing in a function or loop has to do with gradients, and it is no generator."""
    return not any(
        _calls(part, users)
        or (
            isinstance(part, (ast.Yield, ast.YieldFrom, ast.FunctionDef, ast.Lambda))
            and part is not node
        )
        or (isinstance(part, ast.Attribute) and part.attr in _GRADIENTS)
        or (isinstance(part, ast.Name) and part.id in _GRADIENTS)
        or (isinstance(part, ast.keyword) and part.arg in _GRADIENTS)
        for part in ast.walk(node)
    )


def _decorated(lines: Lines, function: ast.FunctionDef, newline: str) -> list[Edit]:
    start = lines.offset(function.lineno, 1)
    content = f"{' ' * function.col_offset}@torch.no_grad(){newline}"
    return [replacement(lines, start, start, content)]


def _wrapped(
    text: str, lines: Lines, loops: list[ast.stmt], newline: str, users: frozenset[str]
) -> list[Edit]:
    """Put a script's innermost loop into a `with` of its own, unless a string spans its lines."""
    if not loops or not _only_evaluates(loops[-1], users):
        return []
    loop = loops[-1]
    assert loop.end_lineno is not None
    if any(_spans_lines(part) for part in ast.walk(loop)):
        return []
    first = lines.offset(loop.lineno, 1)
    indent = text[first : lines.offset(loop.lineno, 1 + loop.col_offset)]
    if indent.strip():
        return []
    deeper = "\t" if "\t" in indent else "    "
    opening = f"{indent}with torch.no_grad():{newline}{deeper}"
    edits = [replacement(lines, first, first, opening)]
    for row in range(loop.lineno + 1, loop.end_lineno + 1):
        start = lines.offset(row, 1)
        if text[start : lines.next_start(start)].strip():
            edits.append(replacement(lines, start, start, deeper))
    return edits


def _spans_lines(node: ast.AST) -> bool:
    if not isinstance(node, (ast.JoinedStr, ast.Constant)):
        return False
    is_text = isinstance(node, ast.JoinedStr) or isinstance(node.value, (str, bytes))
    return is_text and node.lineno != node.end_lineno
