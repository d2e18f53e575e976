"""Passes whose graphs are looked at: whom they visit, what they keep, and what becomes of that.

# Note [One pass, step by step]
Before the pass, where there is a reason to look (it keeps its graph, graphs that were kept are
alive, or the call is among its first passes), the graph is walked once. The marks that earlier
passes left tell which of them it visits. After the pass those learn of it; what the pass keeps is
measured, and its own marks replace theirs: a node belongs to the last pass that visited it, so that
of several passes in a row each is answerable to the next. When all nodes with its marks are gone,
or a later pass has visited all those that save anything, a pass is over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from graphlint.runtime.carried import Carried, Rhythm, is_carried
from graphlint.runtime.clashes import ClashRecord, culprit
from graphlint.runtime.engine import BackwardCall
from graphlint.runtime.guard import Guard
from graphlint.runtime.ledger import Ledger
from graphlint.runtime.marks import Mark, Visit
from graphlint.runtime.measurer import Measurer
from graphlint.runtime.nodes import Node, Walk, executed, kind_of, run_compiled_code
from graphlint.runtime.releases import after_pass, before_pass, hand_on
from graphlint.runtime.runs import Revisit
from graphlint.runtime.sites import SiteRecord
from graphlint.runtime.steps import optimizers_of
from graphlint.trace import Broken

_CLASHES = 256


@dataclass(slots=True)
class Note:
    """What is remembered of a pass while it runs.

    Attributes:
        site: the call that runs it.
        recorded: the pass counts as one of the site's; otherwise only reuse is looked for.
        marked: if it keeps its graph, that is to be marked.
        look: its graph, where there was a reason to walk it.
    """

    site: SiteRecord
    recorded: bool
    marked: bool
    look: Look | None


@dataclass(slots=True)
class Look:
    """What was seen of a pass's graph before the pass.

    Attributes:
        walked: the nodes, and the marks that were on them.
        earlier: the passes that left these and kept some of the nodes, latest first.
        start: the number that the thread's next node would get.
        rhythm: the passes of the call before this one, by the same chain of callers.
        context: that chain, by a number.
    """

    walked: Walk
    earlier: list[Visit]
    start: int
    rhythm: Rhythm
    context: int


class Passes:
    """Takes in passes, from what is seen of their graphs before and after.

    Attributes:
        clashes: passes that torch refused, and how often.
        truncated: some graph was too large to walk whole.
    """

    def __init__(
        self, ledger: Ledger, measurer: Measurer, guard: Guard, clock: Callable[[], float]
    ) -> None:
        """Begin with no pass seen.

        Args:
            ledger: the marks on nodes.
            measurer: measures graphs.
            guard: runs what is not essential.
            clock: gives the time, in seconds.
        """
        self.clashes: dict[ClashRecord, int] = {}
        self.truncated = False
        self._ledger = ledger
        self._measurer = measurer
        self._guard = guard
        self._clock = clock

    def look(self, call: BackwardCall, site: SiteRecord) -> Look:
        """Look at the graph of a pass that is about to run."""
        walked = self._ledger.walk(call.outputs)
        earlier = _kept(walked.marks) if walked.marked else []
        before_pass(earlier)
        if call.creates:
            site.leftovers.look()
        start = torch.autograd._get_sequence_nr()
        context = call.caller.context
        return Look(walked, earlier, start, site.rhythm(context), context)

    def take_in(self, call: BackwardCall, note: Note, look: Look, result: Any) -> None:
        """Take in a pass that ran: see Note [One pass, step by step].

        Args:
            call: the pass.
            note: what was remembered of it.
            look: what was seen of its graph.
            result: the gradients that it returned, if any.
        """
        site, walked = note.site, look.walked
        if call.keeps and note.recorded and not walked.nodes:
            site.miss()
            self.truncated = True
            return
        after_pass(look.earlier)
        nodes, marks = self._visited(call, walked)
        earlier = look.earlier if marks is walked.marks else _kept(marks)
        for visit in earlier:
            self._reuse(visit, site, look, nodes, marks)
        if call.creates and note.recorded and note.marked:
            if call.accumulates:
                site.leftovers.leave(node.variable for node in nodes if kind_of(node).leaf)
            nodes = [*nodes, *self._created(nodes, look.start, result)]
        if not call.keeps:
            self._free(note, look, nodes, earlier)
        elif not note.recorded:
            self._ledger.touch(nodes)
        elif not note.marked:
            self._skip(site, nodes, earlier)
        else:
            self._keep(call, site, look, nodes, earlier)

    def refused(self, call: BackwardCall, site: SiteRecord, look: Look, why: Broken | None) -> None:
        """Take in a pass that raised.

        Args:
            call: the pass.
            site: the call that ran it.
            look: what was seen of its graph.
            why: what the error says of the graph, if anything.
        """
        if why is not None:
            self._clash(call, site, look, why)
        after_pass(look.earlier)
        for earlier in look.earlier:
            self._reuse(earlier, site, look, look.walked.nodes, look.walked.marks)
        self._ledger.touch(look.walked.nodes)

    # --- what becomes of the graph -------------------------------------------------------------

    def _free(
        self, note: Note, look: Look, nodes: Sequence[Node], earlier: Sequence[Visit]
    ) -> None:
        """Take in that a pass has freed what it visited."""
        visit = self._visit(note.site, look, keeps=False) if note.recorded else None
        self._ledger.free(visit, nodes)
        hand_on(earlier, None, kept=False)
        if note.recorded and not earlier:
            self._measurer.left(note.site, look.walked)

    def _skip(self, site: SiteRecord, nodes: Sequence[Node], earlier: Sequence[Visit]) -> None:
        """Take in that a pass keeps what it visited, where nobody is to follow that."""
        previous = _previous(earlier, site)
        if previous is not None:
            previous.cut_short()
        self._ledger.free(None, nodes)
        hand_on(earlier, None, kept=True)
        site.skip(torch.autograd._get_sequence_nr())

    def _keep(
        self,
        call: BackwardCall,
        site: SiteRecord,
        look: Look,
        nodes: Sequence[Node],
        earlier: Sequence[Visit],
    ) -> None:
        """Take in that a pass keeps what it visited: mark it, and measure it if it is time to."""
        visit = self._visit(site, look, keeps=True, creates=call.creates)
        visit.compiled = run_compiled_code(nodes)
        self.truncated |= visit.truncated
        previous = _previous(earlier, site)
        visit.partial = previous is None and not _are_newer(nodes, site.skipped_until)
        site.begin(visit, previous)
        size = self._measurer.kept(visit, nodes, look.rhythm, call.caller.frame)
        self._ledger.keep(visit, nodes, size, site.turn.exclusive_bytes)
        hand_on(earlier, visit, kept=True)

    def _visit(self, site: SiteRecord, look: Look, *, keeps: bool, creates: bool = False) -> Visit:
        now, thread = self._clock(), threading.get_ident()
        truncated = look.walked.truncated
        return Visit(site, keeps, creates, now, thread, look.context, truncated=truncated)

    # --- what it visited -----------------------------------------------------------------------

    def _visited(
        self, call: BackwardCall, walked: Walk
    ) -> tuple[Sequence[Node], Sequence[Mark | None]]:
        """Return the nodes that the pass really visits; the others are marked as touched.

        Of a graph that was not walked to its end the inputs may not be in sight: all count then.
        """
        if call.inputs is None or walked.truncated:
            return walked.nodes, walked.marks
        indices = list(executed(walked, call.inputs, call.accumulates))
        self._ledger.touch(walked.nodes)
        return [walked.nodes[i] for i in indices], [walked.marks[i] for i in indices]

    def _created(self, nodes: Sequence[Node], start: int, result: Any) -> list[Node]:
        """Return the nodes that `create_graph` made: who visits these visits what is kept.

        Args:
            nodes: the nodes that the pass visited.
            start: the number of the first node that it made.
            result: the gradients that it returned, if any.
        """
        leaves = [node.variable.grad for node in nodes if kind_of(node).leaf]
        made = [t for t in (*(result or ()), *leaves) if isinstance(t, torch.Tensor)]
        reached = self._ledger.walk(made).nodes
        self._ledger.touch(reached)
        return [n for n in reached if not kind_of(n).leaf and n._sequence_nr() >= start]

    def _reuse(
        self,
        earlier: Visit,
        by: SiteRecord,
        look: Look,
        nodes: Sequence[Node],
        marks: Sequence[Mark | None],
    ) -> None:
        """Note that a pass visits what an earlier one kept, if any of it saves anything."""
        if any(mark.saves for mark in marks if mark and mark.visit is earlier):
            carried = is_carried(earlier, nodes, marks, look.rhythm, look.start)
            apart = earlier.site is by and earlier.context != look.context
            earlier.site.reuse(earlier, Revisit(by, carried, apart))
            by.learn(carried, look.rhythm)

    def _clash(self, call: BackwardCall, site: SiteRecord, look: Look, why: Broken) -> None:
        nodes, marks = look.walked.nodes, look.walked.marks
        earlier, carried = culprit(why, look.walked), Carried.NO
        if earlier is not None:
            carried = is_carried(earlier, nodes, marks, look.rhythm, look.start)
        steps: tuple[str, ...] = ()
        if why is Broken.MODIFIED:
            steps = self._guard.run(optimizers_of, nodes, call.caller.frame) or ()
        clash = ClashRecord(why, earlier.site if earlier else None, site, carried, steps)
        if clash in self.clashes or len(self.clashes) < _CLASHES:
            self.clashes[clash] = self.clashes.get(clash, 0) + 1


def _previous(earlier: Sequence[Visit], site: SiteRecord) -> Visit | None:
    """Return the last pass of a call among some."""
    return next((visit for visit in earlier if visit.site is site), None)


def _are_newer(nodes: Sequence[Node], number: int) -> bool:
    """Say whether all nodes that may save something were built after a node of that number."""
    return not number or all(n._sequence_nr() >= number for n in nodes if kind_of(n).can_save)


def _kept(marks: Sequence[Mark | None]) -> list[Visit]:
    """Return the passes that left the marks and still keep something, each once, latest first."""
    visits = {
        mark.visit: None
        for mark in marks
        if mark is not None and mark.visit is not None and mark.visit.keeps and not mark.visit.ended
    }
    return sorted(visits, key=lambda visit: visit.started, reverse=True)
