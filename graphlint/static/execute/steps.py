"""Steps: how much running a program may cost, counted, so that results depend on no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from graphlint.static import ir
from graphlint.static.execute.paths.frames import Frame

T = TypeVar("T")
Place = tuple[Frame, ir.Node]
"""Where a call is made: the frame, and the call as a syntax node."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How much is spent before a claim loses confidence.

    Attributes:
        steps: expressions and statements evaluated, and states compared, for one entry point.
        total: the same for a whole file; entry points that come later share what is left.
        project: the same for all files; behind it an entry point gets the least, and behind twice
            as much next to nothing (`LAST`): however many files there are, an end is in sight.
        least: what an entry point gets all the same.
        caller: what one gets in a file without passes, which only calls functions of others.
        loading: what all files that a file imports get together, besides.
        depth: nested calls.
        recursion: nested calls of one function.
        iterations: of a loop whose count is known; a longer one runs for its first two and its
            last, an unknown one for its first and last.
    """

    steps: int = 30_000
    total: int = 120_000
    project: int = 3_000_000
    least: int = 2_000
    caller: int = 30_000
    loading: int = 100_000
    depth: int = 14
    recursion: int = 4
    iterations: int = 4


FEW_FILES, LEAST_SHARE = 30, 6
"""Up to so many files an entry point gets all its steps, and in many files at least a sixth."""
FEW_CALLERS = 5
"""Up to twice so many files, callers in files without passes get as much."""
LAST = 100
"""The steps of an entry point in a project that has used up twice its own."""
MOST_ATTEMPTS = 2
"""So many times its steps a file may take, further attempts counted in, before there is a last."""
PRESSED_AFTER = 3
"""The part of an entry point's steps after which fewer paths are told apart."""
SHARES = 6
"""The part of an entry point's steps that a call may take which leads to no pass."""
LONG = 5
"""The part of that share which makes a call a long one: those of a function get one together."""
SMALL_SHARES = 100
"""The same where only a function itself is of interest, not what it calls."""
SETTING_UP = 2
"""The part that a call may take which makes an object whose methods lead to passes."""


