"""The vocabulary that both observers write and every rule reads.

A *trace* says what one observer saw of one program. It is a set of records with links, not a log:
which call ran a backward pass, what that pass kept or freed, and who visited it again. The static
observer writes one trace for all paths it explored, the runtime observer one for the run it
watched; a rule asks its questions of either without knowing which.

Nothing here has behaviour beyond look-ups, and nothing here imports anything but the standard
library (see docs/architecture.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum


class Confidence(str, Enum):
    """How sure a claim is. `OBSERVED` is for what a real run did."""

    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"
    OBSERVED = "observed"

    @property
    def rank(self) -> int:
        """Order the levels: the higher the rank, the surer the claim."""
        return _RANKS[self.value]

    def __str__(self) -> str:
        return self.value


_RANKS = {"observed": 3, "certain": 3, "likely": 2, "possible": 1}


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of source text: rows and columns count from 1, columns in characters.

    The end column is the one behind the last character, as in ruff's output.
    """

    row: int
    column: int
    end_row: int
    end_column: int


@dataclass(frozen=True, slots=True, order=True)
class Site:
    """A place in the user's source: for a pass, the call expression."""

    filename: str
    span: Span
    function: str = field(default="", compare=False)

    @property
    def row(self) -> int:
        """The row of the place's first line."""
        return self.span.row


@dataclass(frozen=True, slots=True)
class Event:
    """One step of a witness: what happens at a place, in a few words."""

    site: Site
    message: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """A reason why a claim is less than certain, and how much is left of it."""

    confidence: Confidence
    reason: str


class Form(str, Enum):
    """Which function ran a pass."""

    TENSOR_BACKWARD = "backward"
    AUTOGRAD_BACKWARD = "autograd.backward"
    AUTOGRAD_GRAD = "autograd.grad"
    WRAPPER = "wrapper"


@dataclass(frozen=True, slots=True)
class Reuse:
    """A later pass visited nodes that an earlier pass kept and that save tensors.

    Attributes:
        by: the call that visited them.
        carried: the nodes were built in an earlier iteration of a loop that the visiting pass is
            in: the graph travels round the loop.
        sure: the nodes do save tensors; False where that could not be told.
        prebuilt: the visiting pass starts from what was built before the loop over both passes
            began: what such a loop goes over is likely to share.
        apart: the same call visits them again, and no loop around both has gone on in between: the
            function with the call, or the loop, was run once more.
    """

    by: Site
    carried: bool = False
    sure: bool = True
    prebuilt: bool = False
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Pass:
    """One backward pass that kept its graph: one execution of a call, on one path.

    Attributes:
        site: the call.
        form: which function was called.
        asked: `retain_graph` was passed and true; otherwise `create_graph` alone kept the graph.
        creates: `create_graph` was on.
        origin: the call that wrote the flag, where a caller hands it to `site`.
        ordinal: counts the executions of the call on its path, from 0.
        reuses: who visited what this pass kept, in order.
        doubts: what weakens a claim that nobody did.
        built: where the differentiated graph was built, as far as is known.
        open_ended: how often the call runs is up to code that is not known.
        compiled: it visited what `torch.compile` made one node of.
    """

    site: Site
    form: Form = Form.TENSOR_BACKWARD
    asked: bool = True
    creates: bool = False
    origin: Site | None = None
    ordinal: int = 0
    reuses: tuple[Reuse, ...] = ()
    doubts: frozenset[Doubt] = frozenset()
    built: Site | None = None
    open_ended: bool = False
    compiled: bool = False

    @property
    def reused(self) -> bool:
        """Whether a later pass visits what this pass kept."""
        return bool(self.reuses)

    @property
    def surely_reused(self) -> bool:
        """Whether a later pass certainly visits nodes that save tensors."""
        return any(reuse.sure for reuse in self.reuses)

    @property
    def reused_apart(self) -> bool:
        """Whether what this pass kept is visited again, but by no later iteration of its loop."""
        return self.reused and all(reuse.apart for reuse in self.reuses)

    @property
    def carried(self) -> bool:
        """Whether what this pass kept travels round a loop to the next pass."""
        return any(reuse.carried for reuse in self.reuses)


