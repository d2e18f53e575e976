"""The statement that keeps graphs, found by the name of what holds them.

What a run shows is which variable or container holds a graph for every iteration. The source says
where that grows: in the one statement that adds to it. Where there are several, or none in sight,
nobody is blamed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from graphlint.runtime.trails import Keeper, Via

_STORING = frozenset({"append", "appendleft", "add", "insert", "put", "push"})
_NUMBERS = frozenset({"item", "detach", "tolist", "numpy", "float", "int", "str"})
_VARIABLES = frozenset({via.value for via in Via})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)

Store = ast.Expr | ast.Assign | ast.AugAssign


def is_container(keeper: Keeper) -> bool:
    """Whether a keeper is a container, and no variable or attribute."""
    return keeper.kind not in _VARIABLES


def store_of(keeper: Keeper, tree: ast.Module) -> tuple[Store, str] | None:
    """Find the statement that adds to a keeper, and what it calls that.

    Args:
        keeper: what holds graphs.
        tree: the file that the keeper's place is in.

    Returns:
        None where there is no such statement, or more than one.
    """
    stores = _stored if is_container(keeper) else _summed
    own = _function(keeper, tree) if keeper.place.function and "." not in keeper.name else tree
    found = [
        (statement, ast.unparse(target))
        for statement in ast.walk(own or tree)
        for target in stores(statement)
        if _is_named(target, keeper.last)
    ]
    if len(found) != 1 or not isinstance(found[0][0], Store):
        return None
    return found[0][0], found[0][1]


def _function(keeper: Keeper, tree: ast.Module) -> ast.AST | None:
    """Return the function that a variable belongs to: Python counts from its first decorator."""
    for node in ast.walk(tree):
        if isinstance(node, _FUNCTIONS):
            decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
            if min([node.lineno, *(each.lineno for each in decorators)]) == keeper.place.row:
                return node
    return None


def _is_named(target: ast.expr, name: str) -> bool:
    if isinstance(target, ast.Name):
        return target.id == name
    if isinstance(target, ast.Attribute):
        return target.attr == name
    key = target.slice if isinstance(target, ast.Subscript) else None
    return isinstance(key, ast.Constant) and key.value == name


def _stored(statement: ast.AST) -> Iterator[ast.expr]:
    """Yield the container that a statement puts a value with a graph into."""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=target, attr=attr), args=args)):
            if attr in _STORING and args and not _is_number(args[-1]):
                yield target
        case ast.Assign(targets=[ast.Subscript(value=target)], value=value):
            if not _is_number(value):
                yield target
        case ast.AugAssign(target=target, op=ast.Add(), value=ast.List(elts=elements)):
            if not all(map(_is_number, elements)):
                yield target
        case ast.Assign(targets=[target], value=ast.BinOp(op=ast.Add()) as value):
            if _refers(value, target):
                yield target


def _summed(statement: ast.AST) -> Iterator[ast.expr]:
    """Yield the variable that a statement adds a value with a graph to."""
    match statement:
        case ast.AugAssign(target=target, op=ast.Add() | ast.Sub(), value=value):
            if not _is_number(value):
                yield target
        case ast.Assign(targets=[target], value=ast.BinOp() as value):
            if _refers(value, target):
                yield target


def _refers(value: ast.expr, target: ast.expr) -> bool:
    wanted = ast.unparse(target)
    return any(ast.unparse(node) == wanted for node in _expressions(value))


def _expressions(value: ast.expr) -> Iterable[ast.expr]:
    return (node for node in ast.walk(value) if isinstance(node, ast.expr))


def _is_number(value: ast.expr) -> bool:
    """Whether an expression plainly has no graph: a constant, or what `.item()` and such return."""
    if isinstance(value, ast.Constant):
        return True
    function = value.func if isinstance(value, ast.Call) else None
    if isinstance(function, ast.Attribute):
        return function.attr in _NUMBERS
    return isinstance(function, ast.Name) and function.id in _NUMBERS
