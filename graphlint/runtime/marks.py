"""What the recorder leaves on nodes, and the passes that these marks speak of.

A mark stands in `node.metadata`, which lives and dies with the node. It refers to records, never to
a node or a tensor: a mark that did would close a cycle through C++ that nothing collects.

# Note [Why AccumulateGrad is never marked]
A parameter's `AccumulateGrad` node is shared by every graph that uses the parameter, and lives as
long as the parameter. A mark on it would make any two steps of a training loop look as if the
second visited what the first one kept. It saves nothing, either: visiting it twice is no reuse.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from graphlint.runtime.untraced import untraced_throughout

if TYPE_CHECKING:
    from graphlint.runtime.releases import Watched
    from graphlint.runtime.runs import Revisit, RunRecord
    from graphlint.runtime.sites import SiteRecord


@dataclass(eq=False, slots=True)
class Visit:
    """One pass, as long as any of the nodes that it visited is alive.

    Attributes:
        site: the call that ran it.
        keeps: it kept the graph.
        creates: it made differentiable gradients.
        started: the clock when the pass was over, in seconds.
        thread: the thread that ran it.
        context: the chain of callers that led to it, by a number.
        truncated: its graph was not walked to the end.
        compiled: it visited what `torch.compile` made one node of.
        open: how many of the kept nodes that save tensors no later pass has visited.
        held_bytes: exclusive bytes of those nodes.
        watched: the storages that it keeps for itself, where they were measured.
        reuses: the calls that visited what it kept.
        run: the call's passes over the graph, where there are several.
        ordinal: its place among these.
        partial: nobody looked at passes of the call that visited the graph before or after it.
        ended: nothing that it kept is left.
    """

    site: SiteRecord
    keeps: bool
    creates: bool
    started: float
    thread: int
    context: int = 0
    truncated: bool = False
    compiled: bool = False
    open: int = 0
    held_bytes: int = 0
    watched: Watched | None = None
    reuses: dict[Revisit, None] = field(default_factory=dict)
    run: RunRecord | None = None
    ordinal: int = 0
    partial: bool = False
    ended: bool = False

    def cut_short(self) -> None:
        """Note that the call's passes over the graph go on where nobody looks."""
        self.partial = True
        if self.run is not None:
            self.run.partial = True


@dataclass(eq=False, slots=True)
class Tally:
    """How many nodes bear the marks of one pass, and which pass that was."""

    nodes: int
    visit: Visit | None


@dataclass(eq=False, slots=True)
class Mark:
    """What stands on a node.

    Attributes:
        lifetime: keeps the pass's lifetime going.
        tally: the count of nodes that this mark is part of.
        visit: the last pass that visited the node; None where it was walked over only.
        saves: the node saves tensors (for a pass that freed them: its kind can).
        bytes: exclusive bytes that are attributed to the node.
    """

    lifetime: Lifetime
    tally: Tally
    visit: Visit | None
    saves: bool = False
    bytes: int = 0


class Lifetime:
    """An object that all marks of one pass share: it dies with the last marked node.

    Its end may come at any moment, on whichever thread drops the graph, in the middle of a garbage
    collection, or when Python has cleared its modules: all that happens then is that a queue, which
    is read at the next pass, gets one more entry.
    """

    __slots__ = ("_clock", "_queue", "_tally")

    def __init__(self, tally: Tally, queue: Deaths, clock: Callable[[], float]) -> None:
        """Begin to live.

        Args:
            tally: the count of nodes that bear the marks.
            queue: takes the tally and the time at the end.
            clock: gives that time, in seconds.
        """
        self._tally = tally
        self._queue = queue
        self._clock = clock

    @untraced_throughout
    def __del__(self) -> None:
        self._queue.append((self._tally, self._clock()))


# The ends of lifetimes: whose they were, and when.
Deaths = deque[tuple[Tally, float]]