@dataclass(frozen=True, slots=True)
class Run:
    """Passes of one call over one graph, in order: each visits what the one before it kept.

    All of them got their flag from the same place (`Pass.origin`). A loop that differentiates the
    rows of one output is a run of as many passes as it has iterations; a training step that builds
    its graph anew makes runs of one pass each.
    """

    passes: tuple[Pass, ...]

    @property
    def last_unneeded(self) -> bool:
        """Whether every pass but the last is visited again."""
        return not self.passes[-1].reused and all(p.reused for p in self.passes[:-1])


class Broken(str, Enum):
    """What is wrong with nodes that a later pass visits."""

    FREED = "freed"
    MODIFIED = "modified"


@dataclass(frozen=True, slots=True)
class Clash:
    """A later pass visits nodes that can't be visited any more: torch raises.

    Attributes:
        why: `FREED`: an earlier pass freed what they saved. `MODIFIED`: a tensor that they saved
            was changed in place since.
        earlier: the pass that freed the nodes, or the one that kept them for the later pass;
            None where no pass came before.
        later: the pass that raises.
        built: where the nodes were built.
        carried: the nodes come from an earlier iteration of a loop that the later pass is in.
        step: the statement that changed the tensor, for `MODIFIED`.
        doubts: what weakens the claim.
    """

    why: Broken
    earlier: Site | None
    later: Site
    built: Site | None = None
    carried: bool = False
    step: Site | None = None
    doubts: frozenset[Doubt] = frozenset()

    @property
    def site(self) -> Site:
        """The call that the claim is about: the earlier pass where there is one."""
        return self.earlier or self.later


@dataclass(frozen=True, slots=True)
class Border:
    """Where a graph takes over a value that has a graph already: what `.detach()` would cut.

    Attributes:
        site: the expression that stands for the value there.
        name: how it is written.
    """

    site: Site
    name: str


@dataclass(frozen=True, slots=True)
class Waste:
    """Gradients that a pass leaves below what it shares with another, and that nobody uses.

    Attributes:
        by: the pass.
        cleared: where they are thrown away.
        borders: where the pass's graph takes over what is shared; empty where that is not known.
    """

    by: Site
    cleared: Site
    borders: tuple[Border, ...] = ()


@dataclass(frozen=True, slots=True)
class Meeting:
    """A later pass visits nodes that an earlier pass visited and that save tensors.

    Attributes:
        earlier: the call of the earlier pass.
        at: the call that wrote its flag: `earlier`, or a caller that hands the flag to it.
        later: the call of the later pass.
        repeated: the later pass is run by a later iteration of a loop that the earlier one is in.
        combinable: nothing uses, changes or clears gradients between the two, and both add to them
            in the same way: one pass over the sum leaves the same gradients.
        combined: how one pass in place of the two is written, empty where that is not plain.
        borders: where the later pass's graph takes over what the earlier one visited.
        waste: gradients of either pass that are thrown away on every path, so that its graph can
            be cut from what both visit.
    """

    earlier: Site
    at: Site
    later: Site
    repeated: bool = False
    combinable: bool = False
    combined: str = ""
    borders: tuple[Border, ...] = ()
    waste: Waste | None = None


class Keeping(str, Enum):
    """How a value's graph is kept from one iteration to the next."""

    SUM = "sum"
    CONTAINER = "container"


@dataclass(frozen=True, slots=True)
class Hold:
    """A statement that keeps the graph of every iteration, which nothing differentiates there.

    Attributes:
        site: the statement.
        how: the value is added to what was there, or put into a container.
        name: what keeps it, as it is written; empty where it has no name.
        built: where the value was made.
        freed: the pass that freed what the graph saved, before it was kept for nothing.
        differentiated: a pass visited the graph for another purpose, in the same iteration.
        doubts: what weakens the claim.
    """

    site: Site
    how: Keeping = Keeping.SUM
    name: str = ""
    built: Site | None = None
    freed: Site | None = None
    differentiated: bool = False
    doubts: frozenset[Doubt] = frozenset()


