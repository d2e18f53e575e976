"""The recorder: takes note of passes, of what they keep, and of who visits that again.

# Note [Marking passes that free]
Which pass freed a node can only be told if that pass left a mark, for which it must walk its graph:
2 to 8 % of a small step. A program that visits a freed graph does so in its first iterations, as
its steps are alike; so each call leaves marks in its first `MARKED_PASSES` passes, and later only
where the graph is walked anyway.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import torch

from graphlint.runtime.budget import Budget, Purse
from graphlint.runtime.callsites import CallSites
from graphlint.runtime.clashes import cannot_be_kept, reason
from graphlint.runtime.engine import BackwardCall, choke_point
from graphlint.runtime.figures import EXACT_PASSES
from graphlint.runtime.guard import Guard
from graphlint.runtime.ledger import Ledger
from graphlint.runtime.lookout import Lookout
from graphlint.runtime.marks import Visit
from graphlint.runtime.measurer import Measurer
from graphlint.runtime.nodes import TOUCH_LIMIT
from graphlint.runtime.passes import Look, Note, Passes
from graphlint.runtime.releases import before_pass
from graphlint.runtime.sites import SiteRecord
from graphlint.runtime.warned import Warned, lines_warned_of

MARKED_PASSES = 16
# So many graphs that a call keeps are looked at before time is saved on them; but beyond those that
# always are, only while this takes no longer than so many seconds, by whether all are alike.
EAGER_PASSES = 100
_ALIKE = 5  # passes in a row
EAGER_SECONDS = {True: 0.02, False: 0.1}


class Recorder:
    """Records the passes of this process from `start` to `stop`, as often as it is started.

    Attributes:
        guard: counts the recorder's own mistakes.
        ledger: the marks on nodes, and what is alive.
        lookout: what keeps graphs alive.
        passes: takes in passes, and knows which of them torch refused.
        overhead: the share of CPU time that it keeps to, None where it keeps to none.
    """

    def __init__(
        self,
        *,
        every: int = 1,
        overhead: float | None = None,
        limit: int = TOUCH_LIMIT,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Set up a recorder that is not started yet.

        Args:
            every: measure the bytes of at most one in so many retained passes of a call; passes,
                reuse and hold times are recorded for all.
            overhead: the share of a thread's CPU time that all looking at graphs may take; where it
                is spent, only the first passes of each call and those that may visit what is marked
                are looked at. None: every retained pass is.
            limit: how many walked nodes may be alive at once, see Note [Touched nodes].
            clock: gives the time, in seconds.
        """
        self.guard = Guard()
        self._calls = CallSites()
        self.ledger = Ledger(limit, clock)
        purse = Purse(None if overhead is None else overhead / 3)
        self.lookout = Lookout(self.ledger, purse)
        self._measurer = Measurer(every, overhead, purse, self.guard)
        self.passes = Passes(self.ledger, self._measurer, self.guard, clock)
        self.overhead = overhead
        self._budget = Budget(overhead)
        self._clock = clock
        self._seconds = 0.0
        self._started: float | None = None
        self._depth = 0
        self._warned: frozenset[Warned] | None = None
        self._lock = threading.RLock()

    # --- starting and stopping ---------------------------------------------------------------

    def start(self) -> None:
        """Begin to record; nested starts need as many stops."""
        with self._lock:
            self._depth += 1
            if self._depth == 1:
                self._started = self._clock()
                if self._warned is None:
                    self._warned = self.guard.run(lines_warned_of)
                self._budget.resume()
                self._measurer.budget.resume()
                choke_point().attach(self)

    def stop(self, *, follow: bool = False, over: bool = False) -> None:
        """Record no more.

        Args:
            follow: go on to look for reuse of the graphs that are still alive, until none is.
            over: the program is over.
        """
        with self._lock:
            self._depth -= 1
            if self._depth or self._started is None:
                return
            self._seconds += self._clock() - self._started
            self._started = None
            self._budget.pause()
            self._measurer.budget.pause()
            self.guard.run(self.ledger.bury)
            if not follow:
                self.look_around(over=over)
            if not (follow and self.ledger.open):
                choke_point().detach(self)

    def look_around(self, *, over: bool = False) -> None:
        """Look for what keeps graphs alive now, from the caller's variables on.

        Args:
            over: the program is over.
        """
        with self._lock:
            if not choke_point().is_busy_elsewhere():
                self.guard.run(self.lookout.at_end, sys._getframe(1), over)

    @property
    def sites(self) -> list[SiteRecord]:
        """The calls that ran passes, at one go: the program may run on meanwhile."""
        return list(self._calls.records.values())

    @property
    def warned(self) -> frozenset[Warned]:
        """The lines that have read a gradient which is not there, since the first start."""
        return frozenset() if self._warned is None else lines_warned_of() - self._warned

    @property
    def duration(self) -> float:
        """How long it has recorded, up to now, in seconds."""
        running = self._clock() - self._started if self._started is not None else 0.0
        return self._seconds + running

    @property
    def retained(self) -> tuple[int, int, int]:
        """The bytes that kept graphs hold now and held at most, and how many passes kept theirs."""
        with self._lock:
            self.guard.run(self.ledger.bury)
            held = sum(visit.held_bytes for visit in self.ledger.open.values())
            kept = sum(site.retained for site in self.sites)
            return held, self.ledger.peak_bytes, kept

    def settle(self) -> list[tuple[Visit, float]]:
        """Take in what has ended; return the passes that still keep something, and their age."""
        with self._lock:
            self.guard.run(self.ledger.bury)
            now = self._clock()
            self.ledger.timeline.reach(now)
            before_pass(self.ledger.open.values())
            return [(visit, now - visit.started) for visit in self.ledger.open.values()]

    # --- what the choke point tells ----------------------------------------------------------

    def before(self, call: BackwardCall) -> Note | None:
        """Walk the graph of a pass that is about to run, where there is a reason to.

        Returns:
            what `after` is to be told; None where there is no need to call it.
        """
        with self._lock:
            ledger = self.ledger
            ledger.bury()
            recorded = self._started is not None
            if not (recorded or ledger.open):
                choke_point().detach(self)
                return None
            recorded = recorded and call.caller.is_known
            site = self._calls.of(call.caller)
            site.passes += recorded
            if recorded and site.passes >= site.look_at:
                self._look_around(site, call)
            rests = site.rest > 0
            if ledger.open or (not rests and (call.keeps or site.passes <= MARKED_PASSES)):
                return Note(site, recorded, not rests, self._look(call, site))
            choke_point().shorten(call.caller, site)
            return Note(site, recorded, False, None) if call.keeps else None

    def _look_around(self, site: SiteRecord, call: BackwardCall) -> None:
        began = self._budget.begin()
        busy = choke_point().is_busy_elsewhere()
        self.guard.run(self.lookout.at_pass, site, call, busy=busy)
        self._budget.charge(began)

    def _look(self, call: BackwardCall, site: SiteRecord) -> Look:
        began = self._budget.begin()
        look = self.passes.look(call, site)
        site.looking += self._budget.charge(began)
        return look

    @staticmethod
    def _is_eager(site: SiteRecord) -> bool:
        """Whether all graphs that a call keeps are still looked at, whatever the time."""
        alike = site.turn.same >= _ALIKE
        hasty = site.looking > EAGER_SECONDS[alike]
        return site.retained < (EXACT_PASSES if hasty else EAGER_PASSES)

    def after(self, call: BackwardCall, note: Note, result: Any) -> None:
        """Take in a pass: whom it visited, what it keeps."""
        with self._lock:
            end = torch.autograd._get_sequence_nr()
            site, look = note.site, note.look
            if look is None:
                site.skip(end)
                return
            began = self._budget.begin()
            self.passes.take_in(call, note, look, result)
            if note.recorded:
                look.rhythm.add(threading.get_ident(), look.start, end)
            site.looking += self._budget.charge(began)
            if not self._is_eager(site):
                site.rest = self._budget.rest(site.passes)
            if self.ledger.open:
                choke_point().lengthen()

    def failed(self, call: BackwardCall, note: Note | None, error: BaseException) -> None:
        """Take in a pass that raised: which earlier pass is behind it, whom it visited."""
        with self._lock:
            if call.keeps and note is not None and note.recorded and cannot_be_kept(error):
                note.site.refuse(call.creates)
            why = reason(error)
            look = note.look if note else None
            if look is None and why is None:
                return
            site = note.site if note else self._calls.of(call.caller)
            look = look or self._look(call, site)
            self.passes.refused(call, site, look, why if self._started is not None else None)
