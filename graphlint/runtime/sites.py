"""What the recorder remembers of a call: sums, not a log, so that long runs stay small."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from graphlint.runtime.carried import Carried, Rhythm
from graphlint.runtime.places import RawSpan
from graphlint.trace import Form

if TYPE_CHECKING:
    from graphlint.runtime.marks import Visit
    from graphlint.runtime.sizes import GraphSize, Holder

EXACT_PASSES = 10  # of every call: these are always looked at, and measured
_LONGEST_INTERVAL = 256
_SHAPES = 64
_RISES = 2
_CONTEXTS = 64


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


class Outcome(NamedTuple):
    """What became of a pass that kept its graph: the part of it that rules ask for."""

    creates: bool
    reuses: tuple[tuple[SiteRecord, Carried], ...]


class RunShape(NamedTuple):
    """A run as rules see it: outcomes in order, each with its first and last ordinal only."""

    passes: tuple[tuple[int, Outcome], ...]


def _alone(creates: bool) -> RunShape:
    return RunShape(((0, Outcome(creates, ())),))


_ALONE = (_alone(creates=False), _alone(creates=True))


@dataclass(eq=False, slots=True)
class RunRecord:
    """Several passes of one call over one graph: each visits what the one before it kept.

    Attributes:
        length: how many passes it has.
        pending: how many of them may still be reused.
        partial: passes that nobody looked at visited the graph too, or may have.
        outcomes: the outcomes of the others, with the first and the last ordinal of each.
    """

    length: int = 0
    pending: int = 0
    partial: bool = False
    outcomes: dict[Outcome, tuple[int, int]] = field(default_factory=dict)

    def settle(self, ordinal: int, outcome: Outcome) -> None:
        """Take in what became of one of the passes."""
        first, last = self.outcomes.get(outcome, (ordinal, ordinal))
        self.outcomes[outcome] = min(first, ordinal), max(last, ordinal)

    def shape(self) -> RunShape:
        """Return the run as far as it is settled."""
        places = {(ordinal, outcome) for outcome, ends in self.outcomes.items() for ordinal in ends}
        return RunShape(tuple(sorted(places, key=lambda place: place[0])))


@dataclass(eq=False, slots=True)
class SiteRecord:
    """Everything that is known of one call that runs passes.

    Attributes:
        filename: its file.
        span: where it stands there.
        function: the function that it stands in.
        form: which function of torch it called first.
        passes: how often it ran.
        retained: how often it kept the graph.
        skipped: how many of the kept graphs nobody looked at, to save time.
        skipped_until: the number of the next node, after the last of these passes.
        rest: how many more of its passes that keep their graph nobody looks at.
        reused: how many of the kept graphs were visited again.
        unused: how many came to their end without.
        truncated: how many passes kept a graph that was not walked to its end.
        by_later_pass: how many kept graphs a later pass freed or took over.
        by_drop: how many went away with their last reference.
        held: how many are there now.
        held_bytes: exclusive bytes of those, as far as they were measured.
        lower_bound: bytes or nodes of some pass were not all seen.
        total_bytes, exclusive_bytes, nodes, seconds: what was measured of the kept graphs.
        turn: whose turn it is to be measured.
        left_bytes: what its passes left behind that did not keep their graphs.
        holders: what held the exclusive bytes of the largest of them.
        reused_by: how many of its kept graphs each call visited.
        growth: how its graphs grow.
        rhythms: when its passes ran, by the chain of callers.
        carries: whether its passes visited what came round a loop, as far as that was certain.
        shapes: the distinct runs of its passes that have come to their end.
        look_at: the number of its pass at which to look for what keeps graphs alive.
        looking: how long it took to look at its graphs, in seconds of CPU time.
    """

    filename: str
    span: RawSpan
    function: str
    form: Form
    passes: int = 0
    retained: int = 0
    skipped: int = 0
    skipped_until: int = 0
    rest: int = 0
    reused: int = 0
    unused: int = 0
    truncated: int = 0
    by_later_pass: int = 0
    by_drop: int = 0
    held: int = 0
    held_bytes: int = 0
    lower_bound: bool = False
    total_bytes: Running = field(default_factory=Running)
    exclusive_bytes: Running = field(default_factory=Running)
    nodes: Running = field(default_factory=Running)
    seconds: Running = field(default_factory=Running)
    turn: Turn = field(default_factory=Turn)
    left_bytes: Running = field(default_factory=Running)
    holders: tuple[Holder, ...] = ()
    reused_by: dict[SiteRecord, int] = field(default_factory=dict)
    growth: Growth = field(default_factory=Growth)
    rhythms: dict[int, Rhythm] = field(default_factory=dict)
    carries: bool | None = None
    shapes: dict[RunShape, None] = field(default_factory=dict)
    look_at: int = 1
    looking: float = 0.0

    def begin(self, visit: Visit, previous: Visit | None) -> None:
        """Count a pass that kept its graph.

        Args:
            visit: the pass.
            previous: the call's last pass over the same graph.
        """
        self.retained += 1
        self.held += 1
        self.truncated += visit.truncated
        if previous is None:
            return
        run = previous.run
        if run is None:
            run = previous.run = RunRecord(length=1, pending=1, partial=previous.partial)
        visit.run, visit.ordinal = run, run.length
        run.length += 1
        run.pending += 1

    def skip(self, until: int) -> None:
        """Count a pass that kept its graph, which nobody looked at.

        Args:
            until: the number of the thread's next node, after the pass.
        """
        self.retained += 1
        self.skipped += 1
        self.skipped_until = until
        if self.rest:
            self.rest -= 1

    def miss(self) -> None:
        """Count a pass that kept its graph, of which nothing could be seen."""
        self.retained += 1
        self.truncated += 1
        self.lower_bound = True

    def measure(self, size: GraphSize) -> bool:
        """Take in the size of what a pass kept; say whether it is the largest so far."""
        largest = not self.exclusive_bytes.count or size.exclusive_bytes > self.exclusive_bytes.max
        self.turn.take(self.seen, size)
        self.total_bytes.add(size.total_bytes)
        self.exclusive_bytes.add(size.exclusive_bytes)
        self.nodes.add(size.nodes)
        self.lower_bound |= size.lower_bound
        return largest

    @property
    def seen(self) -> int:
        """How many of the kept graphs were looked at."""
        return self.retained - self.skipped

    def reuse(self, visit: Visit, by: SiteRecord, carried: Carried) -> None:
        """Note that a later pass visits what one of this call's passes kept."""
        if not visit.reuses:
            self.reused += 1
        if not any(site is by for site, _ in visit.reuses):
            self.reused_by[by] = self.reused_by.get(by, 0) + 1
        visit.reuses[(by, carried)] = None

    def rhythm(self, context: int) -> Rhythm:
        """Return when the passes ran that a chain of callers led to."""
        rhythm = self.rhythms.get(context)
        if rhythm is None:
            if len(self.rhythms) >= _CONTEXTS:
                self.rhythms.clear()
            rhythm = self.rhythms[context] = Rhythm()
        return rhythm

    def learn(self, carried: Carried, rhythm: Rhythm) -> None:
        """Take in whether one of this call's passes visited what came round a loop."""
        if carried is Carried.YES:
            self.carries = True
        elif carried is Carried.NO and rhythm.passes > 1 and self.carries is None:
            self.carries = False

    def believes(self, carried: Carried) -> bool:
        """Say whether what one of this call's passes visited came round a loop.

        A guess is believed unless the call's other passes tell a different story.
        """
        return carried is Carried.YES or (carried is Carried.GUESSED and self.carries is not False)

    def end(self, visit: Visit, seconds: float, by_later_pass: bool) -> None:
        """Note that nothing is left of what one of this call's passes kept."""
        visit.ended = True
        self.held -= 1
        self.by_later_pass += by_later_pass
        self.by_drop += not by_later_pass
        self.seconds.add(seconds)
        known = bool(visit.reuses) or not visit.truncated
        self.unused += known and not visit.reuses
        run = visit.run
        if run is None:
            if known and not visit.partial:
                self._add_shape(_shape_alone(visit))
            return
        run.pending -= 1
        if known:
            run.settle(visit.ordinal, outcome_of(visit))
        if not (run.pending or run.partial):
            self._add_shape(run.shape())

    def _add_shape(self, shape: RunShape) -> None:
        if len(self.shapes) < _SHAPES:
            self.shapes[shape] = None


def outcome_of(visit: Visit) -> Outcome:
    """Return what has become of a pass so far."""
    return Outcome(visit.creates, tuple(visit.reuses))


def _shape_alone(visit: Visit) -> RunShape:
    return RunShape(((0, outcome_of(visit)),)) if visit.reuses else _ALONE[visit.creates]


def open_shapes(visits: list[Visit], final: bool) -> Iterator[tuple[SiteRecord, RunShape]]:
    """Yield the runs that have not come to their end, as far as they can be judged.

    Args:
        visits: the passes whose graphs are alive.
        final: nothing will visit those graphs any more.
    """
    runs: dict[int, tuple[SiteRecord, RunRecord]] = {}
    for visit in visits:
        run = visit.run
        if run.partial if run else visit.partial:
            continue
        outcomes = dict(run.outcomes) if run else {}
        site, copy = runs.setdefault(id(run or visit), (visit.site, RunRecord(outcomes=outcomes)))
        if visit.reuses or (final and not visit.truncated):
            copy.settle(visit.ordinal, outcome_of(visit))
    for site, run in runs.values():
        if run.outcomes:
            yield site, run.shape()