@dataclass(frozen=True, slots=True)
class Creation:
    """All passes of one call that made differentiable gradients (`create_graph`).

    Attributes:
        site: the call.
        at: the call that wrote the flag: `site`, or a caller that hands it on.
        form: which function was called.
        differentiated: somebody differentiates the gradients on some path, or may.
        cleared: the gradients that it left in leaves are thrown away on some path.
        doubts: what weakens the claim that they never are.
        foreign: part of the graph comes from code that is not known, and may have hooks of its own.
    """

    site: Site
    at: Site
    form: Form = Form.AUTOGRAD_GRAD
    differentiated: bool = False
    cleared: bool = False
    doubts: frozenset[Doubt] = frozenset()
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class ConstantTerm:
    """A gradient without a graph of its own that a later pass takes for a constant.

    Attributes:
        site: the call that made the gradient, without `create_graph`.
        later: the pass that differentiates a loss made of it.
        added: where a term made of the gradient was added to that loss; None where the loss is
            made of nothing else, so that the later pass raises.
        residual: it was added to what is made of the gradient's own output, not to a loss.
    """

    site: Site
    later: Site
    added: Site | None = None
    residual: bool = False


@dataclass(frozen=True, slots=True)
class GradRead:
    """`.grad` is read of a tensor that is no leaf, after a pass, and nobody asked to retain it.

    Attributes:
        site: where it is read.
        made: where the tensor was made.
    """

    site: Site
    made: Site


@dataclass(frozen=True, slots=True)
class RetainGrad:
    """All executions of one call of `retain_grad`.

    Attributes:
        site: the call.
        on_leaf: the tensor was a leaf each time.
        read: somebody reads the gradient on some path, or may.
    """

    site: Site
    on_leaf: bool = False
    read: bool = False


class Role(str, Enum):
    """What a tensor is to the custom function that keeps it."""

    INPUT = "input"
    OUTPUT = "output"
    OTHER = "tensor"


@dataclass(frozen=True, slots=True)
class ContextTensor:
    """A custom function's forward keeps a tensor as an attribute of its context.

    Attributes:
        site: the statement.
        name: the attribute.
        role: what the tensor is to the function.
    """

    site: Site
    name: str
    role: Role = Role.OTHER


@dataclass(frozen=True, slots=True)
class HookCycle:
    """A hook's function holds a tensor whose graph holds the hook.

    Attributes:
        site: the call that registers the hook.
        made: where the tensor was made.
        name: the variable or attribute that the function knows it by.
        doubts: what weakens the claim.
    """

    site: Site
    made: Site
    name: str
    doubts: frozenset[Doubt] = frozenset()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All calls of a model in evaluation mode at one place: nobody differentiates what they build.

    Attributes:
        site: the call.
        doubts: what weakens the claim.
    """

    site: Site
    doubts: frozenset[Doubt] = frozenset()


@dataclass(frozen=True, slots=True)
class Call:
    """What a call that can run a pass says, executed or not: its flags as written.

    Attributes:
        site: the call.
        retain: the source text of the `retain_graph` argument, None where there is none.
        create: the same of `create_graph`.
    """

    site: Site
    retain: str | None = None
    create: str | None = None

    @property
    def repeats_create_graph(self) -> bool:
        """Whether both flags are passed and say the same, and not that both are off."""
        return self.retain == self.create and self.retain not in (None, "None", "False")


@dataclass(frozen=True, slots=True)
class Retention:
    """Everything that was seen of one flag: all passes that a call kept a graph for.

    Attributes:
        site: the call that runs the passes.
        at: the call that wrote the flag: `site`, or a caller that hands the flag to it.
        runs: the passes by graph.
        doubts: what weakens a claim about every execution.
    """

    site: Site
    at: Site
    runs: tuple[Run, ...]
    doubts: frozenset[Doubt] = frozenset()

    @property
    def passes(self) -> Iterator[Pass]:
        """All passes of the call, run by run."""
        return (p for run in self.runs for p in run.passes)

    @property
    def reused(self) -> bool:
        """Whether the flag made any of the passes keep what a later pass visits.

        A pass with `create_graph` on would have kept it anyway.
        """
        return any(p.reused and not p.creates for p in self.passes)

    @property
    def implied(self) -> bool:
        """Whether `create_graph` was on each time, which keeps the graph by itself."""
        return all(p.creates for p in self.passes)

    @property
    def carried(self) -> bool:
        """Whether a kept graph travels round a loop to a later iteration's pass."""
        return any(p.carried for p in self.passes)

    @property
    def reuse_doubts(self) -> frozenset[Doubt]:
        """What weakens a claim that rests on passes being visited again."""
        unsure = [p for p in self.passes if p.reused and not p.surely_reused]
        if not unsure:
            return self.doubts
        prebuilt = all(any(reuse.prebuilt for reuse in p.reuses) for p in unsure)
        return self.doubts | {LIKELY_REUSE if prebuilt else UNSURE_REUSE}

    @property
    def needed_but_last(self) -> bool:
        """Whether every run has its last pass, and no other, keep its graph for nobody."""
        longest = max(len(run.passes) for run in self.runs)
        if any(p.open_ended or p.reused_apart for p in self.passes):
            return False
        return longest > 1 and all(run.last_unneeded for run in self.runs)


