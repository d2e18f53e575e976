"""When to look for what keeps graphs alive, and what was seen.

# Note [When to look]
A search takes a millisecond or more, in large programs most of a second. So it is made when the
recorder stops, and at a few passes of each call: the third, and then when the call has run a
quarter more often, where anything was held, or several times as often, where nothing was. All
searches together may take a share of the program's CPU time: each is cut short when its part of
that is over, and what can't be afforded at all is put off. A function's variables are gone when it
returns, with whatever they held: of these only the looks at passes know.
"""

from __future__ import annotations

import time
from collections.abc import Container, Iterable
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

import torch

from graphlint.runtime.budget import LEAST, Purse
from graphlint.runtime.frames import other_threads
from graphlint.runtime.keepers import Held, Scene, held_by
from graphlint.runtime.reach import search
from graphlint.runtime.trails import Keeper

if TYPE_CHECKING:
    from graphlint.runtime.engine import BackwardCall
    from graphlint.runtime.ledger import Ledger
    from graphlint.runtime.sites import SiteRecord

_FREE, _FREE_AT_END = 3, 8  # searches that are made in any case
_AT_END = 0.25  # seconds of CPU time for a search when a block or the program is over
_FIRST = 3  # the pass of a call at which to look first
_KEEPERS = 256
_EVERY = 0.9  # graphs for each pass: some step may have skipped one
_SOME = 1 / 8  # graphs for each pass where several passes make a step
_MANY = 32  # graphs: what has held so many is a leak, though it is emptied now and then
_FEW, _OFTEN, _SELDOM = 6, 2, 4


@dataclass(slots=True)
class Plan:
    """When to look at the passes of one call.

    Attributes:
        due: the number of the pass to look at next; at the last but one before it, the number of
            the next node is noted.
        start: that number.
        noted: the number of the pass that it was noted at.
        looked: the number of the pass that was last looked at, 0 where none was.
    """

    due: int = _FIRST
    start: int = 0
    noted: int = 0
    looked: int = 0


@dataclass(slots=True)
class Growth:
    """How the number of graphs grows that something holds, from look to look at one call.

    A list that is emptied every few steps has more graphs at some looks than at those before, too:
    what was once seen to have fewer is no leak, unless it had many.

    Attributes:
        passes: how often the call had run at the last look.
        graphs: how many were held then.
        grown: for how many looks in a row there were more each time.
        fell: there were fewer once.
        most: the most that were held while there were more each time.
    """

    passes: int
    graphs: int
    grown: int = 0
    fell: bool = False
    most: int = 0

    def begin(self, passes: int, graphs: int) -> None:
        """Note what is held at the first look that sees any of it.

        It has grown since an earlier look, if there was one.
        """
        rate = graphs / (passes - self.passes)
        self.grown = int(self.passes > 0 and rate >= _SOME)
        self.passes, self.graphs = passes, graphs

    def note(self, passes: int, graphs: int) -> bool:
        """Note what is held at one more look, and return whether it is a leak by now."""
        rate = (graphs - self.graphs) / max(1, passes - self.passes)
        self.fell = self.fell or graphs < self.graphs
        self.passes, self.graphs = passes, graphs
        self.grown = self.grown + 1 if rate >= _SOME else 0
        self.most = max(self.most, graphs if self.grown > 1 else 0)
        if self.fell or not self.grown:
            return self.fell and self.most >= _MANY
        return self.grown > 1 or rate >= _EVERY


