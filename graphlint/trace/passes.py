"""Backward passes: what they kept, who visited it again, and which of them torch refuses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from graphlint.trace.places import Confidence, Doubt, Site


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
        restarted: the innermost loop around the visiting pass was begun in between, or within the
            call that says the flag: it is another loop whose iterations these are, if any.
        guessed: it is only by what code that is not known may have found on an object that the
            visiting pass gets to the nodes of an earlier iteration.
        over: the innermost loop around the pass that kept the nodes has come to its end.
    """

    by: Site
    carried: bool = False
    sure: bool = True
    prebuilt: bool = False
    apart: bool = False
    restarted: bool = False
    guessed: bool = False
    over: bool = False


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
        refused: compiled code refused it, as it was to keep the graph: it raised.
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
    refused: bool = False

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
    def reused_by_itself(self) -> bool:
        """Whether the call itself visits what it kept, when a loop runs it again."""
        return any(reuse.by == self.site and not reuse.apart for reuse in self.reuses)

    @property
    def differentiated_as_a_whole(self) -> bool:
        """Whether another call visits what this pass kept once its loop has come to its end."""
        return any(r.over and r.sure and r.by != self.site for r in self.reuses)

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

        A pass with `create_graph` on would have kept it anyway. That the same call visits it again
        in a loop doesn't depend on `create_graph`, though.
        """
        return any(p.reused and (not p.creates or p.reused_by_itself) for p in self.passes)

    @property
    def refused(self) -> bool:
        """Whether every pass raised, so that there was nothing to be visited again."""
        return all(p.refused for p in self.passes)

    @property
    def implied(self) -> bool:
        """Whether `create_graph` was on each time, which keeps the graph by itself."""
        return all(p.creates for p in self.passes)

    @property
    def carried(self) -> bool:
        """Whether a kept graph travels round a loop to a later iteration's pass."""
        return any(p.carried for p in self.passes)

    @property
    def in_one_loop(self) -> bool:
        """Whether the passes over each graph are iterations of the innermost loop around them."""
        return not any(reuse.restarted for p in self.passes for reuse in p.reuses)

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
