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
from collections.abc import Iterable
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
_FEW, _OFTEN, _SELDOM = 6, 2, 4


@dataclass(slots=True)
class Plan:
    """When to look at the passes of one call.

    Attributes:
        due: the number of the pass to look at next; at the last but one before it, the number of
            the next node is noted.
        start: that number.
        noted: the number of the pass that it was noted at.
    """

    due: int = _FIRST
    start: int = 0
    noted: int = 0


class Lookout:
    """Looks for what keeps graphs alive, now and then: see Note [When to look].

    Attributes:
        held: what was seen, each keeper with the most that it held.
        leaks: those that gain a graph with every pass, which the pass has freed; the call that runs
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
        self._counts: dict[tuple[Keeper, SiteRecord], tuple[int, int]] = {}
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
                seen = self._look(frames, scene)
                held = bool(seen)
                self._compare(site, seen)
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
    ) -> dict[Keeper, Held]:
        """Search, take in what is held, and return it.

        Args:
            frames: where to look.
            scene: what else is known.
            least: how much CPU time there is in any case, in seconds.
        """
        began = time.thread_time()
        with torch._C.DisableTorchFunction():
            found = search(frames, seconds=max(self._purse.left, least)).found
            held = held_by(found, scene, self._ledger)
        for keeper, figures in held.items():
            self._take_in(keeper, figures)
        self._searches += 1
        self._purse.spend(time.thread_time() - began)
        return held

    def _compare(self, site: SiteRecord, seen: dict[Keeper, Held]) -> None:
        """Compare what is held at a pass with the look before it at the same call."""
        for keeper, figures in seen.items():
            if not figures.counted:
                continue
            before = self._counts.get((keeper, site))
            if before is not None and figures.freed_by is not None:
                passes, graphs = site.passes - before[0], figures.graphs - before[1]
                if graphs >= _EVERY * passes:
                    self.leaks.setdefault(keeper, figures.freed_by)
                else:
                    self.leaks.pop(keeper, None)
            if len(self._counts) < _KEEPERS:
                self._counts[keeper, site] = site.passes, figures.graphs

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
