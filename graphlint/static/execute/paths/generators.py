"""Generators: their bodies run at once, when they are called; here is what makes up for that."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from graphlint.static.execute.paths.frames import Frame
from graphlint.static.execute.paths.graph import Node
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import Context, Instance, Layer, Object, Ref, Value

Change: TypeAlias = tuple[Ref, str, Value | None]
"""An attribute and its new value, None where it is gone."""


def catch_up(state: State, yielded: Frame) -> None:
    """Take what a generator builds for the next item for built now, when the item is asked for.

    What the loop has changed in place since the generator was called is not changed any more.

    Args:
        state: the loop's state, before the iteration.
        yielded: the frame in which the generator yields the item.
    """
    call = next((frame for frame in yielded.chain() if frame.kind == "call"), None)
    for number, node in state.graph.items():
        if node.saved_leaves and call is not None and _is_due(node, call, yielded):
            if number not in state.kept and number not in state.freed:
                state.graph[number] = _renewed(state, number, node)


def _is_due(node: Node, call: Frame, yielded: Frame) -> bool:
    """Whether a call of a generator builds a node for the item, or for one before it."""
    made = node.frame
    return made is not None and call in made.chain() and not yielded.precedes(made)


def _renewed(state: State, number: int, node: Node) -> Node:
    versions = tuple([(leaf, state.versions.get(leaf, 0)) for leaf, _ in node.saved_leaves])
    if versions == node.saved_leaves:
        return node
    made: Node = state.frames.share(
        (number, versions, node.content), replace(node, saved_leaves=versions)
    )
    return made


# --------------------------------------------------------------------------- context managers
def note_yield(state: State) -> None:
    """Note how things are where a generator yields, the first time."""
    state.grad_at_yield, state.frozen_at_yield = state.grad, state.frozen
    if not state.yields:
        state.heap_at_yield = state.heap.copy()


def put_off(state: State) -> tuple[Change, ...]:
    """Take back what a context manager's generator did to attributes behind its `yield`.

    Returns:
        What is to be done when the manager is left.
    """
    changes: list[Change] = []
    for address, before in state.heap_at_yield.items() if state.yields else ():
        now = state.heap.get(address)
        if now is not before and now is not None:
            made = _changes(Ref(address), before, now)
            changes += made
            if made:
                state.heap[address] = before
    state.heap_at_yield = {}
    return tuple(changes)


def _changes(ref: Ref, before: Object, now: Object) -> list[Change]:
    if not isinstance(before, (Instance, Layer)) or not isinstance(now, (Instance, Layer)):
        return []
    names = dict.fromkeys((*before.attrs, *now.attrs))
    return [(ref, n, now.attrs.get(n)) for n in names if before.attrs.get(n) != now.attrs.get(n)]


def restore(state: State, manager: Context) -> None:
    """Do what a context manager does to attributes when it is left."""
    for ref, name, value in manager.restored:
        found = state.object(ref)
        if isinstance(found, (Instance, Layer)):
            attrs = {key: each for key, each in found.attrs.items() if key != name}
            state.put(ref, replace(found, attrs=attrs if value is None else {**attrs, name: value}))
