"""What the executor learned, on its way to the rules: runs and clashes, each distinct one once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from graphlint.static import ir
from graphlint.static.execute.paths.frames import Frame, Loop
from graphlint.static.execute.paths.state import Pending
from graphlint.static.execute.records.evaluations import EvaluationRecords
from graphlint.static.execute.records.gradients import GradientRecords
from graphlint.static.execute.records.meetings import MeetingRecords
from graphlint.trace import (
    Call,
    Clash,
    Confidence,
    ContextTensor,
    Doubt,
    Hold,
    HookCycle,
    Pass,
    Run,
    Site,
    Trace,
    Visit,
)

STOPPED = Doubt(Confidence.POSSIBLE, "the code from here on is too long to be followed")
STOPPED_LATER = Doubt(Confidence.LIKELY, "the program is too long to be followed to its end")
JOINED = Doubt(Confidence.LIKELY, "the program has too many paths to follow each on its own")
JOINED_CLASH = Doubt(
    Confidence.POSSIBLE, "the program has too many paths for this one to be told from others"
)
MANY_CALLERS = Doubt(
    Confidence.POSSIBLE, "the passes come from several calls, and no one loop has a last iteration"
)
CUT_SHORT = Doubt(Confidence.POSSIBLE, "not every path from here was followed to its end")


def site_of(node: ir.Node, frame: Frame | None) -> Site:
    """Return the place of a syntax node that was executed in a frame."""
    for outer in frame.chain() if frame else ():
        if isinstance(outer.detail, ir.Function):
            return Site(outer.detail.filename, node.span, outer.detail.qualname)
        if isinstance(outer.detail, ir.Module):
            return Site(outer.detail.filename, node.span)
    return Site("", node.span)


@dataclass(slots=True)
class Records:
    """Collects what the paths of a program have to tell.

    Attributes:
        runs: the passes of one call over one graph, by everything that the rules look at.
        clashes: passes that torch refuses.
        doubts: what weakens claims about every execution of a call.
        overruled: calls that freed their graph although `create_graph` was on.
        alone: calls that wrote a `retain_graph` which kept a graph while `create_graph` was off.
        gradients: what is done with gradients.
        evaluations: what is done with the graphs of models in evaluation mode.
        meetings: which passes visit what earlier ones visited.
        holds: statements that keep graphs for nothing; absolved: those that keep some for a pass;
            mixed: those that were seen to keep something that is no tensor.
        stepping: the loops, as syntax nodes, in which an optimizer steps; training: those in whose
            own body one does, rather than in a loop within it.
        repeated: those that came to a pass in two iterations.
        settled: calls of which something was followed until nobody could reach its graph: those
            that run passes, and those that wrote their flags.
        contexts: tensors that custom functions keep on `ctx`.
        hook_cycles: hooks that hold the graph that holds them.
        joined: paths are joined that may differ in what they go on to do.
        wanted: the calls that name a flag which may be on.
        visits: every pass in full, where `telling` says that somebody wants to know.
        forwards: the custom functions whose forward was run for that, and how their arguments were
            tensors.
    """

    runs: dict[Run, None] = field(default_factory=dict)
    clashes: dict[Clash, None] = field(default_factory=dict)
    doubts: dict[tuple[Site, Doubt], None] = field(default_factory=dict)
    overruled: dict[Site, None] = field(default_factory=dict)
    alone: set[Site] = field(default_factory=set)
    holds: dict[tuple[Hold, tuple[object, ...]], None] = field(default_factory=dict)
    absolved: set[Site] = field(default_factory=set)
    mixed: set[Site] = field(default_factory=set)
    stepping: set[object] = field(default_factory=set)
    training: set[object] = field(default_factory=set)
    repeated: set[object] = field(default_factory=set)
    contexts: dict[ContextTensor, None] = field(default_factory=dict)
    hook_cycles: dict[HookCycle, None] = field(default_factory=dict)
    forwards: set[tuple[ir.Function, tuple[bool, ...]]] = field(default_factory=set)
    telling: bool = False
    joined: bool = False
    wanted: frozenset[Site] = frozenset()
    visits: dict[Visit, None] = field(default_factory=dict)
    _ended: dict[tuple[Hold, tuple[object, ...]], None] = field(default_factory=dict)
    _complete: bool = True
    gradients: GradientRecords = field(default_factory=GradientRecords)
    evaluations: EvaluationRecords = field(default_factory=EvaluationRecords)
    meetings: MeetingRecords = field(default_factory=MeetingRecords)
    _reused: dict[tuple[Site, Site | None], Pending] = field(default_factory=dict)
    _visited: dict[Site, None] = field(default_factory=dict)
    _lasting: dict[Doubt, None] = field(default_factory=dict)
    _looped: set[tuple[Site, Loop]] = field(default_factory=set)
    _first_turns: dict[Loop, int] = field(default_factory=dict)
    _restarts: set[tuple[Site, frozenset[Loop]]] = field(default_factory=set)
    settled: set[Site] = field(default_factory=set)
    _stopped: dict[Site, None] = field(default_factory=dict)

    def begin(self) -> None:
        """Start a new entry point."""
        self._lasting.clear()
        self._visited.clear()
        self._close_holds()

    def _close_holds(self) -> None:
        """Believe what paths kept to their ends, if all paths were followed to theirs."""
        if self._complete:
            self.holds.update(self._ended)
        self._ended.clear()
        self._complete = True

    def visit(self, site: Site) -> None:
        """Note that the current entry point got to a call that runs a pass."""
        self._visited[site] = None
        for doubt in (JOINED,) if self.joined else self._lasting:
            self.doubts[site, doubt] = None

    def unsettled(self, filename: str) -> bool:
        """Whether calls that may keep graphs were not followed to where nobody can reach these.

        Those of one file, and those that the current entry point got to, wherever they are.
        """
        left = self.wanted - self.settled
        return any(site in self._visited or site.filename == filename for site in left)

    def cut(self, doubt: Doubt) -> None:
        """Lower the confidence of every call that the current entry point got to."""
        self._complete = False
        for site in self._visited:
            self.doubts[site, doubt] = None

    def leave_out(self, doubt: Doubt) -> None:
        """Lower the confidence of every call of the current entry point: paths are left out."""
        self._lasting[doubt] = None
        self.cut(doubt)

    def stop(self) -> None:
        """Lower the confidence of the calls that an entry point got to before its steps ran out.

        A call of whose passes one was followed until nobody could reach its graph keeps more of it.
        What would have become of the gradients that it made is another matter.
        """
        self._complete = False
        self._stopped.update(self._visited)
        self.gradients.cut_short(self._visited)

    def followed(self, site: Site) -> bool:
        """Whether a pass was followed until its graph was out of reach, or visited.

        The call runs it, or wrote its flag.
        """
        if site in self.settled:
            return True
        return any(site in kept and kept[0] not in self._stopped for kept in self._reused)

    def _all_doubts(self) -> Iterator[tuple[Site, Doubt]]:
        yield from self.doubts
        for site in self._stopped:
            yield site, STOPPED_LATER if site in self.settled else STOPPED

    def cut_short(self, pending: Iterable[Pending]) -> None:
        """Lower the confidence of claims about passes that were not followed to their end."""
        for each in pending:
            self.doubts[each.site, CUT_SHORT] = None

    def settle(self, chain: list[Pending]) -> None:
        """Take over the passes of one call over one graph."""
        chain.sort(key=lambda pending: pending.order)
        if len({pending.frame.path for pending in chain}) > 1:
            chain = [replace(p, doubts=p.doubts | {MANY_CALLERS}) for p in chain]
        self._note_loops(chain)
        self.settled.update(site for site in (chain[0].site, chain[0].origin) if site)
        self.runs[Run(tuple([_passed(i, pending) for i, pending in enumerate(chain)]))] = None

    def _note_loops(self, chain: Sequence[Pending]) -> None:
        """Note which loops the passes over one graph are iterations of, and which made the graph.

        The latter are of interest where they have gone on since a pass over another graph.
        """
        first = chain[0]
        for loop, index in first.frame.loops.items():
            if any(each.frame.loops.get(loop, index) != index for each in chain):
                self._looped.add((first.site, loop))
        built = frozenset[Loop]().union(*(each.within for each in chain))
        if len(chain) == 1:
            built |= first.made
        self._restarts.update((first.site, gone_on) for gone_on in first.behind if gone_on & built)

    def _regrouping(self) -> Iterator[Site]:
        """Walk the calls whose loop goes on to other graphs, which are built in the meantime."""
        for site, gone_on in self._restarts:
            if any((site, loop) in self._looped for loop in gone_on):
                yield site

    def tell(self, visit: Visit) -> None:
        """Take over a pass in full."""
        self.visits[visit] = None

    def reuse(self, pending: Pending) -> None:
        """Note at once that a later pass visits what one kept: the path may never be settled."""
        self._reused.setdefault((pending.site, pending.origin), pending)

    def _all_runs(self) -> Iterator[Run]:
        """Walk the runs, and the passes whose reuse was seen on paths that were not settled."""
        yield from self.runs
        told = {(p.site, p.origin) for run in self.runs for p in run.passes if p.reused}
        for key, pending in self._reused.items():
            if key not in told:
                yield Run((_passed(0, pending),))

    def overrule(self, site: Site) -> None:
        """Note that a call's `retain_graph` was off while `create_graph` was on."""
        self.overruled[site] = None

    def keep_alone(self, at: Site) -> None:
        """Note that a call wrote `retain_graph`, and nothing else kept the graph."""
        self.alone.add(at)

    def clash(self, found: Clash) -> None:
        """Take over a pass that torch refuses."""
        if self.joined:
            found = replace(found, doubts=found.doubts | {JOINED_CLASH})
        self.clashes[found] = None

    def hold(self, found: Hold, loops: Sequence[object]) -> None:
        """Take over a statement that keeps every iteration's graph for nothing."""
        self.holds[found, tuple(loops)] = None

    def hold_at_end(self, found: Hold, loops: Sequence[object]) -> None:
        """Take over a statement that kept graphs to a path's end, if no other path uses them."""
        self._ended[found, tuple(loops)] = None

    def note_step(self, frame: Frame) -> None:
        """Note the loops that an optimizer steps in."""
        self.stepping.update(place for _, place in frame.loops)
        inner = next((outer.place for outer in frame.chain() if outer.kind == "loop"), None)
        self.training.add(inner)

    def note_iteration(self, frame: Frame) -> None:
        """Note the loops that come to a pass once more, in a later iteration than at first."""
        for loop, index in frame.loops.items():
            if index > self._first_turns.setdefault(loop, index):
                self.repeated.add(loop[1])

    @contextmanager
    def of_passes_alone(self) -> Iterator[None]:
        """Believe only what becomes of kept graphs: paths are left out that tell of the rest.

        What nobody uses on the paths that are followed may be used on the others.
        """
        clashes, holds = self.clashes.copy(), self.holds.copy()
        try:
            with self.gradients.left_alone(), self.evaluations.left_alone():
                yield
        finally:
            self._complete = False
            self.clashes, self.holds = clashes, holds

    def take_spent_holds(self, other: Records) -> None:
        """Take over the holds whose graphs a pass freed: they need no more than what was run.

        The other records are those of functions that were run on their own, with paths joined.
        """
        for hold, loops in other.holds:
            if hold.freed:
                self.holds[replace(hold, doubts=hold.doubts | {JOINED}), loops] = None
        self.absolved |= other.absolved
        self.mixed |= other.mixed
        self.stepping |= other.stepping
        self.training |= other.training

    def absolve(self, site: Site) -> None:
        """Note that what a statement keeps is differentiated."""
        self.absolved.add(site)

    def _leaks(self) -> Iterator[Hold]:
        """Walk the holds that are leaks.

        A loop within a training step, over its losses, tasks or networks, keeps what it adds up to
        the end of that step at most.
        """
        for hold, (loop, *around) in self.holds:
            steps = self.training if loop in self.stepping else self.stepping
            within_step = not steps.isdisjoint(around)
            if hold.site not in self.absolved and not (hold.differentiated and within_step):
                yield replace(hold, mixed=hold.site in self.mixed)

    def to_trace(self, calls: tuple[Call, ...]) -> Trace:
        """Return what was recorded, in the words that the rules read."""
        self._close_holds()
        return Trace(
            tuple(self._all_runs()),
            tuple(self.clashes),
            calls,
            tuple(self._all_doubts()),
            frozenset(self.overruled),
            tuple(dict.fromkeys(self._leaks())),
            passes=frozenset(self.gradients.passes),
            creations=self.gradients.creations(),
            constants=tuple(self.gradients.constant),
            grad_reads=self.gradients.grad_reads(),
            retained_grads=self.gradients.retained_grads(),
            meetings=tuple(dict.fromkeys(self.meetings.to_meetings())),
            context_tensors=tuple(self.contexts),
            visits=tuple(self.visits),
            hook_cycles=tuple(self.hook_cycles),
            evaluations=self.evaluations.unused(),
            alone=frozenset(self.alone),
            regrouping=frozenset(self._regrouping()),
        )


def _passed(ordinal: int, pending: Pending) -> Pass:
    return Pass(
        pending.site,
        pending.form,
        pending.asked,
        pending.creates,
        pending.origin,
        ordinal,
        pending.reuses,
        pending.doubts | pending.handed,
        pending.built,
        pending.open_ended,
        pending.compiled,
    )
