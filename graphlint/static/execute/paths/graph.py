"""Autograd's graph, as far as it can be told without running: nodes, and what visits do to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from graphlint.static import ir
from graphlint.static.execute.paths.frames import Frame
from graphlint.static.execute.paths.values import NodeId
from graphlint.static.knowledge.facts import Ternary
from graphlint.trace import Doubt, Site

Leaf = tuple[Any, ...]
"""A leaf's name: a parameter, all parameters of a layer, or those of an unknown module."""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A backward function.

    Attributes:
        op: what made it.
        inputs: the nodes that it hands gradients on to.
        leaves: the leaves that it hands gradients to.
        saves: whether it saves tensors, so that a second visit after a freeing one raises.
        saved_leaves: the leaves that it saves, with their versions at the time.
        saved_inputs: the input nodes whose outputs it saves.
        saves_own: it saves its own output, or what it made on the way there: a gradient that it
            hands on depends on what it was given.
        place: the syntax node that made it, and the frame.
        unknown: whether there is such a node can't be told: unknown code made it, or all that it
            stands on. No claim that something raises rests on it.
        opaque: unknown code made it, so that what it stands on is a guess.
        guessed: inputs that such code was not handed, but may have found on an object.
    """

    op: str
    inputs: tuple[NodeId, ...]
    leaves: frozenset[Leaf]
    saves: Ternary
    saved_leaves: tuple[tuple[Leaf, int], ...]
    saved_inputs: tuple[NodeId, ...]
    saves_own: bool
    place: ir.Node
    frame: Frame | None
    unknown: bool = False
    opaque: bool = False
    guessed: tuple[NodeId, ...] = ()

    @property
    def content(self) -> tuple[Any, ...]:
        """What tells a node from another that the same place made in the same frame."""
        traits = (self.op, self.saves.value, self.saves_own, self.unknown, self.guessed)
        return (self.inputs, self.leaves, self.saved_leaves, self.saved_inputs, traits)


@dataclass(frozen=True, slots=True)
class Freed:
    """Which pass freed a node's buffers, and its number in `State.past`."""

    call: ir.Call
    site: Site
    number: int
    doubts: frozenset[Doubt] = frozenset()


Graph = dict[NodeId, Node]


def reachable(graph: Graph, roots: Iterable[NodeId]) -> list[NodeId]:
    """Return all nodes below some nodes, these included."""
    seen: set[NodeId] = set()
    order: list[NodeId] = []
    todo = list(roots)
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            order.append(node)
            todo.extend(graph[node].inputs)
    return order


def surely_reachable(graph: Graph, roots: Iterable[NodeId]) -> set[NodeId]:
    """Return the nodes below some nodes that no unknown node stands in the way of."""
    seen: set[NodeId] = set()
    todo = list(roots)
    while todo:
        node = todo.pop()
        if node not in seen and not graph[node].unknown:
            seen.add(node)
            todo.extend(graph[node].inputs)
    return seen


def handed_reachable(graph: Graph, roots: Iterable[NodeId]) -> set[NodeId]:
    """Return the nodes below some nodes, but for what unknown code may have found on an object."""
    seen: set[NodeId] = set()
    todo = list(roots)
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            todo.extend(i for i in graph[node].inputs if i not in graph[node].guessed)
    return seen


def plainly_reachable(graph: Graph, roots: Iterable[NodeId]) -> set[NodeId]:
    """Return the nodes below some nodes, down to those that unknown code made, with these."""
    seen: set[NodeId] = set()
    todo = list(roots)
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            if not graph[node].opaque:
                todo.extend(graph[node].inputs)
    return seen


def between(
    graph: Graph, roots: Iterable[NodeId], nodes: set[NodeId], leaves: set[Leaf]
) -> list[NodeId]:
    """Return the nodes that a pass executes which wants gradients for some inputs only.

    These are the nodes on a path from a root to a wanted input; the node that made a wanted tensor
    is not itself executed for its sake (torch 2.13 `torch/csrc/autograd/engine.cpp`,
    `init_to_execute`).
    """
    leads: dict[NodeId, bool] = {}
    order = reachable(graph, roots)
    for node in inputs_first(graph, order):
        made = graph[node]
        leads[node] = (
            bool(made.leaves & leaves)
            or any(i in nodes or leads.get(i, False) for i in made.inputs)
            or (made.unknown and bool(leaves))
        )
    return [node for node in order if leads[node]]


def inputs_first(graph: Graph, order: Iterable[NodeId]) -> Iterator[NodeId]:
    """Walk some nodes and all below them, each behind its inputs."""
    done: set[NodeId] = set()
    for start in order:
        todo = [(start, False)]
        while todo:
            node, expanded = todo.pop()
            if expanded:
                yield node
            elif node not in done:
                done.add(node)
                todo.append((node, True))
                todo.extend((i, False) for i in graph[node].inputs)
