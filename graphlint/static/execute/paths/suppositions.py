"""What is supposed of loops of which it is not known how many iterations they have.

Some conditions only the last iteration is likely to meet. `if i + 1 != self.tasks` tells the last
of some losses from the others. Where it can't be told that the loop goes over as many, it may be
assumed to fail on the first iteration, as if that were the last. A path that assumes so is no proof
that a later pass raises.

A loop that runs once because a setting says so may run more often with another setting.

An item of a list may stand for one that an iteration appended which was not run.

Where more than two iterations are run, it is supposed that there are as many. What a pass in one of
them does to another is sure to happen in the first two only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.paths.frames import Frame
from graphlint.static.execute.paths.graph import Node, reachable
from graphlint.static.execute.paths.values import NodeId, Sym, Value
from graphlint.static.knowledge.facts import NO
from graphlint.trace import Confidence, Doubt

if TYPE_CHECKING:
    from graphlint.static.execute.paths.state import State

SUPPOSED = "supposed"
LONGER = "longer"
PAST_SECOND = "past the second"
ONCE = "once"
THREE = Doubt(Confidence.LIKELY, "the loop may have no third iteration")
AS_LONG = Doubt(Confidence.POSSIBLE, "the loop may have fewer iterations than that takes")
PICKED = Doubt(Confidence.POSSIBLE, "which item of a list this is can't be told")
IN_TURNS = Doubt(Confidence.POSSIBLE, "in which iterations the graph is made anew can't be told")
JUST_ONCE = Doubt(
    Confidence.POSSIBLE, "the loop runs once as it is set now, and more often would need the graph"
)
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


def renewed_in_turns(state: State, node: Node) -> frozenset[Doubt]:
    """Say whether a graph is made anew in some iterations, which may have been left out.

    `if step % 2 == 0` may hold for the iteration that stands for others, and for the one behind it.
    """
    if not any(_is_remainder(condition) for condition in state.conds):
        return frozenset()
    frames = node.frame.chain() if node.frame else ()
    around = {frame.place for frame in frames if isinstance(frame.place, ir.Node)}
    places = around | {node.place}
    loops = (place for _, place in state.frame.loops if isinstance(place, ir.Node))
    taken = any(not places.isdisjoint(_in_turns(loop)) for loop in loops)
    return frozenset((IN_TURNS,)) if taken else frozenset()


def _is_remainder(condition: object) -> bool:
    """Whether a condition asks for the remainder of a number that stands for others."""
    todo, found = [condition], set[object]()
    while todo:
        name = todo.pop()
        if isinstance(name, tuple):
            found.update(part for part in name if part in ("Mod", "some"))
            todo.extend(name)
    return found == {"Mod", "some"}


@lru_cache(maxsize=256)
def _in_turns(loop: ir.Node) -> frozenset[ir.Node]:
    """Return what in a loop runs or not by the remainder of a number."""
    branches = [node for node in ir.walk(loop) if isinstance(node, ir.If)]
    asking = [b for b in branches if any(_divides(node) for node in ir.walk(b.test))]
    parts = (part for branch in asking for part in (*branch.body, *branch.orelse))
    return frozenset(node for part in parts for node in ir.walk(part))


def _divides(node: ir.Node) -> bool:
    return isinstance(node, ir.Binary) and node.op == "Mod"


def suppose_once(state: State, loop: ir.For) -> None:
    """Note that a loop, which a state is right outside of, runs once by a number that has a name.

    Such as in `for _ in range(self.terms)`.
    """
    counted = loop.iter if isinstance(loop.iter, ir.Call) else None
    if counted and len(counted.args) == 1 and isinstance(counted.args[0], (ir.Name, ir.Attribute)):
        if isinstance(counted.func, ir.Name) and counted.func.id == "range":
            state.conds[ONCE, (state.frame, loop)] = True


def just_once(state: State, visited: Iterable[NodeId]) -> frozenset[Doubt]:
    """Say whether a pass visits, in a loop that runs once, what was built before it."""
    loops = [loop for loop in state.frame.loops if (ONCE, loop) in state.conds]
    frames = [node.frame for n in visited if loops and (node := state.graph[n]).saves is not NO]
    older = any(frame is None or loop not in frame.loops for frame in frames for loop in loops)
    return frozenset((JUST_ONCE,)) if older else frozenset()


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
