"""Hooks in a program's code: where loops iterate, values are stored, and `.grad` is read."""

from __future__ import annotations

import ast
from copy import deepcopy
from dataclasses import dataclass, field

LOOP_HOOK = "__loop__"
ITERATION_HOOK = "__iteration__"
STORE_HOOK = "__store__"
READ_HOOK = "__read__"
STORING = {"append", "appendleft", "add", "insert", "extend", "update", "setdefault", "put", "add_"}
JOINING = {"cat", "stack", "hstack", "vstack"}
PLAIN = (ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.expr_context)
Loop = ast.For | ast.While


@dataclass(frozen=True)
class Point:
    """A place in a program at which a value is stored, or a gradient read."""

    file: str
    row: int


@dataclass
class Points:
    """The hooked places of a program, each known by its number."""

    stores: list[Point] = field(default_factory=list)
    reads: list[Point] = field(default_factory=list)


def loop_name(loop: Loop, file: str) -> str:
    """Return what the hooks call a loop."""
    return f"{file}:{loop.lineno}"


def add_hooks(tree: ast.Module, file: str, points: Points) -> ast.Module:
    """Put hooks into a file's code; its statements keep their places."""
    hooked: ast.Module = ast.fix_missing_locations(_Hooks(file, points).visit(tree))
    return hooked


class _Hooks(ast.NodeTransformer):
    """Hook loops, stores that may outlive an iteration, and reads of `.grad`."""

    def __init__(self, file: str, points: Points) -> None:
        self.file = file
        self.points = points

    def visit_For(self, node: ast.For) -> list[ast.stmt]:
        return self._loop(node)

    def visit_While(self, node: ast.While) -> list[ast.stmt]:
        return self._loop(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        node.value = self._stored(node.value, node.lineno)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """Hook what is put into containers and attributes, and the summands of a running sum."""
        self.generic_visit(node)
        target, value = node.targets[0], node.value
        if (
            isinstance(target, ast.Tuple)
            and isinstance(value, ast.Tuple)
            and len(target.elts) == len(value.elts)
        ):
            pairs = zip(target.elts, value.elts, strict=True)
            value.elts = [self._bound(part, item, item.lineno) for part, item in pairs]
        else:
            node.value = self._bound(target, value, node.lineno)
        return node

    def _bound(self, target: ast.expr, value: ast.expr, row: int) -> ast.expr:
        kept = isinstance(target, (ast.Subscript, ast.Attribute))
        if kept or (_computes(value) and _names(target) & _names(value)):
            return self._stored(value, row)
        return value

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        function = node.func
        if isinstance(function, ast.Attribute) and function.attr in STORING:
            owner = function.value
            if all(isinstance(part, PLAIN) for part in ast.walk(owner)):
                node.args = [self._handed(argument, node.lineno, owner) for argument in node.args]
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """Leave out a question whether there is a gradient at all."""
        asks = isinstance(node.ops[0], (ast.Is, ast.IsNot))
        if asks and isinstance(node.left, ast.Attribute) and node.left.attr == "grad":
            self.generic_visit(node.left)
            return node
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if node.attr != "grad" or not isinstance(node.ctx, ast.Load):
            return node
        self.points.reads.append(Point(self.file, node.lineno))
        return _call(READ_HOOK, len(self.points.reads) - 1, node, node.value)

    def _loop(self, node: Loop) -> list[ast.stmt]:
        self.generic_visit(node)
        name = loop_name(node, self.file)
        node.body.insert(0, _statement(ITERATION_HOOK, name, node))
        return [_statement(LOOP_HOOK, name, node), node]

    def _stored(self, value: ast.expr, row: int) -> ast.expr:
        self.points.stores.append(Point(self.file, row))
        return _call(STORE_HOOK, len(self.points.stores) - 1, value, value)

    def _handed(self, value: ast.expr, row: int, owner: ast.expr) -> ast.expr:
        """Hook an argument, and let the hook see whose method it is for."""
        if isinstance(value, ast.Starred):
            return value
        self.points.stores.append(Point(self.file, row))
        return _call(STORE_HOOK, len(self.points.stores) - 1, value, value, deepcopy(owner))


def _computes(value: ast.expr) -> bool:
    """Tell whether a value may be a sum or a mean of what was there before, or joined to it."""
    ways = (value.body, value.orelse) if isinstance(value, ast.IfExp) else (value,)
    return any(isinstance(way, ast.BinOp) or _joins(way) for way in ways)


def _joins(value: ast.expr) -> bool:
    function = value.func if isinstance(value, ast.Call) else None
    return isinstance(function, ast.Attribute) and function.attr in JOINING


def _names(node: ast.AST) -> set[str]:
    return {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}


def _call(hook: str, number: int, at: ast.AST, *arguments: ast.expr) -> ast.Call:
    call = ast.Call(ast.Name(hook, ast.Load()), [ast.Constant(number), *arguments], [])
    return ast.copy_location(call, at)


def _statement(hook: str, name: str, loop: Loop) -> ast.stmt:
    call = ast.Call(ast.Name(hook, ast.Load()), [ast.Constant(name)], [])
    return ast.copy_location(ast.Expr(call), loop)
