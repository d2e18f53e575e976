"""Which repair is right where a pass keeps its graph for a later one: torch tries both.

Two passes are *combinable* if the program comes to the same with the earlier one put off and run
together with the later one. A pass is *detachable* if the program comes to the same where one of
the two lets no gradient into what they share: nobody uses it there. What the program comes to is
what it prints, and what its optimizers make of their parameters.
"""

from __future__ import annotations

import ast
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

from .facts import Row, Start, View
from .marks import Mark, alike
from .outcome import Control, Execution, Outcome

COMBINABLE = "combinable"
DETACHABLE = "detachable"
Sharing = dict[int, list[int]]


def find_repairs(starts: Sequence[Start], views: Sequence[View]) -> Iterator[Mark]:
    """Yield the repairs of a program's calls, as all its settings agree; none if torch raises."""
    if any(seen.crashes or seen.error for seen in views):
        return
    found: dict[ast.Call, list[str | None]] = defaultdict(list)
    for start, seen in zip(starts, views, strict=True):
        for call, sharing in _kept(seen).items():
            found[call].append(_repair(start, seen, sharing))
    for call, repairs in found.items():
        if len({*repairs}) == 1 and repairs[0] is not None:
            yield Mark(starts[0].source.where(call), repairs[0], _places(starts[0], views, call))


def _kept(seen: View) -> dict[ast.Call, Sharing]:
    """Return, by call, the executions that keep what later ones visit, each with those."""
    executions = seen.survey.executions
    kept: dict[ast.Call, Sharing] = defaultdict(dict)
    for number, execution in enumerate(executions):
        if execution.asked and not execution.creates:
            later = range(number + 1, len(executions))
            shared = [n for n in later if executions[n].visit.nodes & execution.visit.nodes]
            if shared:
                kept[execution.call][number] = shared
    return kept


def _repair(start: Start, seen: View, sharing: Sharing) -> str | None:
    if _detachable(start, seen, sharing):
        return DETACHABLE
    for number, later in sharing.items():
        passes = [seen.survey.executions[n] for n in (number, *later)]
        calls = [(each.call, each.path) for each in passes]
        if len({*calls}) < len(calls):
            return None  # a loop repeats one of them
    return COMBINABLE if _combinable(start, seen, sharing) else None


def _detachable(start: Start, seen: View, sharing: Sharing) -> bool:
    """Tell whether nobody misses the gradients that one side leaves below what they share."""
    nodes = [execution.visit.nodes for execution in seen.survey.executions]
    first: dict[int, frozenset[int]] = defaultdict(frozenset)
    second: dict[int, frozenset[int]] = defaultdict(frozenset)
    for number, later in sharing.items():
        for other in later:
            first[number] |= nodes[number] & nodes[other]
            second[other] |= nodes[number] & nodes[other]
    for blocked in (first, second):
        if all(shared < nodes[number] for number, shared in blocked.items()):
            control = Control(survey=True, blocked=tuple(blocked.items()))
            if _same(start.run(control), seen.written):
                return True
    return False


def _combinable(start: Start, seen: View, sharing: Sharing) -> bool:
    """Tell whether all passes can be put off until the last one that visits what they kept."""
    groups = [(number, *later) for number, later in sharing.items()]
    joined = tuple((n, group[-1]) for group in groups for n in group[:-1])
    concerned = [seen.survey.executions[n] for group in groups for n in group]
    if any(_asks_for_gradients(execution) for execution in concerned):
        return False
    return _same(start.run(Control(joined=joined)), seen.written)


def _asks_for_gradients(execution: Execution) -> bool:
    return execution.kind == "grad" or bool(execution.creates)


def _same(one: Outcome, other: Outcome) -> bool:
    return (
        alike(one, other)
        and len(one.steps) == len(other.steps)
        and all(
            math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-5)
            for a, b in zip(one.steps, other.steps, strict=True)
        )
    )


def _places(start: Start, views: Sequence[View], call: ast.Call) -> frozenset[Row]:
    """Return the call's place, and those of the calls that hand the flag to it."""
    executions = (e for seen in views for e in seen.survey.executions if e.call is call)
    origins = {e.origin for e in executions if e.origin is not None}
    return frozenset(start.source.where(each) for each in (call, *origins))
