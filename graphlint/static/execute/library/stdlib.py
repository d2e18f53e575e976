"""Functions of the standard library: `functools`, `collections`, `copy` and others."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.holds import BOUNDED, LARGE
from graphlint.static.execute.library.builtins import Handler, all_items, make_list
from graphlint.static.execute.library.items import every
from graphlint.static.execute.paths.classes import members
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.numbers import is_exact
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    NONE,
    Class,
    Const,
    Context,
    Dict,
    External,
    Instance,
    Layer,
    List,
    Partial,
    Ref,
    Sym,
    Tensor,
    Tuple,
    Value,
)

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results


NAMED_TUPLE = External("typing.NamedTuple")


def _deque(ex: Executor, state: State, call: Invocation) -> Results:
    """Make a deque; its length is not followed, only that it has a bound, and no large one."""
    results = make_list(ex, state, call)
    bound = call.args[1] if len(call.args) > 1 else call.keywords.get("maxlen", NONE)
    known = bound.value if isinstance(bound, Const) else 0
    is_bounded = bound != NONE and not (isinstance(known, int) and known >= LARGE)
    for after, made in results:
        found = after.get(made, List)
        if is_bounded and found is not None and isinstance(made, Ref):
            after.put(made, replace(found, kind=BOUNDED))
    return results


def _queue(ex: Executor, state: State, call: Invocation) -> Results:
    return [(state, state.new(call.node, List(())))]


def _defaultdict(ex: Executor, state: State, call: Invocation) -> Results:
    factory = call.args[0] if call.args and call.args[0] != NONE else None
    return [(state, state.new(call.node, Dict(dict(call.keywords), factory is None, factory)))]


def _partial(ex: Executor, state: State, call: Invocation) -> Results:
    if not call.args:
        return [(state, state.sym(call.node))]
    return [(state, Partial(call.args[0], tuple(call.args[1:]), tuple(call.keywords.items())))]


def _partial_method(ex: Executor, state: State, call: Invocation) -> Results:
    return [
        (after, replace(value, method=True) if isinstance(value, Partial) else value)
        for after, value in _partial(ex, state, call)
    ]


def _reduce(ex: Executor, state: State, call: Invocation) -> Results:
    if len(call.args) < 2:
        return [(state, state.sym(call.node))]
    items = [*call.args[2:], *all_items(ex, state, call.node, call.args[1]).values]
    return [
        (s, made[-1] if made else s.sym(call.node))
        for s, made in _fold(ex, state, call.node, call.args[0], items)
    ]


def _accumulate(ex: Executor, state: State, call: Invocation) -> Results:
    if not call.args:
        return [(state, state.sym(call.node))]
    source = all_items(ex, state, call.node, call.args[0])
    first = [call.keywords["initial"]] if "initial" in call.keywords else []
    func = (
        call.args[1] if len(call.args) > 1 else call.keywords.get("func", External("operator.add"))
    )
    folded = _fold(ex, state, call.node, func, [*first, *source.values])
    return [(s, s.new(call.node, List(made, source.length))) for s, made in folded]


def _fold(
    ex: Executor, state: State, node: ir.Node, func: Value, items: Sequence[Value]
) -> list[tuple[State, tuple[Value, ...]]]:
    """Carry a value through calls of a function, as a loop does: every value on the way."""
    results: list[tuple[State, tuple[Value, ...]]] = [(state, tuple(items[:1]))]
    for index, item in enumerate(items[1:]):
        following = []
        for before, made in results:
            before.temps = (*before.temps, Tuple(made), Tuple(tuple(items)))
            frame = ex.enter(before, node, "loop", index=index)
            for after, value in ex.invoke(before, Invocation(node, (made[-1], item)), func):
                after.frame, after.temps = frame, after.temps[:-2]
                following.append((after, (*made, value)))
        results = following
    return results


def _field(ex: Executor, state: State, call: Invocation) -> Results:
    """Declare a dataclass's field: its default, or what makes one for each object."""
    if "default_factory" in call.keywords:
        return [(state, Context("field factory", call.keywords["default_factory"]))]
    return [(state, call.keywords.get("default", state.sym(call.node)))]


def _fields(ex: Executor, state: State, call: Invocation) -> Results:
    """List a dataclass's fields: each knows its name."""
    given = call.args[0] if call.args else NONE
    found = state.get(given, Instance)
    address = found.cls if found else given.address if isinstance(given, Ref) else None
    if address is None or state.get(Ref(address), Class) is None:
        return [(state, state.sym(call.node))]
    names = [n for cls in reversed(list(members(state, address))) for n in cls.fields]
    made = [state.new(call.node, Dict({"name": Const(name)})) for name in dict.fromkeys(names)]
    return [(state, Tuple(tuple(made)))]


