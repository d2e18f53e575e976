"""The repair of gradients that are not there: ask for them where the tensor is made."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from graphlint.findings import Applicability, Fix
from graphlint.rules.syntax import parse, replacement
from graphlint.source.lines import Lines, unix_newlines
from graphlint.trace import Site

_Scope = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef
_INNER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def retain_grad(source: str, site: Site) -> Fix | None:
    """Call `retain_grad()` on a variable behind the only statement that assigns it.

    Args:
        source: the file's text, with whatever newlines it has.
        site: the expression `variable.grad` that reads the gradient.

    Returns:
        An unsafe fix, or None where the tensor is no variable of one plain assignment that stands
        on lines of its own, before the gradient is read.
    """
    text = unix_newlines(source)
    tree = parse(text)
    lines = Lines(text)
    start = lines.offset(site.span.row, site.span.column)
    end = lines.offset(site.span.end_row, site.span.end_column)
    name, dot, attribute = text[start:end].rpartition(".")
    if tree is None or not name.isidentifier() or (dot, attribute) != (".", "grad"):
        return None
    statement = _assignment(_scope(tree, site.span.row), name)
    if statement is None or statement.lineno >= site.span.row:
        return None
    assert statement.end_lineno is not None
    first = lines.offset(statement.lineno, 1)
    behind = lines.next_start(lines.offset(statement.end_lineno, 1))
    indent = text[first : lines.offset(statement.lineno, 1 + statement.col_offset)]
    if indent.strip() or text[lines.start(behind - 1) : behind].count(";"):
        return None
    newline = "\r\n" if "\r\n" in source else "\n"
    edit = replacement(lines, behind, behind, f"{indent}{name}.retain_grad(){newline}")
    message = f"Call `{name}.retain_grad()`, which keeps a gradient as large as the tensor."
    return Fix(Applicability.UNSAFE, message, (edit,))


def _scope(tree: ast.Module, row: int) -> _Scope:
    """Return the innermost function around a row, or the file."""
    scope: _Scope = tree
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if node.lineno <= row <= (node.end_lineno or row):
                scope = node  # walked from the outermost
    return scope


def _assignment(scope: _Scope, name: str) -> ast.Assign | None:
    """Return the only statement of a scope that binds a variable, if it is plain."""
    nodes = list(_own(scope))
    bound = [n for n in nodes if isinstance(n, ast.Name) and n.id == name and _binds(n)]
    found = [n for n in nodes if isinstance(n, ast.Assign) and n.targets[0] in bound]
    return found[0] if len(bound) == len(found) == 1 else None


def _binds(name: ast.Name) -> bool:
    return isinstance(name.ctx, (ast.Store, ast.Del))


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """Walk what is in a scope, but not in functions and classes within it."""
    for node in ast.iter_child_nodes(scope):
        yield node
        if not isinstance(node, _INNER):
            yield from _own(node)
