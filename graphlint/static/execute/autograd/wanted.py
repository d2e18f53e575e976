"""What a pass wants gradients for, and whether the graph that it visits leads there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from graphlint.static.execute.autograd.foreign import FOREIGN_OP
from graphlint.static.execute.paths.graph import Leaf
from graphlint.static.execute.paths.values import NodeId, Ref, source

if TYPE_CHECKING:
    from graphlint.static.execute.autograd.visits import Request
    from graphlint.static.execute.paths.state import State

FROM_OUTSIDE = frozenset((FOREIGN_OP, "result"))


def leads_to(state: State, visited: Sequence[NodeId], request: Request) -> bool:
    """Whether what a pass wants gradients for is below its roots, all of it.

    Torch refuses anything else, so that the graph has paths which are not known; unless the pass
    allows for inputs that it has no use for, and all of its graph is known.
    """
    if request.allows_unused and not any(state.graph[number].unknown for number in visited):
        return True
    leaves = leaves_of(state, visited)
    return (request.nodes or frozenset()) <= set(visited) and (request.leaves or set()) <= leaves


def misses(state: State, visited: Iterable[NodeId], request: Request) -> bool:
    """Whether a pass wants gradients for parameters that nothing it visits has to do with.

    A graph from outside may lead to any.
    """
    if not request.leaves or any(state.graph[n].op in FROM_OUTSIDE for n in visited):
        return False
    return _owners(request.leaves).isdisjoint(_owners(leaves_of(state, visited)))


def _owners(leaves: Iterable[Leaf]) -> set[object]:
    """Return what unknown parameters belong to, the outermost object of each."""
    owners = [leaf[1] if leaf[0] == "unknown" else leaf for leaf in leaves]
    return {owner.address if isinstance(owner, Ref) else source(owner) for owner in owners}


def leaves_of(state: State, visited: Iterable[NodeId]) -> frozenset[Leaf]:
    """Return the leaves that some nodes hand gradients to."""
    return frozenset[Leaf]().union(*(state.graph[number].leaves for number in visited))
