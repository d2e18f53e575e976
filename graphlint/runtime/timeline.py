"""What kept graphs hold over time, in a bounded number of points.

# Note [Highest moments]
The time since the start is cut into equal intervals. Of each one its highest moment is kept: how
many bytes every call held when all of them together held most. So peaks survive however long the
run is, and the figures of one point belong together. When there are too many intervals, every two
become one, with the higher moment of both.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphlint.runtime.sites import SiteRecord

POINTS = 256
SHORTEST_S = 1e-3


class TimeLine:
    """Takes in how the bytes that kept graphs hold rise and fall.

    A call's own share stands in `SiteRecord.held_bytes`; whoever changes it tells the time line:
    `reach` before any change, `rose` after one upwards.

    Attributes:
        started_at: when it began, in seconds of Unix time.
        interval_s: the length of an interval, in seconds.
        totals: what all calls held at the highest moment of each interval up to now, in bytes.
        by_site: each call's part of that.
    """

    def __init__(self, start: float) -> None:
        """Begin with nothing held.

        Args:
            start: what the clock shows now, in seconds.
        """
        self.started_at = time.time()
        self.interval_s = SHORTEST_S
        self.totals = [0]
        self.by_site: dict[SiteRecord, list[int]] = {}
        self._start = start
        self._end = start + SHORTEST_S

    def reach(self, at: float) -> None:
        """Begin the interval of a time, and those before it; nothing has changed in them so far."""
        if at < self._end:
            return
        index = self._index(at)
        while index >= POINTS:
            self._coarsen()
            index = self._index(at)
        new = index + 1 - len(self.totals)
        for site, held in self.by_site.items():
            held += [site.held_bytes] * new
        self.totals += [sum(site.held_bytes for site in self.by_site)] * new
        self._end = self._start + (index + 1) * self.interval_s

    def rose(self, site: SiteRecord, total: int) -> None:
        """Take in that a call holds more.

        Args:
            site: the call.
            total: what all calls hold together, in bytes.
        """
        if site not in self.by_site:
            self.by_site[site] = [0] * len(self.totals)
        if total > self.totals[-1]:
            self.totals[-1] = total
            for each, held in self.by_site.items():
                held[-1] = each.held_bytes

    def _index(self, at: float) -> int:
        return int((at - self._start) / self.interval_s)

    def _coarsen(self) -> None:
        """Make every two intervals one."""
        self.interval_s *= 2
        last = len(self.totals) - 1
        pairs = [(first, min(first + 1, last)) for first in range(0, last + 1, 2)]
        higher = [max(pair, key=self.totals.__getitem__) for pair in pairs]
        self.totals = [self.totals[i] for i in higher]
        for site, held in self.by_site.items():
            self.by_site[site] = [held[i] for i in higher]
