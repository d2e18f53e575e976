"""Where a graph takes over a value that has a graph already: what there is to detach.

# Note [Borders]
A node outside a part of the graph hands gradients on to one within it: somewhere in the program an
expression stood for the inner node's value. It is an argument of the outermost call (or an operand
of the operator) that made the outer node and did not make the inner one, too. Where it is none of
those, it got there through an object, and is an operand further in. `D(fake)` runs a
whole network; its border to the graph of `fake` is still the argument `fake`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.holders import written
from graphlint.static.execute.paths.frames import Frame
from graphlint.static.execute.paths.graph import Node
from graphlint.static.execute.paths.values import (
    Dict,
    Env,
    Instance,
    Layer,
    List,
    NodeId,
    Ref,
    Tuple,
    Value,
)
from graphlint.static.execute.records.records import site_of
from graphlint.trace import Border

if TYPE_CHECKING:
    from graphlint.static.execute.paths.state import State

Step = tuple[ir.Node, Frame]


def border(state: State, outer: Node, inner: NodeId) -> Border | None:
    """Return the expression that stands for a node's value where another node took it over.

    Args:
        state: the path, after both were made.
        outer: the node that hands gradients on.
        inner: the node that gets them.

    Returns:
        The expression, or None where it is no name, or which it is can't be told.
    """
    guess = None
    for place, frame in _parting(outer, state.graph[inner]):
        named = [expr for expr in _operands(place) if written(expr)]
        values = [(expr, value_of(state, frame, expr)) for expr in named]
        tensors = [(expr, state.nodes(v)) for expr, v in values if not _is_object(state, v)]
        exact = [expr for expr, nodes in tensors if inner in nodes]
        if exact:
            return _only(exact, frame)
        guess = guess or _only([expr for expr, nodes in tensors if nodes], frame)
    return guess


def _only(found: Sequence[ir.Expr], frame: Frame) -> Border | None:
    """Return the border that an expression is, if all that were found are the same."""
    if len({written(expr) for expr in found}) != 1:
        return None
    return Border(site_of(found[0], frame), written(found[0]))


def _is_object(state: State, value: Value | None) -> bool:
    """Whether a value is a model, say, whose method is called: it is not what gets detached."""
    return isinstance(value, Ref) and isinstance(state.object(value), Instance | Layer)


def _parting(outer: Node, inner: Node) -> list[Step]:
    """Return the calls on the way to the outer node, from where that to the inner one parts."""
    if outer.frame is None or inner.frame is None:
        return []
    mine = list(_steps(outer.place, outer.frame))
    theirs = list(_steps(inner.place, inner.frame))
    same = 0
    for (place, frame), (other, other_frame) in zip(mine, theirs, strict=False):
        if place is not other or frame is not other_frame:
            break
        same += 1
    return [step for step in mine[same:] if isinstance(step[0], ir.Expr | ir.AugAssign)]


def _steps(place: ir.Node, frame: Frame) -> Iterator[Step]:
    """Walk the calls and loops that lead to a place, from the outermost, each in its frame."""
    inner = [outer for outer in frame.chain() if outer.parent is not None]
    for entered in reversed(inner):
        if isinstance(entered.place, ir.Node) and entered.parent is not None:
            yield entered.place, (entered if entered.kind == "loop" else entered.parent)
    yield place, frame


def _operands(place: ir.Node) -> Iterator[ir.Expr]:
    """Walk the expressions that a call or an operator takes, down through displays."""
    if isinstance(place, ir.Call):
        if isinstance(place.func, ir.Attribute):
            yield place.func.value
        yield from _flat(place.args)
        yield from _flat(keyword.value for keyword in place.keywords)
    elif isinstance(place, ir.Binary | ir.Compare):
        yield from _flat((place.left, place.right))
    elif isinstance(place, ir.Unary):
        yield place.operand
    elif isinstance(place, ir.Subscript | ir.Attribute):
        yield place.value
    elif isinstance(place, ir.AugAssign):
        yield from _flat((place.target, place.value))


def _flat(items: Iterable[ir.Expr]) -> Iterator[ir.Expr]:
    for item in items:
        if isinstance(item, ir.Sequence):
            yield from _flat(item.items)
        elif isinstance(item, ir.Starred):
            yield from _flat((item.value,))
        else:
            yield item


def value_of(state: State, frame: Frame, expr: ir.Expr) -> Value | None:
    """Return the value that a name, an attribute or an item has now, None where it has none."""
    if isinstance(expr, ir.Name):
        return _variable(state, frame, expr.id)
    if isinstance(expr, ir.Attribute):
        return _attribute(state, value_of(state, frame, expr.value), expr.name)
    if isinstance(expr, ir.Subscript) and isinstance(expr.index, ir.Const):
        return _item(state, value_of(state, frame, expr.value), expr.index.value)
    return None


def _variable(state: State, frame: Frame, name: str) -> Value | None:
    called = next((f for f in frame.chain() if f.kind in ("call", "module")), None)
    if called is None:
        return None
    address = (
        state.frames.name(called, called.detail, 0, "object")
        if called.kind == "call"
        else state.frames.name("module", called.place.filename)
    )
    scope: int | None = address
    while scope is not None:
        env = state.heap.get(scope)
        if not isinstance(env, Env):
            return None
        if name in env.vars:
            return env.vars[name]
        scope = env.parent
    return None


def _attribute(state: State, owner: Value | None, name: str) -> Value | None:
    found = state.object(owner) if isinstance(owner, Ref) else None
    return found.attrs.get(name) if isinstance(found, Instance | Layer) else None


def _item(state: State, owner: Value | None, key: object) -> Value | None:
    found = state.object(owner) if isinstance(owner, Ref) else None
    items = owner.items if isinstance(owner, Tuple) else ()
    if isinstance(found, List) and found.length is None:
        items = found.items
    if isinstance(found, Dict):
        return found.items.get(key)
    if isinstance(key, int) and -len(items) <= key < len(items):
        return items[key]
    return None
