"""What the recorder leaves on nodes, and the passes that these marks speak of.

A mark stands in `node.metadata`, which lives and dies with the node. It refers to records, never to
a node or a tensor: a mark that did would close a cycle through C++ that nothing collects.

# Note [Why AccumulateGrad is never marked]
A parameter's `AccumulateGrad` node is shared by every graph that uses the parameter, and lives as
long as the parameter. A mark on it would make any two steps of a training loop look as if the
second visited what the first one kept. It saves nothing, either: visiting it twice is no reuse.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphlint.runtime.carried import Carried
    from graphlint.runtime.sites import RunRecord, SiteRecord


@dataclass(eq=False, slots=True)
class Visit:
    """One pass, as long as any of the nodes that it visited is alive.

    Attributes:
        site: the call that ran it.
        keeps: it kept the graph.
        creates: it made differentiable gradients.
        started: the clock when the pass was over, in seconds.
        thread: the thread that ran it.
        truncated: its graph was not walked to the end.
        open: how many of the kept nodes that save tensors no later pass has visited.
        held_bytes: exclusive bytes of those nodes.
        reuses: the calls that visited what it kept; whether the graph travelled round a loop.
        run: the passes over one graph that it is part of, where it keeps the graph.
        ordinal: its place in that run.
        ended: nothing that it kept is left.
    """

    site: SiteRecord
    keeps: bool
    creates: bool
    started: float
    thread: int
    truncated: bool = False
    open: int = 0
    held_bytes: int = 0
    reuses: dict[tuple[SiteRecord, Carried], None] = field(default_factory=dict)
    run: RunRecord | None = None
    ordinal: int = 0
    ended: bool = False


class Lifetime:
    """An object that all marks of one pass share: it dies with the last marked node."""

    __slots__ = ("__weakref__",)


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


@dataclass(eq=False, slots=True)
class Death:
    """The last node with a pass's marks has died, or was marked anew."""

    tally: Tally
    at: float


class Deaths:
    """Notices when the marks of a pass are gone.

    The notice may come at any moment, on whichever thread drops the graph, in the middle of a
    garbage collection: all it does is to append to a queue, which is read at the next pass.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start with an empty queue.

        Args:
            clock: gives the time, in seconds.
        """
        self._clock = clock
        self._queue: deque[Death] = deque()

    def watch(self, tally: Tally) -> Lifetime:
        """Return a lifetime whose end will be noticed."""
        lifetime = Lifetime()
        queue, clock = self._queue, self._clock
        finalizer = weakref.finalize(lifetime, lambda: queue.append(Death(tally, clock())))
        finalizer.atexit = False
        return lifetime

    def take(self) -> list[Death]:
        """Return the deaths since the last time."""
        deaths = []
        while self._queue:
            deaths.append(self._queue.popleft())
        return deaths
