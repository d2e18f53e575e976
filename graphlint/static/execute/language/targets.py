"""Assignment to targets of every kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.library.attributes import set_attribute
from graphlint.static.execute.library.items import every
from graphlint.static.execute.library.subscripts import delete_item, set_item
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.suppositions import suppose_picked
from graphlint.static.execute.paths.values import Const, List, Sym, Tuple, Value

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor


def assign(
    ex: Executor, state: State, target: ir.Expr, value: Value, place: ir.Node
) -> list[State]:
    """Bind a target to a value; evaluating the target's own parts may branch."""
    if isinstance(target, ir.Name):
        state.bind(target.id, value)
        return [state]
    if isinstance(target, ir.Sequence):
        return _unpack(ex, state, target.items, value, place)
    if isinstance(target, ir.Starred):
        return assign(ex, state, target.value, value, place)
    if isinstance(target, ir.Attribute):
        return [
            done
            for after, owner in ex.eval(target.value, state)
            for done in set_attribute(ex, after, place, owner, target.name, value)
        ]
    if isinstance(target, ir.Subscript):
        return [
            done
            for after, (owner, index) in ex.eval_each((target.value, target.index), state)
            for done in set_item(ex, after, place, owner, index, value)
        ]
    return [state]


def _unpack(
    ex: Executor, state: State, targets: Sequence[ir.Expr], value: Value, place: ir.Node
) -> list[State]:
    if _raises(targets, value):
        ex.raised(state)
        return []
    values = _spread(ex, state, targets, value, place)
    states = [state]
    for target, item in zip(targets, values, strict=True):
        states = [done for s in states for done in assign(ex, s, target, item, place)]
    return states


def _raises(targets: Sequence[ir.Expr], value: Value) -> bool:
    """Whether there are not as many items as targets: no program goes on behind that."""
    if not isinstance(value, Tuple) or not value.written:
        return False
    stars = sum(isinstance(target, ir.Starred) for target in targets)
    missing = len(targets) - stars - len(value.items)
    return missing > 0 or (missing < 0 and not stars)


def _spread(
    ex: Executor, state: State, targets: Sequence[ir.Expr], value: Value, place: ir.Node
) -> list[Value]:
    """Return one value for each target; a starred one gets a list."""
    if isinstance(value, Sym):
        values: list[Value] = [
            Sym(("subscript", value.name, ("const", "int", str(i))), value.node)
            for i in range(len(targets))
        ]
        return values
    known = every(ex, state, value, place)
    values = list(known.values)
    star = next((i for i, t in enumerate(targets) if isinstance(t, ir.Starred)), None)
    if star is not None:
        behind = len(targets) - star - 1
        end = max(len(values) - behind, star)
        middle = state.new(place, List(tuple(values[star:end]), known.length))
        values = [*values[:star], middle, *values[end:]]
    parts = len({tuple(state.nodes(each)) for each in values}) == 1 < len(values)
    while len(values) < len(targets):
        last = values[-1] if known.length is not None and values else state.sym(place, "item")
        if not parts:  # of one tensor, which have its graph, whichever it is
            suppose_picked(state, last)
        values.append(last)
    return values[: len(targets)]


def delete(ex: Executor, state: State, target: ir.Expr) -> list[State]:
    """Unbind a target."""
    if isinstance(target, ir.Name):
        state.unbind(target.id)
        return [state]
    if isinstance(target, ir.Sequence):
        states = [state]
        for item in target.items:
            states = [done for s in states for done in delete(ex, s, item)]
        return states
    if isinstance(target, ir.Attribute):
        return [
            done
            for after, owner in ex.eval(target.value, state)
            for done in set_attribute(ex, after, target, owner, target.name, Const(None))
        ]
    if isinstance(target, ir.Subscript):
        results = ex.eval_each((target.value, target.index), state)
        for after, (owner, index) in results:
            delete_item(after, owner, index)
        return [after for after, _ in results]
    return [state]
