"""Several passes of one call over one graph, and what became of each: what rules ask for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from graphlint.runtime.carried import Carried
    from graphlint.runtime.marks import Visit
    from graphlint.runtime.sites import SiteRecord


class Revisit(NamedTuple):
    """A call that visited what a pass kept.

    Attributes:
        by: the call.
        carried: whether the graph came round a loop to it.
        apart: it is the pass's own call, by another chain of callers: no loop that repeats itself.
    """

    by: SiteRecord
    carried: Carried
    apart: bool


class Outcome(NamedTuple):
    """What became of a pass that kept its graph: the part of it that rules ask for.

    Attributes:
        creates: it made differentiable gradients.
        reuses: the calls that visited what it kept.
        compiled: it visited what `torch.compile` made one node of.
        refused: for that reason it raised.
    """

    creates: bool
    reuses: tuple[Revisit, ...] = ()
    compiled: bool = False
    refused: bool = False


class RunShape(NamedTuple):
    """A run as rules see it: outcomes in order, each with its first and last ordinal only."""

    passes: tuple[tuple[int, Outcome], ...]


def alone(outcome: Outcome) -> RunShape:
    """Return the run of a pass that has its graph to itself."""
    return RunShape(((0, outcome),))


_ALONE = (alone(Outcome(creates=False)), alone(Outcome(creates=True)))


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


def outcome_of(visit: Visit) -> Outcome:
    """Return what has become of a pass so far."""
    return Outcome(visit.creates, tuple(visit.reuses), visit.compiled)


def shape_alone(visit: Visit) -> RunShape:
    """Return the run of a pass that has its graph to itself."""
    plain = not (visit.reuses or visit.compiled)
    return _ALONE[visit.creates] if plain else alone(outcome_of(visit))


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
