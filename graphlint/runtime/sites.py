"""What the recorder remembers of a call: sums, not a log, so that long runs stay small."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from graphlint.runtime.carried import Carried, Rhythm
from graphlint.runtime.figures import Growth, Running, Turn
from graphlint.runtime.leftovers import Leftovers
from graphlint.runtime.places import RawSpan
from graphlint.runtime.releases import Ends
from graphlint.runtime.runs import (
    Outcome,
    Revisit,
    RunRecord,
    RunShape,
    alone,
    outcome_of,
    shape_alone,
)
from graphlint.trace import Form

if TYPE_CHECKING:
    from graphlint.runtime.marks import Visit
    from graphlint.runtime.sizes import GraphSize, Holder

_SHAPES = 64
_CONTEXTS = 64


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
        ends: what became of the bytes that were measured.
        turn: whose turn it is to be measured.
        leftovers: the gradients with graphs that its passes left in leaves.
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
    ends: Ends = field(default_factory=Ends)
    turn: Turn = field(default_factory=Turn)
    leftovers: Leftovers = field(default_factory=Leftovers)
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

    def reuse(self, visit: Visit, again: Revisit) -> None:
        """Note that a later pass visits what one of this call's passes kept."""
        if not visit.reuses:
            self.reused += 1
        if not any(each.by is again.by for each in visit.reuses):
            self.reused_by[again.by] = self.reused_by.get(again.by, 0) + 1
        visit.reuses[again] = None

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
                self._add_shape(shape_alone(visit))
            return
        run.pending -= 1
        if known:
            run.settle(visit.ordinal, outcome_of(visit))
        if not (run.pending or run.partial):
            self._add_shape(run.shape())

    def refuse(self, creates: bool) -> None:
        """Note that a pass could not keep its graph, as compiled code is part of it."""
        self._add_shape(alone(Outcome(creates, compiled=True, refused=True)))

    def _add_shape(self, shape: RunShape) -> None:
        if len(self.shapes) < _SHAPES:
            self.shapes[shape] = None
