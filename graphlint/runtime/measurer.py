"""What is measured of the graphs that passes keep, and what passes that free leave behind."""

from __future__ import annotations

from collections.abc import Sequence
from types import FrameType

from graphlint.runtime.budget import Budget, Purse
from graphlint.runtime.carried import Rhythm
from graphlint.runtime.figures import EXACT_PASSES
from graphlint.runtime.guard import Guard
from graphlint.runtime.marks import Visit
from graphlint.runtime.modules import Modules
from graphlint.runtime.nodes import Node, Walk, kind_of
from graphlint.runtime.sites import SiteRecord
from graphlint.runtime.sizes import GraphSize, Holder, measure_nodes

# Measuring a graph takes several times as long as marking it. This much of the program's CPU time
# goes into it at most, beyond the first passes of each call.
SHARE = 0.02
LEFT_PASSES = 4


class Measurer:
    """Measures graphs, all of a call's first ones and later as many as time allows."""

    def __init__(self, every: int, overhead: float | None, purse: Purse, guard: Guard) -> None:
        """Begin with nothing measured.

        Args:
            every: measure at most one in so many graphs that a call keeps.
            overhead: the share of CPU time that all of the recorder's work may take.
            purse: what looking for models may take.
            guard: runs what is not essential.
        """
        self.budget = Budget(SHARE if overhead is None else overhead / 2)
        self._every = every
        self._modules = Modules(purse)
        self._guard = guard

    def kept(
        self, visit: Visit, nodes: Sequence[Node], before: Rhythm, frame: FrameType
    ) -> GraphSize | None:
        """Measure what a pass keeps, where it is this pass's turn.

        Args:
            visit: the pass.
            nodes: the nodes that it keeps.
            before: the passes of the call before this one.
            frame: the frame that ran the pass.
        """
        site = visit.site
        site.turn.see(len(nodes))
        if (site.retained - 1) % self._every:
            return None
        if site.exclusive_bytes.count >= EXACT_PASSES and not (
            site.turn.comes(site.seen, len(nodes)) and self.budget.allows
        ):
            return None
        began = self.budget.begin()
        size = measure_nodes(nodes, truncated=visit.truncated, watch=True)
        follows = site.turn.follows(site.seen)
        if site.measure(size):
            site.holders = self._holders(nodes, size, frame)
        if before.passes and before.thread == visit.thread and not visit.truncated:
            old = sum(n._sequence_nr() < before.end for n in nodes if not kind_of(n).leaf)
            site.growth.add(old, size.exclusive_bytes, follows=follows)
        self.budget.charge(began)
        return size

    def left(self, site: SiteRecord, walked: Walk) -> None:
        """Measure what is left of a graph after a pass that frees, in a call's first passes."""
        if site.left_bytes.count < LEFT_PASSES:
            size = measure_nodes(walked.nodes, truncated=walked.truncated, until_drop=True)
            site.left_bytes.add(size.exclusive_bytes)

    def _holders(
        self, nodes: Sequence[Node], size: GraphSize, frame: FrameType
    ) -> tuple[Holder, ...]:
        """Say what holds the bytes of a graph: by operation, module and, later, line."""
        names = self._guard.run(self._modules.names, nodes, frame) or [None] * len(nodes)
        origins = self._guard.run(self._modules.origins, nodes, names, frame) or {}
        return size.holders(nodes, names, origins)
