"""Loops: `for` and `while`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.merge import NEXT, Outcome, merge
from graphlint.static.execute.language.asked import asked, counters, looks_back, runs_every_so_often
from graphlint.static.execute.language.reporting import only_reports
from graphlint.static.execute.language.statements import run_block
from graphlint.static.execute.language.targets import assign
from graphlint.static.execute.library.items import Items, iterate
from graphlint.static.execute.library.ops import is_tensor
from graphlint.static.execute.paths.branches import truth
from graphlint.static.execute.paths.generators import catch_up
from graphlint.static.execute.paths.skipping import Heap, skip_iterations
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.suppositions import suppose_longer
from graphlint.static.execute.paths.values import Const, Ref, Tuple, Value

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


def while_stmt(ex: Executor, node: ir.While, state: State) -> list[Outcome]:
    """Run `while`: two iterations, and up to five while all conditions in it are known.

    Where its body asks for a counter, some more, so that those that it asks for are run.
    """
    outcomes: list[Outcome] = []
    at_first, running = dict(state.heap), [state]
    settled, exact = True, 1 + _asked_for(ex, node, state)
    last = exact + runs_every_so_often(ex, state, node)
    for index in range(ex.budget.iterations + 1):
        ended: list[Outcome] = []
        forks = ex.forks(running)
        for before in running:
            frame = before.frame
            ex.enter(before, node, "loop", index=index)
            for after, test in ex.eval(node.test, before):
                for decided, way in _while_goes_on(ex, node, after, test, index, settled, last):
                    if way:
                        if _skips(ex, node, test, index, settled, exact):
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


def _skips(
    ex: Executor, node: ir.While, test: Value, index: int, settled: bool, exact: int
) -> bool:
    """Whether an iteration of a loop stands for later ones: it is the last that is run.

    Of a loop that counts to a known number all iterations are run, if they are few.
    """
    if index < exact:
        return False
    if not settled or not isinstance(test, (Const, Ref)):
        return True
    endless = isinstance(node.test, ir.Const)
    return index == ex.budget.iterations - endless


def _while_goes_on(
    ex: Executor, node: ir.While, state: State, test: Value, index: int, settled: bool, last: int
) -> list[tuple[State, bool]]:
    """Decide whether a loop runs once more; an endless one ends after its second iteration.

    A condition that can't be told holds for two iterations and then fails: what a loop that runs
    once does is a part of what one that runs twice does. A counter that is known is followed.
    """
    goes_on = index <= last or (settled and index < ex.budget.iterations)
    if isinstance(test, Const):
        once_more = settled and not isinstance(node.test, ir.Const)
        goes_on = goes_on or (once_more and index == ex.budget.iterations)
        return [(state, bool(test.value) and goes_on)]
    if isinstance(test, Ref):
        ways = truth(state, test)
        if len(ways) == 1 and not is_tensor(state, test):
            return [(state, ways[0][1] and index < ex.budget.iterations)]
        return [(s, way and index <= last) for s, way in ways]
    ways = truth(state, test)
    if len(ways) == 1:  # it was decided before: `while not done` after `if done`
        return [(s, way and index <= last) for s, way in ways]
    return [(s, way) for s, way in ways if way is (index <= last)]
