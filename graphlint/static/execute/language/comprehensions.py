"""Comprehensions: loops that make a container."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.holds import note_made
from graphlint.static.execute.language.asked import asked
from graphlint.static.execute.language.targets import assign
from graphlint.static.execute.library.items import gather
from graphlint.static.execute.library.subscripts import dict_key
from graphlint.static.execute.paths.branches import truth
from graphlint.static.execute.paths.lengths import length
from graphlint.static.execute.paths.numbers import is_exact
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.suppositions import suppose_longer
from graphlint.static.execute.paths.values import Const, Dict, Env, List, Tuple, Value

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

MOST_PATHS = 8
Made = tuple[State, tuple[Value, ...], Value | None]


def comprehension(ex: Executor, node: ir.Comprehension, state: State) -> Results:
    """Evaluate a comprehension; a generator expression is run at once."""
    outer = state.env
    scope = state.new(node, Env({}, outer))
    state.stack, state.env = (*state.stack, outer), scope.address
    results: Results = []
    for after, items, size in _loop(ex, node, node.generators, state, ()):
        after.stack, after.env = after.stack[:-1], outer
        if node.kind == "dict":
            results.append((after, after.new(node, _filed(node, items, size))))
        else:
            kind = "set" if node.kind == "set" else "list"
            results.append((after, after.new(node, _listed(node, items, size, kind))))
    return results


def asks_until(node: ir.Call, state: State) -> bool:
    """Whether a call is one of `any` or `all`, which ask a generator until they know."""
    given = node.args[0] if len(node.args) == 1 else None
    if not isinstance(given, ir.Comprehension) or given.kind != "generator":
        return False
    name = node.func.id if isinstance(node.func, ir.Name) else ""
    known = name in ("any", "all") and state.lookup(name) is None
    return known and len(given.generators) == 1


def decided(ex: Executor, call: ir.Call, state: State) -> Results:
    """Run the generator that `any` or `all` asks, until an item has the truth that decides it."""
    node, wanted = call.args[0], isinstance(call.func, ir.Name) and call.func.id == "any"
    assert isinstance(node, ir.Comprehension)
    generator, outer = node.generators[0], state.env
    scope = state.new(node, Env({}, outer))
    state.stack, state.env = (*state.stack, outer), scope.address
    results: Results = []
    for before, source in ex.eval(generator.iter, state):
        items = gather(ex, before, source, generator)
        going: list[Made] = [(before, (), None)]
        for index, item in enumerate(items.values):
            paths, going = going, []
            for path in paths:
                ran = _iteration(ex, node, generator, (), path, index, item, items.values)
                for after, made, size in ran:
                    ways = truth(after, made[-1]) if len(made) > len(path[1]) else []
                    results += [(s, Const(wanted)) for s, way in ways if way is wanted]
                    left = [s for s, way in ways if way is not wanted] if ways else [after]
                    going += [(s, made, size) for s in left]
            for dropped, _, _ in going[MOST_PATHS:]:
                ex.drop(dropped)
            going = going[:MOST_PATHS]
        results += [(s, Const(not wanted)) for s, _, _ in going]
    for after, _ in results:
        after.stack, after.env = after.stack[:-1], outer
    return results


def _listed(
    node: ir.Comprehension, items: tuple[Value, ...], size: Value | None, kind: str
) -> List:
    """Make the list of a comprehension; a constant length is that of one that was abridged."""
    if size is None or not is_exact(size):
        return List(items, size, kind)
    return List(items, None, kind, total=size.value if len(node.generators) == 1 else None)


def _filed(node: ir.Comprehension, items: tuple[Value, ...], size: Value | None) -> Dict:
    """Make the dictionary of a comprehension."""
    pairs = [item.items for item in items if isinstance(item, Tuple)]
    known = {dict_key(key): value for key, value in pairs}
    exact = size is not None and is_exact(size) and len(node.generators) == 1
    total = size.value if exact and isinstance(size, Const) else None
    return Dict(known, size is not None, total=total)


def _loop(
    ex: Executor,
    node: ir.Comprehension,
    generators: Sequence[ir.Generator],
    state: State,
    made: tuple[Value, ...],
) -> list[Made]:
    """Run the outermost of some generators, and the rest within it."""
    generator, *inner = generators
    results: list[Made] = []
    state.temps = (*state.temps, Tuple(made))
    for before, source in ex.eval(generator.iter, state):
        before.temps = before.temps[:-1]
        body = (*generator.tests, *node.item)
        wanted = asked(ex, before, generator, generator.target, body)
        items = gather(ex, before, source, generator, wanted)
        if items.supposed:
            suppose_longer(before, generator)
        count = length(before, source) if items.skips else None
        paths: list[Made] = [(before, made, items.length or count)]
        for index, item in enumerate(items.values):
            paths = [
                after
                for path in paths
                for after in _iteration(ex, node, generator, inner, path, index, item, items.values)
            ]
            for dropped, _, _ in paths[MOST_PATHS:]:
                ex.drop(dropped)
            paths = paths[:MOST_PATHS]
        results += paths
    return results


def _iteration(
    ex: Executor,
    node: ir.Comprehension,
    generator: ir.Generator,
    inner: Sequence[ir.Generator],
    path: Made,
    index: int,
    item: Value,
    items: tuple[Value, ...],
) -> list[Made]:
    state, made, known = path
    temps = state.temps
    state.temps = (*temps, Tuple(made), Tuple(items))
    frame = ex.enter(state, generator, "loop", index=index)
    results: list[Made] = []
    for bound in assign(ex, state, generator.target, item, generator):
        for tested, keep, sure in _tests(ex, generator.tests, bound):
            size = known if sure else tested.sym(node, "length")
            if not keep:
                results.append((tested, made, size))
            elif inner:
                results += [
                    (after, items_, size or inner_size)
                    for after, items_, inner_size in _loop(ex, node, inner, tested, made)
                ]
            else:
                for after, values in ex.eval_each(node.item, tested):
                    value = values[0] if len(values) == 1 else Tuple(values)
                    note_made(ex, after, node, made, value)
                    results.append((after, (*made, value), size))
    for after, _, _ in results:
        after.frame, after.temps = frame, temps
    return results


def _tests(ex: Executor, tests: Sequence[ir.Expr], state: State) -> list[tuple[State, bool, bool]]:
    """Run a generator's conditions: (state, whether all hold, whether that was certain)."""
    open_paths: list[tuple[State, bool]] = [(state, True)]
    done: list[tuple[State, bool]] = []
    for test in tests:
        following: list[tuple[State, bool]] = []
        for before, sure in open_paths:
            for after, value in ex.eval(test, before):
                ways = truth(after, value)
                for decided, way in ways:
                    certain = sure and len(ways) == 1
                    (following if way else done).append((decided, certain))
        open_paths = following
    return [(s, True, sure) for s, sure in open_paths] + [(s, False, sure) for s, sure in done]