class Lookout:
    """Looks for what keeps graphs alive, now and then: see Note [When to look].

    Attributes:
        held: what was seen, each keeper with the most that it held.
        leaks: those that gain graphs with every step, which a pass has freed; the call that runs
            it.
    """

    def __init__(self, ledger: Ledger, purse: Purse) -> None:
        """Begin with nothing seen.

        Args:
            ledger: the marks on nodes.
            purse: what searches may take.
        """
        self.held: dict[Keeper, Held] = {}
        self.leaks: dict[Keeper, SiteRecord] = {}
        self._growth: dict[tuple[Keeper, SiteRecord], Growth] = {}
        self._ledger = ledger
        self._purse = purse
        self._searches = self._ends = 0
        self._period: float | None = None
        self._plans: dict[SiteRecord, Plan] = {}

    def at_pass(self, site: SiteRecord, call: BackwardCall, *, busy: bool) -> None:
        """Look at what is held when a pass is about to run, if it is time to.

        Args:
            site: the call that runs the pass, which counts it already.
            call: the pass.
            busy: another thread runs a pass, so that nobody may look at graphs of all threads.
        """
        plan = self._plans.setdefault(site, Plan())
        number = torch.autograd._get_sequence_nr()
        if site.passes < plan.due:
            plan.start, plan.noted = number, site.passes
            site.look_at = plan.due
            return
        held = False
        if plan.noted == plan.due - 2 and self._affordable and not busy:
            period = (number - plan.start) / 2
            self._period = max(period, self._period or 0.0)
            walked = self._ledger.walk(call.outputs)
            self._ledger.touch(walked.nodes)
            if not walked.truncated:
                frames = [call.caller.frame, *other_threads()]
                current = frozenset(walked.nodes)
                scene = Scene(plan.start, current, period=period, longest=self._period)
                seen, complete = self._look(frames, scene)
                held = bool(seen)
                self._compare(site, seen, plan.looked)
                if complete:
                    self._note_gone(site, seen)
                plan.looked = site.passes
        more = _OFTEN if plan.due < _FEW else _SELDOM
        plan.due = max(plan.due + 3, int(plan.due * 1.25)) if held else plan.due * more
        site.look_at = plan.due - 2

    def at_end(self, frame: FrameType, over: bool) -> None:
        """Look at what is held when a block or the program is over.

        Args:
            frame: the innermost frame.
            over: the program is over.
        """
        scene = Scene(over=over, period=self._period)
        self._ends += 1
        if over or self._ends <= _FREE_AT_END:
            self._look([frame, *other_threads()], scene, _AT_END)
        elif self._affordable:
            self._look([frame, *other_threads()], scene)

    @property
    def _affordable(self) -> bool:
        return self._searches < _FREE or self._purse.left >= LEAST

    def _look(
        self, frames: Iterable[FrameType], scene: Scene, least: float = LEAST
    ) -> tuple[dict[Keeper, Held], bool]:
        """Search, take in what is held, and return it, and whether the search came to its end.

        Args:
            frames: where to look.
            scene: what else is known.
            least: how much CPU time there is in any case, in seconds.
        """
        began = time.thread_time()
        with torch._C.DisableTorchFunction():
            searched = search(frames, seconds=max(self._purse.left, least))
            held = held_by(searched.found, scene, self._ledger)
        for keeper, figures in held.items():
            self._take_in(keeper, figures)
        self._searches += 1
        self._purse.spend(time.thread_time() - began)
        return held, searched.complete

    def _compare(self, site: SiteRecord, seen: dict[Keeper, Held], looked: int) -> None:
        """Compare what is held at a pass with the look before it at the same call, if any."""
        for keeper, figures in seen.items():
            if not figures.counted:
                continue
            growth = self._growth.get((keeper, site))
            if growth is None:
                if len(self._growth) < _KEEPERS:
                    self._growth[keeper, site] = growth = Growth(looked, 0)
                    growth.begin(site.passes, figures.graphs)
            elif growth.note(site.passes, figures.graphs) and figures.freed_by is not None:
                self.leaks.setdefault(keeper, figures.freed_by)
            else:
                self.leaks.pop(keeper, None)

    def _note_gone(self, site: SiteRecord, seen: Container[Keeper]) -> None:
        """Note that what held graphs at the look before this one holds none any more."""
        for (keeper, at), growth in self._growth.items():
            gone = at is site and keeper not in seen
            if gone and not growth.note(site.passes, 0):
                self.leaks.pop(keeper, None)

    def _take_in(self, keeper: Keeper, figures: Held) -> None:
        """Remember what a keeper holds: by its latest name, where it has several."""
        aliases = [
            known
            for known, other in self.held.items()
            if known == keeper or (figures.identity and figures.identity == other.identity)
        ]
        for alias in aliases:
            figures = figures.with_most(self.held.pop(alias))
        if len(self.held) < _KEEPERS:
            self.held[keeper] = figures