def budget_for(files: int) -> Budget:
    """Return the budget for running so many files together: the more, the less for each."""
    share = min(LEAST_SHARE, max(1, files // FEW_FILES))
    whole = Budget()
    caller = max(whole.least, whole.caller // max(1, files // FEW_CALLERS))
    return Budget(steps=whole.steps // share, total=whole.total // share, caller=caller)


class OutOfSteps(Exception):
    """The entry point used up its steps."""


class Steps:
    """Counts the steps of a project, its files and their entry points, and says when to stop."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._taken = self._earlier = self._loading = self._all = self._before = 0
        self._limit = self._whole = budget.steps
        self._start = 0  # where the steps began that end at the limit
        self._times = 1  # how many times its steps an entry point gets
        self._sharing = False
        self._shares = SHARES
        self._too_long: set[tuple[ir.Function, bool]] = set()  # and whether it had one path
        self._long: dict[
            tuple[ir.Function, bool], dict[Place, int]
        ] = {}  # what long calls took, by place
        self._lent = 0  # steps that an entry point's calls took and gave back

    def begin_file(self, again: bool = False) -> None:
        """Give the next file its steps, and a part of them where it is run again."""
        self._earlier = self.budget.total * 3 // 4 if again else 0
        self._taken = self._loading = 0
        self._before = self._all

    def begin(self, caller: bool = False, part: int = 1) -> None:
        """Give the next entry point its steps, or one part of so many.

        `caller` says that its file has no passes itself.
        """
        self._earlier += self._taken
        self._taken = 0
        left = self.budget.total - self._earlier
        most = (self.budget.caller if caller else self.budget.steps) // part
        allowed = self._allowed(max(self.budget.least, min(most, left)))
        self._limit = self._whole = allowed * self._times
        self._too_long.clear()
        self._long.clear()
        self._lent = 0

    def _allowed(self, steps: int) -> int:
        """Return how many of some steps are left to spend in the whole project."""
        if self._all > 2 * self.budget.project:
            return LAST
        return min(steps, self.budget.least) if self._all > self.budget.project else steps

    def take(self, steps: int = 1) -> None:
        """Take steps off the entry point's budget.

        Raises:
            OutOfSteps: it has none left.
        """
        self._taken += steps
        self._all += steps
        if self._taken > self._limit:
            raise OutOfSteps

    @contextmanager
    def unpaid(self) -> Iterator[None]:
        """Take no steps off the entry point's budget: what loads an import has one of its own.

        What goes beyond that budget is left out.
        """
        before = (self._taken, self._start, self._limit, self._whole)
        left = self.budget.loading - self._loading
        self._taken = self._start = 0
        self._limit = self._whole = min(self._allowed(self.budget.least), left)
        try:
            yield
        except OutOfSteps:
            pass
        finally:
            self._loading += self._taken
            self._taken, self._start, self._limit, self._whole = before

    @contextmanager
    def once_more(self, times: int = 1) -> Iterator[None]:
        """Give the entry point so many times as many steps again, not taken off those of others."""
        before = self._earlier + self._taken
        self._earlier = self._taken = 0
        self._times = times
        try:
            yield
        finally:
            self._earlier, self._taken, self._times = before, 0, 1

    @contextmanager
    def sketching(self) -> Iterator[None]:
        """Follow the short ones alone of the calls that lead to no pass."""
        self._shares = SMALL_SHARES
        try:
            yield
        finally:
            self._shares = SHARES

    @property
    def can_try_again(self) -> bool:
        """Whether a file's entry points have not yet had more than enough of further attempts."""
        return self._all - self._before < self.budget.total * MOST_ATTEMPTS

    @property
    def can_load(self) -> bool:
        """Whether there are steps left for loading what the file imports."""
        return self._loading < self.budget.loading

    @property
    def hurried(self) -> bool:
        """Whether half of the steps are spent, and the rest is for what matters.

        In a call that has a share of the steps, half of that share as well.
        """
        in_share = self._taken - self._start > (self._limit - self._start) // 2
        return in_share and self._taken > self._whole // 2

    @property
    def pressed(self) -> bool:
        """Whether so many steps are spent that paths have to be joined for the rest to suffice."""
        return self._taken > self._whole // PRESSED_AFTER

    @property
    def sharing(self) -> bool:
        """Whether a call runs that may only take its share; calls within it share with it."""
        return self._sharing

    def within_share(
        self,
        function: ir.Function,
        place: Place,
        run: Callable[[], T],
        setting_up: bool = False,
        chosen: bool = False,
    ) -> T | None:
        """Run a call, and return what it returns, None where it takes too many steps.

        Long calls of a function from several places may take no more together. One that is
        `setting_up` what passes need gets more, and calls within it have shares of their own: what
        it leaves out is a dataset then, not the model that was made before. Where even that does
        not suffice, no more than the share of others is lost. One path may be `chosen` then.
        """
        if (function, chosen) in self._too_long:
            return None
        start, outer, before = self._start, self._limit, self._taken
        share = self.budget.steps // self._shares
        setting_up = setting_up and self._lent < self._whole
        most = max(share, self._whole // SETTING_UP) if setting_up else share
        self._start, self._sharing = before, not setting_up
        self._limit = min(outer, before + most)
        try:
            result = run()
            self._note_long((function, chosen), place, self._taken - before, most)
            return result
        except OutOfSteps:
            if self._taken > outer:
                raise
            self._too_long.add((function, chosen))
            self._lose(before + share)
            return None
        finally:
            self._start, self._limit, self._sharing = start, outer, False

    def _lose(self, taken: int) -> None:
        """Count no more steps than these as taken, where a call came to nothing after more."""
        self._lent += max(0, self._taken - taken)
        self._taken = min(self._taken, taken)

    def _note_long(
        self, function: tuple[ir.Function, bool], place: Place, taken: int, share: int
    ) -> None:
        """Count what a long call took; paths that part before it are no reason to leave it out."""
        if taken > share // LONG:
            calls = self._long.setdefault(function, {})
            calls[place] = max(taken, calls.get(place, 0))
            if len(calls) > 1 and sum(calls.values()) > share:
                self._too_long.add(function)
