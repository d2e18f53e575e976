"""The vocabulary that both observers write and every rule reads.

A *trace* says what one observer saw of one program. It is a set of records with links, not a log:
which call ran a backward pass, what that pass kept or freed, and who visited it again. The static
observer writes one trace for all paths it explored, the runtime observer one for the run it
watched; a rule asks its questions of either without knowing which.

Nothing here has behaviour beyond look-ups, and nothing here imports anything but the standard
library (see docs/architecture.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from graphlint.trace.gradients import ConstantTerm, Creation, GradRead, RetainGrad
from graphlint.trace.holds import ContextTensor, Evaluation, Hold, HookCycle, Keeping, Role
from graphlint.trace.meetings import Border, Meeting, Waste
from graphlint.trace.passes import (
    LIKELY_REUSE,
    UNSURE_REUSE,
    Broken,
    Call,
    Clash,
    Form,
    Pass,
    Retention,
    Reuse,
    Run,
)
from graphlint.trace.places import Confidence, Doubt, Event, Site, Span, weakest
from graphlint.trace.visits import Built, Visit

__all__ = [
    "Border",
    "Broken",
    "Built",
    "Call",
    "Clash",
    "Confidence",
    "ConstantTerm",
    "ContextTensor",
    "Creation",
    "Doubt",
    "Evaluation",
    "Event",
    "Form",
    "GradRead",
    "Hold",
    "HookCycle",
    "Keeping",
    "LIKELY_REUSE",
    "Meeting",
    "Pass",
    "RetainGrad",
    "Retention",
    "Reuse",
    "Role",
    "Run",
    "Site",
    "Span",
    "Trace",
    "UNSURE_REUSE",
    "Visit",
    "Waste",
    "weakest",
]


@dataclass(frozen=True)
class Trace:
    """What one observer saw of one program.

    Attributes:
        runs: the passes that kept their graphs, by call and graph; on a static trace of every
            explored path, each distinct outcome once.
        clashes: passes that torch refuses.
        calls: every call that can run a pass and passes a flag, executed or not.
        doubts: for a call, what weakens claims about all of its executions (a path that was not
            followed to its end, say).
        overruled: calls whose `retain_graph` was off while `create_graph` was on, and freed the
            graph: the one is no repetition of the other there.
        alone: calls that wrote a `retain_graph` which was on while `create_graph` was off, whatever
            became of the path.
        holds: statements that keep every iteration's graph for nothing.
        passes: calls that run passes of torch's own, and were executed.
        creations: calls that made differentiable gradients.
        constants: gradients that a later pass takes for constants.
        grad_reads: reads of gradients that are not there.
        retained_grads: calls of `retain_grad`.
        context_tensors: tensors that custom functions keep on `ctx`.
        visits: every pass in full, where that was asked for: `explain` tells of them.
        hook_cycles: hooks that hold the graph that holds them.
        evaluations: calls of models in evaluation mode that build graphs for nobody.
        meetings: passes that visit what earlier ones visited, each distinct outcome once.
        regrouping: calls whose loop goes on to other graphs, which are built in the meantime, and
            visits each of them several times.
        observed: the trace comes from a real run.
    """

    runs: tuple[Run, ...] = ()
    clashes: tuple[Clash, ...] = ()
    calls: tuple[Call, ...] = ()
    doubts: tuple[tuple[Site, Doubt], ...] = ()
    overruled: frozenset[Site] = frozenset()
    holds: tuple[Hold, ...] = ()
    passes: frozenset[Site] = frozenset()
    creations: tuple[Creation, ...] = ()
    constants: tuple[ConstantTerm, ...] = ()
    grad_reads: tuple[GradRead, ...] = ()
    retained_grads: tuple[RetainGrad, ...] = ()
    context_tensors: tuple[ContextTensor, ...] = ()
    visits: tuple[Visit, ...] = ()
    hook_cycles: tuple[HookCycle, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    meetings: tuple[Meeting, ...] = ()
    alone: frozenset[Site] = frozenset()
    regrouping: frozenset[Site] = frozenset()
    observed: bool = False

    def retentions(self) -> Iterator[Retention]:
        """Group the passes that asked to keep their graph by call and by who wrote the flag."""
        groups: dict[tuple[Site, Site], list[Run]] = {}
        for run in self.runs:
            asked = tuple(p for p in run.passes if p.asked)
            if asked:
                at = asked[0].origin or asked[0].site
                groups.setdefault((asked[0].site, at), []).append(Run(asked))
        for (site, at), runs in groups.items():
            doubts = frozenset(d for run in runs for p in run.passes for d in p.doubts)
            yield Retention(site, at, tuple(runs), doubts | self.doubts_at(site))

    def meetings_of(self, kept: Retention) -> tuple[Meeting, ...]:
        """Look up who visits what the passes of a flag kept."""
        met = self._meetings_by_earlier.get(kept.site, ())
        return tuple(meeting for meeting in met if meeting.at == kept.at)

    @cached_property
    def _meetings_by_earlier(self) -> Mapping[Site, list[Meeting]]:
        found: dict[Site, list[Meeting]] = {}
        for meeting in self.meetings:
            found.setdefault(meeting.earlier, []).append(meeting)
        return found

    def meetings_between(self, clash: Clash) -> tuple[Meeting, ...]:
        """Look up how the two passes of a clash meet."""
        met = self._meetings_by_earlier.get(clash.earlier, ()) if clash.earlier else ()
        return tuple(meeting for meeting in met if meeting.later == clash.later)

    def clashes_at(self, site: Site) -> bool:
        """Whether torch refuses a pass of a call, or a later one because of it."""
        return any(site in (clash.earlier, clash.later) for clash in self.clashes)

    def doubts_at(self, site: Site) -> frozenset[Doubt]:
        """Look up what weakens claims about every execution of a call."""
        return frozenset(self._doubts_by_site.get(site, ()))

    @cached_property
    def _doubts_by_site(self) -> Mapping[Site, list[Doubt]]:
        found: dict[Site, list[Doubt]] = {}
        for site, doubt in self.doubts:
            found.setdefault(site, []).append(doubt)
        return found

    def confidence(self, doubts: frozenset[Doubt]) -> Confidence:
        """Say how sure a claim is that has these doubts."""
        if self.observed:
            return Confidence.OBSERVED
        return weakest(doubts)
