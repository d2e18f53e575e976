"""Figures of a call's passes as they come: sums, growth, and whose turn it is to be measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphlint.runtime.sizes import GraphSize

EXACT_PASSES = 10  # of every call: these are always looked at, and measured
_LONGEST_INTERVAL = 256
_RISES = 2


@dataclass(slots=True)
class Running:
    """The mean and the largest of values as they come."""

    count: int = 0
    total: float = 0.0
    max: float = 0.0

    def add(self, value: float) -> None:
        """Take in one more value."""
        self.count += 1
        self.total += value
        self.max = max(self.max, value)

    @property
    def mean(self) -> float:
        """The mean, zero where there were no values."""
        return self.total / self.count if self.count else 0.0


@dataclass(slots=True)
class Growth:
    """How much of each pass's graph is older than the pass before it.

    A graph that is carried round a loop gets longer with every iteration, so that this number
    rises from each pass to the next, until the loop begins anew. A graph that is merely visited
    several times has the same number each time; heads over one encoder, or a state that is cut
    every few steps, make it go up and down. So only passes that rise several times in a row are
    counted, and only where they are most of the passes.
    """

    passes: int = 0
    rising: int = 0
    nodes: int = 0
    bytes: int = 0
    _last: tuple[int, int] = (0, 0)
    _streak: int = 0
    _start: tuple[int, int] = (0, 0)

    def add(self, old_nodes: int, exclusive_bytes: int, *, follows: bool) -> None:
        """Take in a pass.

        Args:
            old_nodes: its nodes that predate the pass before it.
            exclusive_bytes: what it keeps.
            follows: it comes right after the one that was taken in last.
        """
        now = old_nodes, exclusive_bytes
        rises = follows and self.passes > 0 and old_nodes > self._last[0]
        if not rises:
            self._streak, self._start = 0, now
        else:
            self._streak += 1
            if self._streak >= _RISES:
                self.rising += 1 if self._streak > _RISES else _RISES
                self.nodes += now[0] - self._start[0]
                self.bytes += now[1] - self._start[1]
                self._start = now
        self._last = now
        self.passes += 1

    @property
    def steady(self) -> bool:
        """Whether most passes visit more old nodes than the one before them."""
        return self.rising > 0 and 3 * self.rising >= 2 * (self.passes - 1)

    @property
    def nodes_per_pass(self) -> float:
        """How many more old nodes a pass visits than the one before it, where they rise."""
        return self.nodes / self.rising if self.rising else 0.0

    @property
    def bytes_per_pass(self) -> float:
        """How many more exclusive bytes such a pass keeps than the one before it."""
        return self.bytes / self.rising if self.rising else 0.0


@dataclass(slots=True)
class Turn:
    """Which of a call's passes are measured: all at first, fewer when all are alike.

    Attributes:
        last: the figures of the last pass that was measured.
        interval: how many passes lie between two that are measured.
        due: the number of the next pass to measure.
        same: how many passes in a row kept what the one before them kept, as far as that was seen.
    """

    last: tuple[int, int, int] = (0, 0, 0)
    interval: int = 1
    due: int = 0
    same: int = 0

    def see(self, nodes: int) -> None:
        """Take in how many nodes a pass keeps, whether or not it is measured."""
        self.same = self.same + 1 if nodes == self.last[0] else 0

    def follows(self, ordinal: int) -> bool:
        """Say whether a pass comes right after the one that was measured last."""
        return ordinal == self.due - self.interval + 1

    def comes(self, ordinal: int, nodes: int) -> bool:
        """Say whether to measure a pass.

        Args:
            ordinal: its number among the call's passes whose kept graphs were looked at.
            nodes: the number of nodes that it keeps.
        """
        return ordinal >= self.due or nodes != self.last[0]

    def take(self, ordinal: int, size: GraphSize) -> None:
        """Take in what was measured of a pass."""
        figures = size.nodes, size.total_bytes, size.exclusive_bytes
        if figures != self.last:
            self.same = 0
        alike = figures == self.last and ordinal > EXACT_PASSES
        self.interval = min(2 * self.interval, _LONGEST_INTERVAL) if alike else 1
        self.last, self.due = figures, ordinal + self.interval

    @property
    def exclusive_bytes(self) -> int:
        """The exclusive bytes that were measured last."""
        return self.last[2]