def _named_tuple(ex: Executor, state: State, call: Invocation) -> Results:
    """Make the class that `namedtuple(name, fields)` returns."""
    given = call.args[1] if len(call.args) > 1 else NONE
    if isinstance(given, Const):
        names = str(given.value).replace(",", " ").split()
    else:
        items = every(ex, state, given, call.node).values
        names = [str(item.value) for item in items if isinstance(item, Const)]
    return [(state, state.new(call.node, Class("namedtuple", (NAMED_TUPLE,), {}, tuple(names))))]


def _deepcopy(ex: Executor, state: State, call: Invocation) -> Results:
    return [
        (
            state,
            copy_value(state, call.node, call.args[0], {}) if call.args else state.sym(call.node),
        )
    ]


def _copy(ex: Executor, state: State, call: Invocation) -> Results:
    """Copy a container or object that holds the same things; a tensor's copy has its graph."""
    given = call.args[0] if call.args else NONE
    found = state.object(given) if isinstance(given, Ref) else None
    if isinstance(found, (List, Dict, Instance)):
        return [(state, state.new(call.node, found))]
    return [(state, given if call.args else state.sym(call.node))]


def _heap_push(ex: Executor, state: State, call: Invocation) -> Results:
    args = call.args
    found = state.get(args[0], List) if len(args) > 1 else None
    if found is not None and isinstance(args[0], Ref):
        state.put(args[0], replace(found, items=(*found.items, args[1])))
    return [(state, NONE)]


def _heap_pop(ex: Executor, state: State, call: Invocation) -> Results:
    """Take the least item, or the first that was pushed where that can't be told."""
    found = state.get(call.args[0], List) if call.args else None
    if found is not None and found.items and isinstance(call.args[0], Ref):
        ranks = [_rank(item) for item in found.items]
        known = [rank for rank in ranks if rank is not None]
        least = ranks.index(min(known)) if len(known) == len(ranks) else 0
        items = found.items[:least] + found.items[least + 1 :]
        state.put(call.args[0], replace(found, items=items))
        return [(state, found.items[least])]
    return [(state, state.sym(call.node))]


def _rank(item: Value) -> tuple[float, ...] | None:
    """Return the known numbers that an item begins with, by which a heap puts it in order."""
    parts = item.items if isinstance(item, Tuple) else (item,)
    known = itertools.takewhile(is_exact, parts)
    values = [part.value for part in known if isinstance(part, Const)]
    numbers = itertools.takewhile(lambda value: isinstance(value, (int, float)), values)
    return tuple(numbers) or None


def copy_value(state: State, node: ir.Node, value: Value, done: dict[int, Ref]) -> Value:
    """Copy a value with everything in it: copied tensors are leaves of their own."""
    if isinstance(value, Tuple):
        return Tuple(tuple(copy_value(state, node, item, done) for item in value.items))
    if isinstance(value, Sym):
        return state.sym(node)
    if not isinstance(value, Ref):
        return value
    if value.address in done:
        return done[value.address]
    found = state.object(value)
    if isinstance(found, Class):
        return value
    made = done[value.address] = state.new(node, found)
    if isinstance(found, Tensor):
        leaf = ("tensor", made.address) if found.leaf is not None else None
        state.put(made, Tensor(None, leaf))
    elif isinstance(found, List):
        items = tuple(copy_value(state, node, item, done) for item in found.items)
        state.put(made, replace(found, items=items))
    elif isinstance(found, Dict):
        state.put(made, replace(found, items=_copied(state, node, found.items, done)))
    elif isinstance(found, Instance):
        state.put(made, replace(found, attrs=_copied(state, node, found.attrs, done)))
    elif isinstance(found, Layer):
        children = tuple(copy_value(state, node, child, done) for child in found.children)
        attrs = _copied(state, node, found.attrs, done)
        state.put(made, replace(found, children=children, attrs=attrs))
    return made


def _copied(
    state: State, node: ir.Node, items: Mapping[str, Value], done: dict[int, Ref]
) -> dict[str, Value]:
    return {name: copy_value(state, node, value, done) for name, value in items.items()}


HANDLERS: Mapping[str, Handler] = {
    "collections.deque": _deque,
    "queue.Queue": _queue,
    "queue.SimpleQueue": _queue,
    "queue.LifoQueue": _queue,
    "collections.defaultdict": _defaultdict,
    "functools.partial": _partial,
    "functools.partialmethod": _partial_method,
    "functools.reduce": _reduce,
    "itertools.accumulate": _accumulate,
    "asyncio.Queue": _queue,
    "collections.namedtuple": _named_tuple,
    "dataclasses.field": _field,
    "dataclasses.fields": _fields,
    "heapq.heappush": _heap_push,
    "heapq.heappop": _heap_pop,
    "copy.deepcopy": _deepcopy,
    "copy.copy": _copy,
}
