"""Loops: `for` and `while`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.holders import REMOVING, written
from graphlint.static.execute.autograd.merge import NEXT, Outcome, merge
from graphlint.static.execute.language.asked import asked, counters, looks_back, runs_every_so_often
from graphlint.static.execute.language.reporting import only_reports
from graphlint.static.execute.language.statements import run_block
from graphlint.static.execute.language.targets import assign
from graphlint.static.execute.library.items import MOST_GATHERED, Items, iterate
from graphlint.static.execute.library.ops import is_tensor
from graphlint.static.execute.paths.branches import truth
from graphlint.static.execute.paths.generators import catch_up
from graphlint.static.execute.paths.skipping import Heap, skip_iterations
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.suppositions import suppose_longer, suppose_once
from graphlint.static.execute.paths.values import Const, List, Ref, Tuple, Value

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor


def for_stmt(ex: Executor, node: ir.For, state: State) -> list[Outcome]:
    """Run `for` over the items that `iterate` chooses (Note [Turns of a loop])."""
    outcomes: list[Outcome] = []
    for after, source in ex.eval(node.iter, state):
        wanted = asked(ex, after, node, node.target, node.body)
        often, back = runs_every_so_often(ex, after, node), looks_back(ex, after, node)
        items = iterate(ex, after, source, node.iter, wanted, often, back)
        if items.supposed:
            suppose_longer(after, node, second_asked=1 in wanted)
        if len(items.values) == 1 and not items.skips:
            suppose_once(after, node)
        at_first, running = dict(after.heap), [after]
        counting = frozenset(name.id for name in counters(node.body))
        values = items.values[-1:] if only_reports(node) and not items.yielded else items.values
        for index, item in enumerate(values):
            if index and items.skips_before(index):
                _skip(running, node, index, at_first, counting)
            running, left = _iteration(ex, node, running, index, item, items)
            outcomes += left
        for done in running:
            outcomes += run_block(ex, node.orelse, done)
    return merge(ex, outcomes)


def _skip(
    states: Sequence[State], loop: ir.Node, index: int, before: Heap, counting: frozenset[str]
) -> None:
    """Leave open what iterations that are not run have counted (Note [Skipped iterations])."""
    for state in states:
        frame = state.frame
        state.frame = state.frames.enter(frame, loop, "loop", index=index)
        skip_iterations(state, before, counting)
        state.frame = frame


def _iteration(
    ex: Executor,
    node: ir.For,
    running: list[State],
    index: int,
    item: Value,
    items: Items,
) -> tuple[list[State], list[Outcome]]:
    """Run a loop's body once: the states that go on, and those that left the loop."""
    ended: list[Outcome] = []
    for state in running:
        frame, temps = state.frame, state.temps
        state.temps = (*temps, Tuple(items.values))
        within = items.yielded[index] if index < len(items.yielded) else None
        ex.enter(state, node, "loop", index=index, within=within)
        if within is not None:
            catch_up(state, within)
        for bound in assign(ex, state, node.target, item, node):
            for after, flow in run_block(ex, node.body, bound):
                after.frame, after.temps = frame, temps
                ended.append((after, flow))
    return _sort_out(ex, ended)


def _sort_out(ex: Executor, ended: list[Outcome]) -> tuple[list[State], list[Outcome]]:
    going: list[Outcome] = []
    left: list[Outcome] = []
    for state, flow in ended:
        if flow.kind in ("next", "continue"):
            going.append((state, NEXT))
        else:
            left.append((state, NEXT if flow.kind == "break" else flow))
    return [state for state, _ in merge(ex, going)], left


@dataclass(frozen=True, slots=True)
class Next:
    """The iteration of a `while` that may come next.

    Attributes:
        index: its number.
        most: so many are run while all conditions are known; `settled` says that they were so far.
        last: the last that is run otherwise.
    """

    index: int
    most: int
    settled: bool
    last: int


