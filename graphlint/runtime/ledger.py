"""The book that is kept of marked nodes: which pass each of them belongs to, what is alive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import uuid4

from graphlint.runtime.holdings import saves_anything
from graphlint.runtime.marks import Deaths, Lifetime, Mark, Tally, Visit
from graphlint.runtime.nodes import LEAF, Node, Walk, kind_of, roots_of, walk
from graphlint.runtime.releases import dropped
from graphlint.runtime.sites import SiteRecord
from graphlint.runtime.sizes import GraphSize
from graphlint.runtime.timeline import TimeLine


class Ledger:
    """Puts marks on nodes, and knows from them what every pass still keeps.

    Attributes:
        open: the passes whose kept nodes are alive and not visited again, by identity.
        peak_bytes: the most exclusive bytes that these held at one time.
        timeline: how these bytes rise and fall.
        key: the metadata key of this ledger's marks, unlike any other ledger's.
    """

    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        """Open a ledger.

        Args:
            limit: how many marked nodes may be alive at once, see Note [Touched nodes].
            clock: gives the time, in seconds.
        """
        self.open: dict[int, Visit] = {}
        self.peak_bytes = 0
        self.timeline = TimeLine(clock())
        self.key = f"graphlint-{uuid4().hex}"
        self._limit = limit
        self._clock = clock
        self._deaths: Deaths = Deaths()
        self._touched = 0
        self._open_bytes = 0

    @property
    def spare(self) -> int:
        """How many nodes may be touched that no pass visits: half of all are kept for passes."""
        return max(0, self._limit // 2 - self._touched)

    def freed_by(self, node: Node) -> SiteRecord | None:
        """Return the call whose pass freed a node, where that is known."""
        mark: Mark | None = node.metadata.get(self.key)
        visit = mark.visit if mark else None
        return visit.site if visit and not visit.keeps else None

    def walk(self, outputs: Sequence[object]) -> Walk:
        """Walk the graph behind some outputs as far as the limit allows.

        At the limit nothing is touched, not even the roots.
        """
        allowance = self._limit - self._touched
        if allowance <= 0:
            return Walk(truncated=True)
        return walk(roots_of(outputs), allowance, self.key if self._touched else None)

    def keep(
        self, visit: Visit, nodes: Sequence[Node], size: GraphSize | None, guess: int = 0
    ) -> None:
        """Mark what a pass keeps.

        Args:
            visit: the pass.
            nodes: the nodes that it visited and those that it made.
            size: their size, where it was measured.
            guess: their exclusive bytes, where it was not.
        """
        self.timeline.reach(visit.started)
        visit.held_bytes = 0 if size else guess
        visit.watched = size.watched if size else None
        tally = Tally(0, visit)
        lifetime = self._watch(tally)
        saving, blank = Mark(lifetime, tally, visit, saves=True), Mark(lifetime, tally, visit)
        saves = _saving(nodes, size)
        marks = [saving if each else blank for each in saves]
        for index, count in size.node_bytes.items() if size else ():
            marks[index] = Mark(lifetime, tally, visit, saves[index], count)
            visit.held_bytes += count
        visit.open = sum(saves)
        self._place_all(nodes, marks)
        self.open[id(visit)] = visit
        self._open_bytes += visit.held_bytes
        self.peak_bytes = max(self.peak_bytes, self._open_bytes)
        visit.site.held_bytes += visit.held_bytes
        self.timeline.rose(visit.site, self._open_bytes)

    def free(self, visit: Visit | None, nodes: Sequence[Node]) -> None:
        """Mark what a pass has freed; None is a pass that nobody asks for later."""
        if self.open:
            self.timeline.reach(self._clock())
        tally = Tally(0, None)
        lifetime = self._watch(tally)
        freed, blank = Mark(lifetime, tally, visit, saves=True), Mark(lifetime, tally, visit)
        self._place_all(nodes, [freed if kind_of(node).can_save else blank for node in nodes])

    def touch(self, nodes: Sequence[Node]) -> None:
        """Mark those nodes that bear no mark, so that it is known when they die."""
        tally = Tally(0, None)
        touched = Mark(self._watch(tally), tally, None)
        fresh = [n for n in nodes if type(n) is not LEAF and self.key not in n.metadata]
        self._place_all(fresh, [touched] * len(fresh))

    def bury(self) -> None:
        """Take in the deaths of nodes since the last time."""
        while self._deaths:
            tally, at = self._deaths.popleft()
            self._touched -= tally.nodes
            visit = tally.visit
            if visit is not None and not visit.ended:
                dropped(visit)
                self._end(visit, at, by_later_pass=False)

    def _watch(self, tally: Tally) -> Lifetime:
        return Lifetime(tally, self._deaths, self._clock)

    def _place_all(self, nodes: Sequence[Node], marks: Sequence[Mark]) -> None:
        """Put marks on nodes, in place of those that are there; all are of one tally."""
        key, placed, fresh = self.key, 0, 0
        for node, mark in zip(nodes, marks, strict=True):
            if type(node) is LEAF:  # see Note [Why AccumulateGrad is never marked]
                continue
            metadata = node.metadata
            before: Mark | None = metadata.get(key)
            metadata[key] = mark
            placed += 1
            if before is None:
                fresh += 1
            else:
                before.tally.nodes -= 1
                self._release(before)
        if placed:
            marks[0].tally.nodes += placed
            self._touched += fresh

    def _release(self, mark: Mark) -> None:
        """Take a node from the pass that kept it: a later one has visited it."""
        visit = mark.visit
        if not mark.saves or visit is None or not visit.keeps or visit.ended:
            return
        visit.open -= 1
        visit.held_bytes -= mark.bytes
        visit.site.held_bytes -= mark.bytes
        self._open_bytes -= mark.bytes
        if not visit.open:
            self._end(visit, self._clock(), by_later_pass=True)

    def _end(self, visit: Visit, at: float, *, by_later_pass: bool) -> None:
        self.open.pop(id(visit), None)
        self.timeline.reach(at)
        visit.site.held_bytes -= visit.held_bytes
        self._open_bytes -= visit.held_bytes
        visit.held_bytes = 0
        visit.site.end(visit, at - visit.started, by_later_pass)


def _saving(nodes: Sequence[Node], size: GraphSize | None) -> list[bool]:
    """Say for each node whether it saves anything; unmeasured, torch's own are taken to.

    They do, but for a few corner cases: a linear layer of which the bias alone is trained.
    """
    if size is not None:
        return size.saves
    kinds = [kind_of(node) for node in nodes]
    return [
        saves_anything(node) if kind.python else kind.can_save
        for node, kind in zip(nodes, kinds, strict=True)
    ]
