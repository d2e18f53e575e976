"""What is supposed of loops of which it is not known how many iterations they have.

Some conditions only the last iteration is likely to meet. `if i + 1 != self.tasks` tells the last
of some losses from the others. Where it can't be told that the loop goes over as many, it may be
assumed to fail on the first iteration, as if that were the last. A path that assumes so is no proof
that a later pass raises.

An item of a list may stand for one that an iteration appended which was not run.

Where more than two iterations are run, it is supposed that there are as many. What a pass in one of
them does to another is sure to happen in the first two only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.paths.frames import Frame
from graphlint.static.execute.paths.graph import reachable
from graphlint.static.execute.paths.values import NodeId, Sym, Value
from graphlint.trace import Confidence, Doubt

if TYPE_CHECKING:
    from graphlint.static.execute.paths.state import State

SUPPOSED = "supposed"
LONGER = "longer"
PAST_SECOND = "past the second"
THREE = Doubt(Confidence.LIKELY, "the loop may have no third iteration")
AS_LONG = Doubt(Confidence.POSSIBLE, "the loop may have fewer iterations than that takes")
PICKED = Doubt(Confidence.POSSIBLE, "which item of a list this is can't be told")
FLAGGED = ("retain_graph", None)


def note_supposition(state: State, test: ir.Expr, value: Value, way: bool) -> None:
    """Note that a loop's first item is assumed to be the one of a number that is not known."""
    if not isinstance(value, Sym) or not isinstance(test, ir.Compare):
        return
    if test.op not in ("Eq", "NotEq") or way != (test.op == "Eq"):
        return
    names = frozenset(_names(test))
    for (outer, place), index in state.frame.loops.items():
        if index == 0 and isinstance(place, ir.For) and not names.isdisjoint(_names(place.target)):
            state.conds[SUPPOSED, (outer, place)] = True


def supposes(state: State) -> bool:
    """Whether such an assumption was made in an iteration that still runs."""
    return any(
        condition[0] == SUPPOSED and state.frame.loops.get(condition[1]) == 0
        for condition in state.conds
    )


def suppose_longer(state: State, loop: ir.Node, second_asked: bool = False) -> None:
    """Note that a loop, which a state is right outside of, may have fewer iterations than run.

    `second_asked` says that its body asks whether an iteration is the second one.
    """
    state.conds[LONGER, (state.frame, loop)] = True
    if second_asked:
        state.conds[PAST_SECOND, (state.frame, loop)] = True


def supposed_between(state: State, earlier: Frame | None, call: ir.Call) -> frozenset[Doubt]:
    """Say what is supposed for there to be an iteration now, after one that ran a call earlier.

    A call without a flag is not made for a number of iterations; one whose flag goes by a counter
    may well be off in the last of just two.
    """
    for loop, index in earlier.loops.items() if earlier else ():
        later = state.frame.loops.get(loop, index)
        if later > max(index, 1) and (LONGER, loop) in state.conds:
            if goes_past_second(state, earlier):
                return frozenset((AS_LONG,))
            flagged = any(keyword.name in FLAGGED for keyword in call.keywords)
            return frozenset((AS_LONG if flagged or later > 2 else THREE,))
    return frozenset()


def goes_past_second(state: State, earlier: Frame | None) -> bool:
    """Whether an iteration follows the first one, but for the second, which asks for itself.

    Such as `if row == 1: continue`. Who writes that may have two rows.
    """
    return any(
        index == 0 and state.frame.loops.get(loop, 0) > 1 and (PAST_SECOND, loop) in state.conds
        for loop, index in (earlier.loops.items() if earlier else ())
    )


def suppose_picked(
    state: State, item: Value, items: Iterable[Value] = (), again: bool = False
) -> None:
    """Note that an item of a list stands for another that is not known, maybe of those given.

    `again` says that later iterations are likely to pick the same one.
    """
    for number in state.nodes(item):
        state.facts["picked", number] = True
        if again:
            state.facts["picked again", number] = True
    doubt_others(state, items)


def doubt_others(state: State, items: Iterable[Value]) -> None:
    """Doubt the passes that keep graphs of items which may be the one that was picked."""
    if not state.kept:
        return
    roots = [number for item in items for number in state.nodes(item)]
    for number in reachable(state.graph, roots):
        for keeper in state.kept.get(number, ()):
            pending = state.pending.get(keeper)
            if pending is not None:
                state.pending[keeper] = replace(pending, doubts=pending.doubts | {PICKED})


def picked_among(state: State, visited: Iterable[NodeId], how: str = "picked") -> frozenset[Doubt]:
    """Say whether a pass visits the graph of an item that stands for another."""
    supposed = any((how, number) in state.facts for number in visited)
    return frozenset((PICKED,)) if supposed else frozenset()


def _names(node: ir.Node) -> list[str]:
    return [inner.id for inner in ir.walk(node) if isinstance(inner, ir.Name)]