def while_stmt(ex: Executor, node: ir.While, state: State) -> list[Outcome]:
    """Run `while`: two iterations, and up to five while all conditions in it are known.

    Where its body asks for a counter, some more, so that those that it asks for are run.
    """
    outcomes: list[Outcome] = []
    at_first, running = dict(state.heap), [state]
    settled, exact = True, 1 + _asked_for(ex, node, state)
    last = exact + runs_every_so_often(ex, state, node)
    most = max(ex.budget.iterations, _items_to_take_out(state, node))
    for index in range(most + 1):
        ended: list[Outcome] = []
        forks = ex.forks(running)
        for before in running:
            frame = before.frame
            ex.enter(before, node, "loop", index=index)
            for after, test in ex.eval(node.test, before):
                turn = Next(index, most, settled, last)
                for decided, way in _while_goes_on(node, after, test, turn):
                    if way:
                        if _skips(node, test, turn, exact):
                            skip_iterations(decided, at_first)
                        ended += run_block(ex, node.body, decided)
                    else:
                        decided.frame = frame
                        outcomes += run_block(ex, node.orelse, decided)
            for after, _ in ended:
                after.frame = frame
        settled = settled and ex.forks(after for after, _ in ended) == forks
        running, left = _sort_out(ex, ended)
        outcomes += left
        if not running:
            break
        if not settled:
            for going in running:
                suppose_longer(going, node)
    return merge(ex, [*outcomes, *((s, NEXT) for s in running)])


def _asked_for(ex: Executor, node: ir.While, state: State) -> int:
    """Return how many iterations more than the first a loop's body asks for."""
    wanted = max((0, *looks_back(ex, state, node)))
    for name in counters(node.body):
        start = state.lookup(name.id)
        if isinstance(start, Const) and type(start.value) is int:
            numbers = asked(ex, state, node, name, node.body)
            wanted = max([wanted, *(number + 1 - start.value for number in numbers)])
    return min(wanted, ex.budget.iterations - 1)


def _items_to_take_out(state: State, node: ir.While) -> int:
    """Return how many items a list has that a loop takes out until there are none, 0 if many."""
    names = {each.id for each in ir.walk(node.test) if isinstance(each, ir.Name)}
    methods = (
        call.func for part in node.body for call in ir.walk(part) if isinstance(call, ir.Call)
    )
    emptied = {
        written(m.value) for m in methods if isinstance(m, ir.Attribute) and m.name in REMOVING
    }
    lists = (state.get(state.lookup(name), List) for name in names & emptied)
    counts = [len(found.items) for found in lists if found and found.length is None]
    return max((count for count in counts if count <= MOST_GATHERED), default=0)


def _skips(node: ir.While, test: Value, turn: Next, exact: int) -> bool:
    """Whether an iteration of a loop stands for later ones: it is the last that is run.

    Of a loop that counts to a known number all iterations are run, if they are few.
    """
    if turn.index < exact:
        return False
    if not turn.settled or not isinstance(test, (Const, Ref)):
        return True
    endless = isinstance(node.test, ir.Const)
    return turn.index == turn.most - endless


def _while_goes_on(
    node: ir.While, state: State, test: Value, turn: Next
) -> list[tuple[State, bool]]:
    """Decide whether a loop runs once more; an endless one ends after its second iteration.

    A condition that can't be told holds for two iterations and then fails: what a loop that runs
    once does is a part of what one that runs twice does. A counter that is known is followed.
    """
    index, most, last = turn.index, turn.most, turn.last
    goes_on = index <= last or (turn.settled and index < most)
    if isinstance(test, Const):
        once_more = turn.settled and not isinstance(node.test, ir.Const)
        goes_on = goes_on or (once_more and index == most)
        return [(state, bool(test.value) and goes_on)]
    if isinstance(test, Ref):
        ways = truth(state, test)
        if len(ways) == 1 and not is_tensor(state, test):
            return [(state, ways[0][1] and index < most)]
        return [(s, way and index <= last) for s, way in ways]
    ways = truth(state, test)
    if len(ways) == 1:  # it was decided before: `while not done` after `if done`
        return [(s, way and index <= last) for s, way in ways]
    return [(s, way) for s, way in ways if way is (index <= last)]
