"""Whether a graph that two passes share travelled round a loop from one to the other.

# Note [Telling a carried graph from a shared one]
Both look alike at the second pass: it visits nodes that the first one visited too. They differ in
when these were built: in an earlier iteration of the loop that the second pass is in, or before the
loop. Nothing tells the recorder where a loop begins. But the nodes of a thread are numbered as they
are built, and the iterations of a loop build about the same number of nodes each. So, of a call
that ran before, by the same chain of callers, the iteration of its last pass began about as many
nodes before that pass as were built since. What the two share and was built in that stretch may
have been carried; what is older was there before. And a carried graph has an iteration of its own
kind on top: one of its operations is among those that were built since. A pass that is merely late,
and visits an earlier iteration's graph as it was, has nothing new at all.

From a call's third pass on the smallest number of nodes between two of its passes is a measure that
holds well. At its second pass there is only one number, and an iteration that builds more than the
one before it (deeper and deeper heads over one encoder) looks carried: that is a guess, which later
passes of the call overrule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from graphlint.runtime.nodes import Node, kind_of

if TYPE_CHECKING:
    from graphlint.runtime.marks import Mark, Visit


class Carried(Enum):
    """Whether a graph came round a loop, as far as can be told."""

    NO = "no"
    YES = "yes"
    GUESSED = "guessed"


@dataclass(slots=True)
class Rhythm:
    """When a call ran its passes, in the numbers that a thread gives to its nodes.

    Attributes:
        thread: the thread of its last pass; passes of another begin anew.
        passes: how many passes it ran there.
        start: the number of the next node when the last pass began.
        end: the same when it was over.
        period: the smallest number of nodes between two passes in a row.
    """

    thread: int = 0
    passes: int = 0
    start: int = 0
    end: int = 0
    period: int = 0

    def add(self, thread: int, start: int, end: int) -> None:
        """Take in a pass."""
        if thread != self.thread:
            self.thread, self.passes = thread, 0
        if self.passes:
            between = start - self.end
            self.period = between if self.passes == 1 else min(self.period, between)
        self.passes += 1
        self.start, self.end = start, end

    def iteration_before(self, thread: int, start: int) -> range:
        """Return the numbers of the nodes that the last pass's iteration built before the pass.

        Args:
            thread: the thread of the next pass.
            start: the number of the next node when it begins.
        """
        if not self.passes or thread != self.thread:
            return range(0)
        between = start - self.end
        period = between if self.passes == 1 else min(self.period, between)
        return range(self.start - period, self.start)


def is_carried(
    earlier: Visit, nodes: Sequence[Node], marks: Sequence[Mark | None], rhythm: Rhythm, start: int
) -> Carried:
    """Tell whether an earlier pass's graph came round a loop to a later pass.

    Args:
        earlier: the pass that visited some of the nodes before.
        nodes: what the later pass visits.
        marks: what earlier passes had left on these.
        rhythm: the passes of the later call so far.
        start: the number of the next node when the later pass began.
    """
    iteration = rhythm.iteration_before(earlier.thread, start)
    if not iteration:
        return Carried.NO
    old, new = set(), set()
    for node, mark in zip(nodes, marks, strict=True):
        if not kind_of(node).can_save:
            continue
        number = node._sequence_nr()
        if number >= rhythm.start:
            new.add(type(node).__name__)
        elif number in iteration and mark and mark.visit is earlier:
            old.add(type(node).__name__)
    if not old & new:
        return Carried.NO
    return Carried.GUESSED if rhythm.passes == 1 else Carried.YES
