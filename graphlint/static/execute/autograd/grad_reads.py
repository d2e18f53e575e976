"""Reading `.grad` of tensors that are no leaves, and asking for it with `retain_grad`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.accumulated import note_used, set_apart
from graphlint.static.execute.autograd.constants import note_read
from graphlint.static.execute.autograd.gradients import (
    graph_in,
    has_switches,
    note_cleared,
    note_hook,
    note_touched,
)
from graphlint.static.execute.paths.graph import Graph, surely_reachable
from graphlint.static.execute.paths.values import NONE, NodeId, Ref, Tensor, Value
from graphlint.static.execute.records.records import site_of
from graphlint.trace import GradRead

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor
    from graphlint.static.execute.paths.state import State

PERHAPS_THE_SAME = frozenset(
    "to cuda cpu type type_as float double half bfloat16 contiguous alias positive identity layer "
    "dropout alpha_dropout feature_dropout feature_alpha_dropout dropout1d dropout2d dropout3d "
    "broadcast_tensors".split()
)
"""Ops that return their argument itself where there is nothing to do."""


def note_method(ex: Executor, state: State, node: ir.Node, owner: Value, name: str) -> None:
    """Note a method that retains, throws away or hands out gradients."""
    if name == "retain_grad":
        retain(ex, state, node, owner)
    elif name in ("zero_grad", "detach_"):
        note_cleared(ex, state)
        set_apart(state)
    elif "hook" in name:
        note_hook(state, on_gradients="forward" not in name)


def retain(ex: Executor, state: State, node: ir.Node, owner: Value) -> None:
    """Run `retain_grad`."""
    notes, site = ex.records.gradients, site_of(node, state.frame)
    found = state.get(owner, Tensor)
    ex.records.visit(site)
    if found is None or not isinstance(owner, Ref):
        notes.retained[site, False] = None
        notes.read.add(site)  # whose gradient it is, and who reads it, is not known
    elif found.node is not None:
        notes.retained[site, False] = None
        state.facts["retained", (found.node, site)] = owner.address
        if has_switches(state):
            notes.read.add(site)
    elif found.leaf is not None:
        is_leaf = found.leaf[0] == "tensor" and ("moved", owner.address) not in state.facts
        notes.retained[site, is_leaf] = None
        if not is_leaf:
            notes.read.add(site)


def note_moved(state: State, owner: Ref) -> None:
    """Note that a leaf was moved or cast: what comes of it may be another tensor, and no leaf."""
    state.facts["moved", owner.address] = True


def read_grad(ex: Executor, state: State, node: ir.Node, owner: Ref, found: Tensor) -> Ref:
    """Read `.grad` of a tensor that the program has set none of."""
    notes = ex.records.gradients
    note_touched(ex, state)
    note_used(ex, state, None if found.leaf is None else [found.leaf])
    made = state.tensor(node, graph_in(state, found.leaf) if found.node is None else None)
    if found.node is None:
        note_read(state, made, found.leaf)
        return made
    same = perhaps_same(state.graph, found.node)
    retained = [about for name, about in state.facts if name == "retained"]
    mine = [
        site
        for number, site in retained
        if number in same or state.facts["retained", (number, site)] == owner.address
    ]
    notes.read.update(mine)
    if not mine and _is_absent(state, owner, found.node, same):
        site = site_of(node, state.frame)
        first = state.graph[found.node]
        state.facts["absent", made.address] = (owner.address, site)
        notes.missing[GradRead(site, site_of(first.place, first.frame))] = None
    return made


def read_unknown_grad(ex: Executor, state: State, node: ir.Node) -> Ref:
    """Read `.grad` of a value that is not known: it may have a graph, whoever made it."""
    note_touched(ex, state)
    note_used(ex, state)
    made = state.tensor(node, graph_in(state, None))
    state.beside["mixed", made.address] = ()
    return made


def _is_absent(state: State, owner: Ref, node: NodeId, same: set[NodeId]) -> bool:
    """Whether a tensor surely has no gradient, although a pass went through it."""
    asked = [about for name, about in state.facts if name == "asked for"]
    if ("checked", owner.address) in state.facts or None in asked or not same.isdisjoint(asked):
        return False
    if state.graph[node].op in PERHAPS_THE_SAME and not _is_new(state.graph, node):
        return False
    passes = [about for name, about in state.facts if name == "backward"]
    # A pass of a path that was merged into this one may have visited a graph that is not here.
    here = [roots for roots in passes if state.graph.keys() >= set(roots)]
    return any(node in surely_reachable(state.graph, roots) for roots in here)


def _is_new(graph: Graph, node: NodeId) -> bool:
    """Whether a layer has weights, so that what it returns is not what it was given."""
    return graph[node].op == "layer" and bool(graph[node].leaves)


def perhaps_same(graph: Graph, node: NodeId) -> set[NodeId]:
    """Return the nodes whose tensors may be the very tensor of a node."""
    seen: set[NodeId] = set()
    todo = [node]
    while todo:
        number = todo.pop()
        if number not in seen:
            seen.add(number)
            if graph[number].op in PERHAPS_THE_SAME:
                todo += graph[number].inputs
    return seen


def note_compared(ex: Executor, state: State, left: Value, right: Value) -> None:
    """Note that a program asks whether there is a gradient, and knows that there may be none."""
    absent = state.facts.get(("absent", left.address)) if isinstance(left, Ref) else None
    if absent is not None and right == NONE:
        state.facts["checked", absent[0]] = True
        ex.records.gradients.checked.add(absent[1])
