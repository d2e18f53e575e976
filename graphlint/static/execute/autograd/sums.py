"""Sums that keep the graphs of their summands: `total += loss`, and whatever else amounts to it.

See Note [When a hold is a leak] in `holds`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.holders import (
    arithmetic,
    container_name,
    is_rebuilt,
    written,
)
from graphlint.static.execute.autograd.holds import (
    earlier_holds,
    held_here,
    names_of,
    note,
    note_mixed,
)
from graphlint.static.execute.autograd.leaks import Held
from graphlint.static.execute.paths.graph import reachable
from graphlint.static.execute.paths.values import Key, List, NodeId, Tuple, Value
from graphlint.static.execute.records.records import site_of
from graphlint.trace import Keeping

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor
    from graphlint.static.execute.paths.state import State


def note_sum(ex: Executor, state: State, node: ir.AugAssign, right: Value, total: Value) -> None:
    """Note `total += loss`, and `mean += (loss - mean) / count`."""
    if node.op in ("Add", "Sub"):
        called = names_of(state, node.value, (right,))
        note_mixed(ex, state, node, (right,))
        added = state.nodes(right)
        if is_rebuilt(node.target, node.value):
            added = _terms_of(state, node, node.value, added).added
        _note_summand(ex, state, node, written(node.target), added, total, called)


def note_added_in_place(
    ex: Executor, state: State, node: ir.Node, name: str, total: Value, args: Sequence[Value]
) -> None:
    """Note `total.add_(loss)`."""
    if name in ("add_", "sub_") and args:
        called = names_of(state, node, args)
        _note_summand(ex, state, node, container_name(node), state.nodes(args[0]), total, called)


def _note_summand(
    ex: Executor,
    state: State,
    node: ir.Node,
    name: str,
    added: Sequence[NodeId],
    total: Value,
    called: tuple[Key, ...],
) -> None:
    if added and state.frame.loops:
        nodes = state.nodes(total)
        note(ex, state, held_here(state, node, Keeping.SUM, name, nodes, added, called), nodes)


def note_rebuilt(
    ex: Executor,
    states: Sequence[State],
    place: ir.Node,
    target: ir.Expr,
    made: ir.Expr,
    value: Value,
) -> None:
    """Note `total = total + loss`, and what else computes a variable of itself and a value.

    A moving average, `outputs = cat([outputs, output])` or a sum of lists keep all that went before
    as well. `made` is the expression that the target is bound to, at a `place`: the assignment, or
    where it binds several the expression again.
    """
    if isinstance(target, ir.Sequence) and isinstance(made, ir.Sequence):
        if isinstance(value, Tuple) and len(target.items) == len(made.items) == len(value.items):
            for part, item, bound in zip(target.items, made.items, value.items, strict=True):
                note_rebuilt(ex, states, item, part, item, bound)
        return
    for state in states if is_rebuilt(target, made) else ():
        nodes = state.nodes(value) if state.frame.loops else []
        if not nodes:
            continue
        name, called = written(target), names_of(state, made, ())
        if state.get(value, List):
            before = {n for held in earlier_holds(state, place) for n in held.nodes}
            new = [n for n in nodes if n not in before]
            if new:
                held = held_here(state, place, Keeping.CONTAINER, name, new, new, called)
                note(ex, state, held, nodes)
            continue
        terms = _terms_of(state, place, made, nodes)
        if terms.added:
            _note_carried(state, place, name, terms.carried)
            held = held_here(state, place, Keeping.SUM, name, nodes, terms.added, called)
            note(ex, state, held, nodes)


@dataclass(slots=True)
class _Terms:
    """What a sum is made of: values of this iteration, and what it was in an earlier one."""

    added: list[NodeId] = field(default_factory=list)
    carried: list[NodeId] = field(default_factory=list)


def _terms_of(state: State, place: ir.Node, made: ir.Expr, nodes: Iterable[NodeId]) -> _Terms:
    """Take a sum apart, down through the arithmetic that an assignment writes.

    A term that is built on what was carried is neither.
    """
    terms, todo, fresh = _Terms(), list(nodes), list[NodeId]()
    own = set(arithmetic(made))
    while todo:
        number = todo.pop()
        found = state.graph[number]
        if found.frame is not None and found.frame.precedes(state.frame):
            terms.carried.append(number)
        elif found.place in own and found.frame is state.frame and found.inputs:
            todo += found.inputs
        else:
            fresh.append(number)
    before = {n for held in earlier_holds(state, place) for n in held.nodes}.union(terms.carried)
    terms.added += [n for n in fresh if before.isdisjoint(reachable(state.graph, [n]))]
    return terms


def _note_carried(state: State, place: ir.Node, name: str, carried: Iterable[NodeId]) -> None:
    """Note what a sum carries on that another statement gave it, as in `mean = loss` at first."""
    if earlier_holds(state, place):
        return
    site = site_of(place, state.frame)
    for number in carried:
        frame = state.graph[number].frame
        if frame is not None:
            held = Held(place, frame, site, Keeping.SUM, name, (number,), (number,))
            state.holds[place, frame] = held
