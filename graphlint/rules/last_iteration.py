"""The repair of a flag that a loop's last iteration alone has no use for: say which that is."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from graphlint.findings import Fix
from graphlint.rules.edits import say_flag
from graphlint.rules.syntax import extent, parse
from graphlint.source.lines import Lines, unix_newlines
from graphlint.trace import Site

_SCOPES = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.GeneratorExp)
_LISTS = (ast.List, ast.ListComp, ast.Tuple)
_MAKE_LISTS = ("list", "sorted", "tuple")
_COUNTS = ("size", "numel", "nelement")
_CHANGES = frozenset("append clear extend insert pop popleft remove reverse sort".split())


@dataclass(frozen=True, slots=True)
class _Loop:
    """A loop around a call: what it binds, what it goes over, what it runs, where it stands."""

    target: ast.expr
    iter: ast.expr
    body: tuple[ast.AST, ...]
    scope: ast.AST


def turn_off_on_last(source: str, site: Site) -> Fix | None:
    """Turn a flag off on the last iteration of the loop around a call.

    Args:
        source: the file's text.
        site: the call that says the flag.

    Returns:
        An unsafe fix, or None where the call doesn't say `True` literally, or which iteration is
        the last can't be said in a few words: the loop has to count, or to go over a list.
    """
    text = unix_newlines(source)
    tree = parse(text)
    loop = _loop_around(text, tree, site) if tree else None
    more = _more_to_come(loop) if loop else None
    if loop is None or more is None or _is_changed(loop, ast.parse(more)):
        return None
    return say_flag(source, site, more)


# ------------------------------------------------------------------------------- finding the loop
def _loop_around(text: str, tree: ast.Module, site: Site) -> _Loop | None:
    """Return the innermost loop that runs a call, if it is one over items."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    start = Lines(text).offset(site.span.row, site.span.column)
    rows = (site.span.row, site.span.end_row)
    end = Lines(text).offset(site.span.end_row, site.span.end_column)
    for node in parents:
        if isinstance(node, ast.Call) and (node.lineno, node.end_lineno) == rows:
            if extent(text, node) == (start, end):
                return _innermost(parents, node)
    return None


def _innermost(parents: Mapping[ast.AST, ast.AST], call: ast.Call) -> _Loop | None:
    inner: ast.AST = call
    while not isinstance(node := parents[inner], _SCOPES):
        if isinstance(node, (ast.While, ast.AsyncFor)):
            return None
        if isinstance(node, ast.For):
            runs = inner in node.body
            return _made(parents, node, node.target, node.iter, *node.body) if runs else None
        if isinstance(node, _COMPREHENSIONS):
            first, *more = node.generators
            plain = inner is node.elt and not more and not first.ifs
            return _made(parents, node, first.target, first.iter, node.elt) if plain else None
        inner = node
    return None


def _made(
    parents: Mapping[ast.AST, ast.AST],
    node: ast.AST,
    target: ast.expr,
    over: ast.expr,
    *body: ast.AST,
) -> _Loop:
    scope = node
    while not isinstance(scope, _SCOPES):
        scope = parents[scope]
    return _Loop(target, over, body, scope)


def _is_changed(loop: _Loop, condition: ast.AST) -> bool:
    """Whether the loop's body binds or changes what a condition asks."""
    names = {node.id for node in ast.walk(condition) if isinstance(node, ast.Name)}
    for node in (node for part in loop.body for node in ast.walk(part)):
        if isinstance(node, ast.Name) and node.id in names and not isinstance(node.ctx, ast.Load):
            return True
        if isinstance(node, ast.Attribute) and node.attr in _CHANGES:
            if isinstance(node.value, ast.Name) and node.value.id in names:
                return True
    return False


# --------------------------------------------------------------------------- saying which is last
def _more_to_come(loop: _Loop) -> str | None:
    """Write what holds on every iteration but the last."""
    match loop.target, loop.iter:
        case ast.Name(id=number), ast.Call(func=ast.Name("range")) as numbers:
            return _before_end(number, numbers)
        case ast.Name(id=number), ast.Call(func=ast.Name("reversed"), args=[ast.Call() as numbers]):
            counts = isinstance(numbers.func, ast.Name) and numbers.func.id == "range"
            return f"{number} > 0" if counts and len(numbers.args) == 1 else None
        case ast.Tuple(elts=[ast.Name(id=number), _]), ast.Call(func=ast.Name("enumerate")) as rows:
            return _before_last_pair(loop, number, rows)
        case ast.Name(id=item), ast.Name(id=items) if _is_list(loop, items):
            return f"{item} is not {items}[-1]"
    return None


def _before_end(number: str, numbers: ast.Call) -> str | None:
    """Write that a number is not the last of a range that counts by ones."""
    if numbers.keywords or len(numbers.args) not in (1, 2):
        return None
    end = numbers.args[-1]
    if isinstance(end, ast.Constant) and type(end.value) is int:
        return f"{number} < {end.value - 1}"
    return _less(number, ast.unparse(end), 0) if _is_count(end) else None


def _before_last_pair(loop: _Loop, number: str, pairs: ast.Call) -> str | None:
    """Write that a number is not the last that `enumerate` gives, if that can be counted."""
    match pairs.args[:1], [*pairs.args[1:], *(keyword.value for keyword in pairs.keywords)]:
        case [items], [] if _has_length(loop, items):
            return _less(number, f"len({ast.unparse(items)})", 0)
        case [items], [ast.Constant(value=int(first))] if _has_length(loop, items):
            return _less(number, f"len({ast.unparse(items)})", first)
    return None


def _less(number: str, count: str, first: int) -> str:
    """Write that a number is not the last of so many, counted from the first."""
    if first == 1:
        return f"{number} < {count}"
    return f"{number} < {count} - {1 - first}" if first < 1 else f"{number} < {count} + {first - 1}"


def _is_count(expr: ast.expr) -> bool:
    """Whether an expression is a count that can as well be asked for again."""
    match expr:
        case ast.Name() | ast.Attribute(value=ast.Name()):
            return True
        case ast.Call(func=ast.Name("len"), args=[ast.Name() | ast.Attribute(value=ast.Name())]):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(), attr=name), args=args):
            return name in _COUNTS and all(isinstance(arg, ast.Constant) for arg in args)
        case ast.Subscript(
            value=ast.Attribute(value=ast.Name(), attr="shape"), slice=ast.Constant()
        ):
            return True
    return False


def _has_length(loop: _Loop, items: ast.expr) -> bool:
    """Whether what a loop goes over is known to have a length: it is a list, or is asked for it."""
    asked = (
        ast.unparse(node.args[0])
        for node in ast.walk(loop.scope)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "len"
        and node.args
    )
    if isinstance(items, ast.Name) and _is_list(loop, items.id):
        return True
    return isinstance(items, (ast.Name, ast.Attribute)) and ast.unparse(items) in asked


def _is_list(loop: _Loop, name: str) -> bool:
    """Whether everything that is assigned to a name, where the loop stands, makes a list."""
    values = list(_assigned(loop.scope, name))
    return bool(values) and all(map(_makes_list, values))


def _assigned(scope: ast.AST, name: str) -> Iterator[ast.expr | None]:
    """Walk the values that a name gets in a scope, None for one that is not a plain assignment."""
    plain: set[ast.AST] = set()
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign):
            plain.update(node.targets)
            if any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
                yield node.value
        elif isinstance(node, ast.arg) and node.arg == name:
            yield None
    for node in ast.walk(scope):
        if isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load):
            if node not in plain:
                yield None


def _makes_list(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name) and value.func.id in _MAKE_LISTS
    return isinstance(value, _LISTS)
