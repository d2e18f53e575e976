"""Generators: their bodies run at once, when they are called; here is what makes up for that."""

from __future__ import annotations

from dataclasses import replace

from graphlint.static.execute.frames import Frame
from graphlint.static.execute.graph import Node
from graphlint.static.execute.state import State


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
