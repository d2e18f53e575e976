"""Graphs that travel round a loop: which of a pass's nodes are earlier versions of others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.paths.frames import Frame
from graphlint.static.execute.paths.graph import Node
from graphlint.static.execute.paths.values import NodeId

if TYPE_CHECKING:
    from graphlint.static.execute.paths.state import State


class Carried:
    """Tells which visited nodes travelled round a loop: earlier iterations' versions of others.

    A node that was built in an earlier iteration, and whose syntax built another visited node in a
    later one, is part of a graph that grows from iteration to iteration. One that was built in an
    earlier iteration once and for all (a cached property) is not.
    """

    def __init__(self, state: State, visited: Iterable[NodeId]) -> None:
        self._state = state
        self._latest: dict[ir.Node, list[Frame]] = {}
        for number in visited:
            node = state.graph[number]
            if node.frame is not None:
                self._latest.setdefault(node.place, []).append(node.frame)

    def __contains__(self, node: Node) -> bool:
        frame = node.frame
        if frame is None or not frame.precedes(self._state.frame):
            return False
        return any(frame.precedes(other) for other in self._latest.get(node.place, ()))
