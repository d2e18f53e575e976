"""Whether all that a program does with a variable is to look at it.

# Note [Variables that are only looked at]
What `total` holds can't be differentiated where the text around it never hands it on: it is
printed, logged, compared, turned into a number, or added to. That is so on every path, so that the
claim needs no path that was followed to its end. What is made of the variable, as in
`mean = total / steps`, has to be only looked at as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from functools import lru_cache

from graphlint.static import ir
from graphlint.static.execute.autograd.holders import GROWING, written
from graphlint.static.execute.paths.frames import Frame
from graphlint.static.knowledge.names import SINKS

LOOKING = SINKS | frozenset(
    "str int float bool len item tolist detach numpy clear isinstance type".split()
)
"""Calls that make something of a value that has no graph."""
OF_TORCH = frozenset("tensor isnan isinf isfinite is_tensor".split())
"""Functions of torch among them: `torch.log` is none."""
NO_GRAPH = frozenset("data shape dtype device".split())
"""Attributes without one."""
HANDED_ON = ""


def is_only_looked_at(frame: Frame, name: str) -> bool:
    """Whether a variable of the code that is running is handed on nowhere."""
    scopes = (outer.detail for outer in frame.chain())
    scope = next((s for s in scopes if isinstance(s, (ir.Function, ir.Module))), None)
    return scope is not None and name.isidentifier() and not _is_handed_on(scope, name)


@lru_cache(maxsize=256)
def _is_handed_on(scope: ir.Function | ir.Module, name: str) -> bool:
    parameters = scope.parameters if isinstance(scope, ir.Function) else ()
    given = {parameter.name for parameter in parameters}
    todo, seen = [name], {name}
    while todo:
        current = todo.pop()
        uses = {HANDED_ON} if current in given else set(_uses(scope.body, current))
        if HANDED_ON in uses:
            return True
        todo += uses - seen
        seen |= uses
    return False


def _uses(node: object, name: str) -> Iterator[str]:
    """Walk what becomes of a variable: the names that it goes on under, `HANDED_ON` for the rest.

    What nothing becomes of is left out.
    """
    if isinstance(node, (tuple, list)):
        for item in node:
            yield from _uses(item, name)
    elif isinstance(node, ir.Stmt):
        yield from _done(node, name)
    elif isinstance(node, ir.Call):
        yield from _called(node, name)
    elif isinstance(node, ir.Name):
        yield from (HANDED_ON,) if node.id == name else ()
    elif isinstance(node, ir.Node) and not _has_no_graph(node):
        yield from _parts(node, name)


def _parts(node: ir.Node, name: str) -> Iterator[str]:
    for field in fields(node):
        yield from _uses(getattr(node, field.name), name)


def _done(node: ir.Stmt, name: str) -> Iterator[str]:
    """Walk what becomes of a variable in a statement."""
    if isinstance(node, ir.Assign):
        for target in node.targets:
            yield from _assigned(target, node.value, name)
    elif isinstance(node, ir.AugAssign) and isinstance(node.target, ir.Name):
        yield from (node.target.id for _ in _uses(node.value, name))
    elif isinstance(node, ir.Scope):
        yield from (HANDED_ON for known in node.names if known == name)
    elif isinstance(node, (ir.ExprStmt, ir.Delete)):
        values = node.targets if isinstance(node, ir.Delete) else (node.value,)
        yield from _uses([value for value in values if not isinstance(value, ir.Name)], name)
    else:
        yield from _parts(node, name)


def _assigned(target: ir.Expr, value: ir.Expr, name: str) -> Iterator[str]:
    """Walk what becomes of a variable where a target is bound to a value.

    A name that is bound to what another one, an attribute or an item has is a second name for that.
    """
    if isinstance(target, ir.Sequence) and isinstance(value, ir.Sequence):
        if len(target.items) == len(value.items):
            for part, item in zip(target.items, value.items, strict=True):
                yield from _assigned(part, item, name)
            return
    if not isinstance(target, ir.Name):
        yield from _uses((target, value), name)
    elif target.id == name:
        second = isinstance(value, (ir.Name, ir.Attribute, ir.Subscript))
        yield from (HANDED_ON,) if second else ()
    else:
        yield from (target.id for _ in _uses(value, name))


def _called(node: ir.Call, name: str) -> Iterator[str]:
    if isinstance(node.func, ir.Attribute):
        if written(node.func.value) == name and node.func.name in GROWING:
            yield from _uses((node.args, node.keywords), name)
            return
        known = OF_TORCH if written(node.func.value) == "torch" else LOOKING
        if node.func.name in known:
            return
    if not (isinstance(node.func, ir.Name) and node.func.id in LOOKING):
        yield from _uses((node.func, node.args, node.keywords), name)


def _has_no_graph(node: ir.Node) -> bool:
    """Whether an expression makes something of a value that has no graph."""
    looks = isinstance(node, ir.Attribute) and node.name in NO_GRAPH
    return looks or isinstance(node, (ir.Compare, ir.Text))
