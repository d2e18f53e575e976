"""What is true of stores, `create_graph` and `retain_grad`, found out by changing one thing.

A store *leaks* if fewer nodes live from iteration to iteration when it stores without the graph,
and the program prints the same. Where the longest such loop has few iterations, it only *may* leak.
`create_graph` is *unneeded* if the program prints the same where the graph is kept without it, and
*missing* if it prints something else with it; so it is with `retain_grad()`.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from .facts import Row, Start, View
from .outcome import Control, Execution, Outcome

LEAK = "leak"
MAYBE_LEAK = "maybe-leak"
UNNEEDED_CREATE = "unneeded-create"
MISSING_CREATE = "missing-create"
UNNEEDED_RETAIN_GRAD = "unneeded-retain-grad"
MISSING_RETAIN_GRAD = "missing-retain-grad"

FEWEST_ITERATIONS = 5
TOO_FEW_ITERATIONS = 3
ENOUGH = 60
GRAPHS = re.compile(r",? ?(grad_fn=<[^>]*>|requires_grad=True)")
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[-+]?\d+)?")


@dataclass(frozen=True)
class Mark:
    """Something that is true of a place in a program.

    Attributes:
        place: file and row.
        verdict: what is true.
        places: all places at which a finding about it may stand, if there are others.
        beside: another finding may say enough: `retain_graph` is written there too.
    """

    place: Row
    verdict: str
    places: frozenset[Row] = frozenset()
    beside: bool = False

    @property
    def rows(self) -> frozenset[Row]:
        """All places at which a finding about it may stand."""
        return self.places or frozenset({self.place})


def find_marks(starts: Sequence[Start], views: Sequence[View]) -> Iterator[Mark]:
    """Yield what is true of a program over all its settings: nothing where torch refuses a pass."""
    runs = list(zip(starts, views, strict=True))
    if any(_refused(seen) for seen in views):
        return
    yield from _leaks(runs)
    yield from _creations(runs)
    yield from _kept_gradients(runs)


Runs = Sequence[tuple[Start, View]]
Lives = tuple[tuple[str, int, int], ...]


def _refused(seen: View) -> bool:
    """Tell whether torch refuses a pass for what earlier passes or steps did."""
    return any(e.error in {"freed", "modified"} for e in seen.written.executions)


def _leaks(runs: Runs) -> Iterator[Mark]:
    """Yield the stores that leak; of those that store the same value on its way, all are told."""
    leaking: dict[int, list[Lives]] = {}
    sure: set[int] = set()
    needed: set[int] = set()
    for start, seen in runs:
        written = start.run(Control(count=True)) if seen.written.stored else seen.written
        if not _rises(written.lives):
            continue
        cuts = {n: start.run(Control(count=True, cut=frozenset({n}))) for n in written.stored}
        needed |= {number for number, cut in cuts.items() if not alike(cut, written)}
        harmless = frozenset(cuts) - needed
        none = start.run(Control(count=True, cut=harmless))
        for number in sorted(harmless):
            alone = start.run(Control(count=True, cut=harmless - {number}))
            rounds = _grows(written, cuts[number])
            rounds = max(rounds, _grows(alone, none) if alike(none, written) else 0)
            if rounds >= TOO_FEW_ITERATIONS:
                leaking.setdefault(number, []).append(cuts[number].lives)
            if rounds >= FEWEST_ITERATIONS:
                sure.add(number)
    points = runs[0][0].source.points.stores
    for number, lives in leaking.items():
        same = [n for n, other in leaking.items() if other == lives and n not in needed]
        if number in same[:1]:
            places = frozenset((points[n].file, points[n].row) for n in same)
            verdict = LEAK if sure.intersection(same) else MAYBE_LEAK
            yield Mark((points[number].file, points[number].row), verdict, places)


def _grows(written: Outcome, without: Outcome) -> int:
    """Return for how many iterations more nodes live in each than if a store has no graph."""
    pairs = zip(written.lives, without.lives, strict=False)
    return _climbs(tuple((loop, instance, a - b) for (loop, instance, a), (_, _, b) in pairs))


def _climbs(lives: Lives) -> int:
    """Return how long the longest loop is over whose second half a number grows, to the end.

    An iteration in which it stays may pass: something else may hold the same for a while.
    """
    climbing = (
        len(counts)
        for counts in _by_loop(lives)
        if len(counts) >= TOO_FEW_ITERATIONS and _goes_on(counts[max(0, len(counts) // 2 - 1) :])
    )
    return max(climbing, default=0)


def _goes_on(counts: list[int]) -> bool:
    steps = [after - before for before, after in pairwise(counts)]
    rises = sum(step > 0 for step in steps)
    return min(steps) >= 0 and rises > 1 and counts[-1] > counts[-3] and sum(steps) >= len(steps)


def _rises(lives: Lives) -> bool:
    """Tell whether a number is larger in the end of some loop than in its middle."""
    return any(counts[-1] > counts[len(counts) // 2] for counts in _by_loop(lives))


def _by_loop(lives: Lives) -> Iterator[list[int]]:
    ordered = sorted(lives, key=lambda life: life[:2])
    for _, group in groupby(ordered, key=lambda life: life[:2]):
        yield [count for _, _, count in group]


def _creations(runs: Runs) -> Iterator[Mark]:
    created = _calls(runs, lambda execution: execution.creates)
    plain = _calls(runs, lambda execution: not execution.creates)
    both = _calls(runs, lambda execution: execution.explicit)
    for call in created:
        place = runs[0][0].source.where(call)
        if all(alike(start.run(Control(create=(call, False))), s.written) for start, s in runs):
            yield Mark(place, UNNEEDED_CREATE, beside=call in both)
    for call in plain - created:
        place = runs[0][0].source.where(call)
        if not all(alike(start.run(Control(create=(call, True))), s.written) for start, s in runs):
            yield Mark(place, MISSING_CREATE)


def _calls(runs: Runs, chosen: Callable[[Execution], bool]) -> set[ast.Call]:
    executions = (e for _, seen in runs for e in seen.written.executions)
    return {execution.call for execution in executions if chosen(execution)}


def _kept_gradients(runs: Runs) -> Iterator[Mark]:
    calls = {call for _, seen in runs for call in seen.written.retained}
    for call in calls:
        if all(alike(start.run(Control(forget=call)), seen.written) for start, seen in runs):
            yield Mark(runs[0][0].source.where(call), UNNEEDED_RETAIN_GRAD)
    missed = {number for _, seen in runs for number in seen.survey.missed}
    for number in sorted(missed):
        point = runs[0][0].source.points.reads[number]
        yield Mark((point.file, point.row), MISSING_RETAIN_GRAD)


def alike(one: Outcome, other: Outcome) -> bool:
    """Tell whether two runs ended alike and printed the same, up to rounding and to graphs."""
    if one.error[:ENOUGH] != other.error[:ENOUGH]:
        return False
    first, second = GRAPHS.sub("", one.output), GRAPHS.sub("", other.output)
    if NUMBER.sub("#", first) != NUMBER.sub("#", second):
        return False
    pairs = zip(NUMBER.findall(first), NUMBER.findall(second), strict=True)
    return all(math.isclose(float(a), float(b), rel_tol=1e-4, abs_tol=1e-6) for a, b in pairs)
