"""Tells a pass in full, for `graphlint explain`: what it visits, and how it finds that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from graphlint.static import ir
from graphlint.static.execute.paths.frames import Frame
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import NodeId
from graphlint.static.execute.records.records import site_of
from graphlint.static.knowledge.facts import NO, YES, Ternary
from graphlint.trace import Built, Site, Visit

_SAVES: dict[Ternary, bool | None] = {YES: True, NO: False}


def told(
    state: State, site: Site, retains: bool, creates: bool, visited: Sequence[NodeId]
) -> Visit:
    """Describe a pass before it changes anything."""
    built = dict.fromkeys(_built(state, visited))
    in_order = tuple(sorted(built, key=lambda each: (each.site, each.earlier, str(each.saves))))
    return Visit(site, retains, creates, in_order, tuple(_callers(state.frame)))


def _built(state: State, visited: Iterable[NodeId]) -> Iterator[Built]:
    for number in visited:
        node = state.graph[number]
        site = site_of(node.place, node.frame)
        earlier = node.frame is not None and node.frame.precedes(state.frame)
        freed = state.freed.get(number)
        keepers = (state.pending.get(keeper) for keeper in state.kept.get(number, ()))
        kept_by = tuple(dict.fromkeys(pending.site for pending in keepers if pending))
        saves = _SAVES.get(node.saves)
        yield Built(site, saves, earlier, kept_by, freed.site if freed else None)


def _callers(frame: Frame) -> Iterator[Site]:
    for inner in frame.chain():
        if inner.kind == "call" and isinstance(inner.place, ir.Expr):
            yield site_of(inner.place, inner.parent)
