"""The recorder: takes note of passes, of what they keep, and of who visits that again.

# Note [One pass, step by step]
Before the pass, where there is a reason to look (it keeps its graph, graphs that were kept are
alive, or the call is among its first passes), the graph is walked once. The marks that earlier
passes left tell which of them it visits. After the pass those learn of it; what the pass keeps is
measured, and its own marks replace theirs: a node belongs to the last pass that visited it, so that
of several passes in a row each is answerable to the next. When all nodes with its marks are gone,
or a later pass has visited all those that save anything, a pass is over.

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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from graphlint.runtime.budget import Budget, Purse
from graphlint.runtime.callsites import CallSites
from graphlint.runtime.carried import Carried, Rhythm, is_carried
from graphlint.runtime.clashes import ClashRecord, cannot_be_kept, culprit, reason
from graphlint.runtime.engine import BackwardCall, choke_point
from graphlint.runtime.figures import EXACT_PASSES
from graphlint.runtime.guard import Guard
from graphlint.runtime.ledger import Ledger
from graphlint.runtime.lookout import Lookout
from graphlint.runtime.marks import Mark, Visit
from graphlint.runtime.measurer import Measurer
from graphlint.runtime.nodes import (
    TOUCH_LIMIT,
    Node,
    Walk,
    executed,
    kind_of,
    run_compiled_code,
)
from graphlint.runtime.releases import after_pass, before_pass, hand_on
from graphlint.runtime.sites import SiteRecord
from graphlint.runtime.steps import optimizers_of
from graphlint.runtime.warned import Warned, lines_warned_of
from graphlint.trace import Broken

MARKED_PASSES = 16
# So many graphs that a call keeps are looked at before time is saved on them; but beyond those that
# always are, only while this takes no longer than so many seconds, by whether all are alike.
EAGER_PASSES = 100
_ALIKE = 5  # passes in a row
EAGER_SECONDS = {True: 0.02, False: 0.1}
_CLASHES = 256


@dataclass(slots=True)
class Note:
    """What is remembered of a pass while it runs.

    Attributes:
        site: the call that runs it.
        recorded: the pass counts as one of the site's; otherwise only reuse is looked for.
        marked: if it keeps its graph, that is to be marked.
        look: its graph, where there was a reason to walk it.
    """

    site: SiteRecord
    recorded: bool
    marked: bool
    look: Look | None


@dataclass(slots=True)
class Look:
    """What was seen of a pass's graph before the pass.

    Attributes:
        walked: the nodes, and the marks that were on them.
        earlier: the passes that left these and kept some of the nodes, latest first.
        start: the number that the thread's next node would get.
        rhythm: the passes of the call before this one, by the same chain of callers.
    """

    walked: Walk
    earlier: list[Visit]
    start: int
    rhythm: Rhythm


class Recorder:
    """Records the passes of this process from `start` to `stop`, as often as it is started.

    Attributes:
        guard: counts the recorder's own mistakes.
        clashes: passes that torch refused, and how often.
        ledger: the marks on nodes, and what is alive.
        lookout: what keeps graphs alive.
        truncated: some graph was too large to walk whole.
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
        self.clashes: dict[ClashRecord, int] = {}
        self.ledger = Ledger(limit, clock)
        purse = Purse(None if overhead is None else overhead / 3)
        self.lookout = Lookout(self.ledger, purse)
        self.truncated = False
        self._measurer = Measurer(every, overhead, purse, self.guard)
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
        self.guard.run(self.lookout.at_pass, site, call)
        self._budget.charge(began)

    def _look(self, call: BackwardCall, site: SiteRecord) -> Look:
        began = self._budget.begin()
        walked = self.ledger.walk(call.outputs)
        earlier = _kept(walked.marks) if walked.marked else []
        before_pass(earlier)
        if call.creates:
            site.leftovers.look()
        start = torch.autograd._get_sequence_nr()
        look = Look(walked, earlier, start, site.rhythm(call.caller.context))
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
            self._take_in(call, note, look, result)
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
            if why is not None and self._started is not None:
                self._clash(call, site, look, why)
            after_pass(look.earlier)
            for earlier in look.earlier:
                self._reuse(earlier, site, look, look.walked.nodes, look.walked.marks)
            self.ledger.touch(look.walked.nodes)

    # --- one pass ------------------------------------------------------------------------------

    def _take_in(self, call: BackwardCall, note: Note, look: Look, result: Any) -> None:
        """Take in a pass whose graph was walked: see Note [One pass, step by step]."""
        site, keeps, walked = note.site, call.keeps and note.recorded, look.walked
        if keeps and not walked.nodes:
            site.miss()
            self.truncated = True
            return
        after_pass(look.earlier)
        nodes, marks = self._visited(call, walked)
        earlier = look.earlier if marks is walked.marks else _kept(marks)
        previous = next((visit for visit in earlier if visit.site is site), None)
        for visit in earlier:
            self._reuse(visit, site, look, nodes, marks)
        if not note.recorded:
            if call.keeps:
                self.ledger.touch(nodes)
            else:
                self.ledger.free(None, nodes)
                hand_on(earlier, None, kept=False)
            return
        if call.keeps and not note.marked:
            if previous is not None:
                previous.cut_short()
            self.ledger.free(None, nodes)
            hand_on(earlier, None, kept=True)
            site.skip(torch.autograd._get_sequence_nr())
            return
        if call.creates:
            if call.accumulates:
                site.leftovers.leave(node.variable for node in nodes if kind_of(node).leaf)
            nodes = [*nodes, *self._created(nodes, look.start, result)]
        visit = Visit(
            site=site,
            keeps=keeps,
            creates=call.creates,
            started=self._clock(),
            thread=threading.get_ident(),
            truncated=walked.truncated,
            compiled=keeps and run_compiled_code(nodes),
        )
        if not keeps:
            self.ledger.free(visit, nodes)
            hand_on(earlier, None, kept=False)
            if not earlier:
                self._measurer.left(site, walked)
            return
        self.truncated |= visit.truncated
        visit.partial = previous is None and not _are_newer(nodes, site.skipped_until)
        site.begin(visit, previous)
        size = self._measurer.kept(visit, nodes, look.rhythm, call.caller.frame)
        self.ledger.keep(visit, nodes, size, site.turn.exclusive_bytes)
        hand_on(earlier, visit, kept=True)

    def _visited(
        self, call: BackwardCall, walked: Walk
    ) -> tuple[Sequence[Node], Sequence[Mark | None]]:
        """Return the nodes that the pass really visits; the others are marked as touched.

        Of a graph that was not walked to its end the inputs may not be in sight: all count then.
        """
        if call.inputs is None or walked.truncated:
            return walked.nodes, walked.marks
        indices = list(executed(walked, call.inputs, call.accumulates))
        self.ledger.touch(walked.nodes)
        return [walked.nodes[i] for i in indices], [walked.marks[i] for i in indices]

    def _created(self, nodes: Sequence[Node], start: int, result: Any) -> list[Node]:
        """Return the nodes that `create_graph` made: who visits these visits what is kept.

        Args:
            nodes: the nodes that the pass visited.
            start: the number of the first node that it made.
            result: the gradients that it returned, if any.
        """
        leaves = [node.variable.grad for node in nodes if kind_of(node).leaf]
        made = [t for t in (*(result or ()), *leaves) if isinstance(t, torch.Tensor)]
        reached = self.ledger.walk(made).nodes
        self.ledger.touch(reached)
        return [n for n in reached if not kind_of(n).leaf and n._sequence_nr() >= start]

    def _reuse(
        self,
        earlier: Visit,
        by: SiteRecord,
        look: Look,
        nodes: Sequence[Node],
        marks: Sequence[Mark | None],
    ) -> None:
        """Note that a pass visits what an earlier one kept, if any of it saves anything."""
        if any(mark.saves for mark in marks if mark and mark.visit is earlier):
            carried = is_carried(earlier, nodes, marks, look.rhythm, look.start)
            earlier.site.reuse(earlier, by, carried)
            by.learn(carried, look.rhythm)

    def _clash(self, call: BackwardCall, site: SiteRecord, look: Look, why: Broken) -> None:
        nodes, marks = look.walked.nodes, look.walked.marks
        earlier, carried = culprit(why, look.walked), Carried.NO
        if earlier is not None:
            carried = is_carried(earlier, nodes, marks, look.rhythm, look.start)
        steps: tuple[str, ...] = ()
        if why is Broken.MODIFIED:
            steps = self.guard.run(optimizers_of, nodes, call.caller.frame) or ()
        clash = ClashRecord(why, earlier.site if earlier else None, site, carried, steps)
        if clash in self.clashes or len(self.clashes) < _CLASHES:
            self.clashes[clash] = self.clashes.get(clash, 0) + 1


def _are_newer(nodes: Sequence[Node], number: int) -> bool:
    """Say whether all nodes that may save something were built after a node of that number."""
    return not number or all(n._sequence_nr() >= number for n in nodes if kind_of(n).can_save)


def _kept(marks: Sequence[Mark | None]) -> list[Visit]:
    """Return the passes that left the marks and still keep something, each once, latest first."""
    visits = {
        mark.visit: None
        for mark in marks
        if mark is not None and mark.visit is not None and mark.visit.keeps and not mark.visit.ended
    }
    return sorted(visits, key=lambda visit: visit.started, reverse=True)