LIKELY_REUSE = Doubt(
    Confidence.LIKELY, "whether all that the loop goes over shares a graph can't be told"
)
UNSURE_REUSE = Doubt(
    Confidence.POSSIBLE, "whether the passes share anything that saves tensors can't be told"
)


@dataclass(frozen=True, slots=True)
class Built:
    """A place whose nodes a pass visits, and how the pass finds them.

    Attributes:
        site: the code that built them.
        saves: the nodes save tensors; None where that can't be told.
        earlier: they were built in an earlier iteration of a loop that the pass is in.
        kept_by: the passes that have kept what they saved.
        freed_by: the pass that has freed it, if any.
    """

    site: Site
    saves: bool | None
    earlier: bool = False
    kept_by: tuple[Site, ...] = ()
    freed_by: Site | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """One pass on one path, told in full.

    Attributes:
        site: the call that runs the pass.
        retains: it keeps the graph; `creates`: because `create_graph` is on.
        built: the places whose nodes it visits, in source order.
        callers: the calls that led to it, the innermost first.
    """

    site: Site
    retains: bool
    creates: bool
    built: tuple[Built, ...] = ()
    callers: tuple[Site, ...] = ()


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
        return tuple(m for m in self.meetings if (m.earlier, m.at) == (kept.site, kept.at))

    def meetings_between(self, clash: Clash) -> tuple[Meeting, ...]:
        """Look up how the two passes of a clash meet."""
        ends = (clash.earlier, clash.later)
        return tuple(m for m in self.meetings if (m.earlier, m.later) == ends)

    def clashes_at(self, site: Site) -> bool:
        """Whether torch refuses a pass of a call, or a later one because of it."""
        return any(site in (clash.earlier, clash.later) for clash in self.clashes)

    def doubts_at(self, site: Site) -> frozenset[Doubt]:
        """Look up what weakens claims about every execution of a call."""
        return frozenset(doubt for where, doubt in self.doubts if where == site)

    def confidence(self, doubts: frozenset[Doubt]) -> Confidence:
        """Say how sure a claim is that has these doubts."""
        if self.observed:
            return Confidence.OBSERVED
        return weakest(doubts)


def weakest(doubts: frozenset[Doubt]) -> Confidence:
    """Return the lowest confidence among doubts, certain where there are none."""
    levels: Sequence[Confidence] = [doubt.confidence for doubt in doubts]
    return min(levels, key=lambda level: level.rank, default=Confidence.CERTAIN)
