"""Methods of lists, dictionaries and unknown containers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.gradients import note_escape
from graphlint.static.execute.autograd.holds import note_stored
from graphlint.static.execute.library import contexts
from graphlint.static.execute.library.dictionaries import (
    of_keywords,
    overlaid,
    seen_now,
    write_through,
)
from graphlint.static.execute.library.items import Items, every
from graphlint.static.execute.library.subscripts import dict_key
from graphlint.static.execute.library.unknown import hand_over, is_risky
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.numbers import is_exact, name_of
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.suppositions import suppose_picked
from graphlint.static.execute.paths.values import NONE, Const, Dict, List, Ref, Sym, Tuple, Value

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

ADDING = frozenset("append add appendleft push put register".split())


def call_list(
    ex: Executor, state: State, call: Invocation, owner: Ref, found: List, name: str
) -> Results:
    """Call a method of a list, set or deque, or of what is kept as one."""
    if found.kind == contexts.VARIABLE:
        return [(state, contexts.call_variable(state, call, owner, found, name))]
    if found.kind == contexts.STACK:
        return contexts.call_stack(ex, state, call, owner, found, name)
    args = call.args
    items = found.items
    if name in ADDING:
        added = (*args[:1], *items) if name == "appendleft" else (*items, *args[:1])
        state.put(owner, replace(found, items=added))
        note_stored(ex, state, call.node, owner, args[:1])
    elif name in ("extend", "update") and args:
        more = every(ex, state, args[0], call.node)
        length = found.length or more.length
        state.put(owner, replace(found, items=(*items, *more.values), length=length))
        note_stored(ex, state, call.node, owner, more.values)
    elif name == "insert" and len(args) > 1:
        state.put(owner, replace(found, items=(args[1], *items)))
        note_stored(ex, state, call.node, owner, args[1:2])
    elif name == "clear":
        state.put(owner, replace(found, items=(), length=None))
    elif name in ("reverse", "rotate"):
        turned = items[::-1] if name == "reverse" else _rotated(items, args)
        state.put(owner, replace(found, items=turned))
    elif name in ("pop", "popleft", "get"):
        return [(state, _pop(state, call, owner, found, name))]
    elif name == "copy":
        return [(state, state.new(call.node, List(items, found.length, found.kind)))]
    elif name in ("remove", "discard"):
        state.put(owner, _without(state, call, found))
    elif name != "sort":
        hand_over(state, args, name, is_risky(name))
        note_escape(ex, state, args)
        return [(state, state.sym(call.node, "number"))]
    return [(state, NONE)]


def _rotated(items: tuple[Value, ...], args: Sequence[Value]) -> tuple[Value, ...]:
    by = args[0] if args else Const(1)
    if not (isinstance(by, Const) and isinstance(by.value, int) and items):
        return items
    start = -by.value % len(items)
    return items[start:] + items[:start]


def _without(state: State, call: Invocation, found: List) -> List:
    """Take an item out of a list or set: it has fewer of them, if it can't be told which."""
    items = list(found.items)
    given = call.args[0] if call.args else NONE
    if given in items and not found.abridged:
        items.remove(given)
        length = found.length
        if length is not None and is_exact(length) and isinstance(length.value, int):
            length = Const(length.value - 1)
        return replace(found, items=tuple(items), length=length)
    return found


def left_of_set(state: State, node: ir.Node, first: Items, second: Items, common: bool) -> Value:
    """Make the set of one's items that another has, or those that it has not."""
    whole = first.length is None and second.length is None
    if not whole or not all(map(is_exact, (*first.values, *second.values))):
        return state.new(node, List(first.values, state.sym(node, "length")))
    kept = tuple(item for item in first.values if (item in second.values) is common)
    return state.new(node, List(kept))


def _pop(state: State, call: Invocation, owner: Ref, found: List, name: str) -> Value:
    items = list(found.items)
    if not items:
        return state.sym(call.node)
    position = 0 if name in ("popleft", "get") else -1
    given = call.args[0].value if call.args and isinstance(call.args[0], Const) else None
    if isinstance(given, int) and not isinstance(given, bool):
        position = given
    if not -len(items) <= position < len(items):
        position = -1
    value = items.pop(position)
    state.put(owner, replace(found, items=tuple(items)))
    return value


def call_dict(
    ex: Executor, state: State, call: Invocation, owner: Ref, found: Dict, name: str
) -> Results:
    """Call a method of a dictionary, which may be that of an object's attributes."""
    results = _call_dict(ex, state, call, owner, seen_now(state, found), name)
    for after, _ in results:
        write_through(after, owner)
    return results


def _call_dict(
    ex: Executor, state: State, call: Invocation, owner: Ref, found: Dict, name: str
) -> Results:
    if name in ("items", "values", "keys"):
        return [(state, _listed(state, call, found, name))]
    if name in ("get", "pop", "setdefault") and call.args:
        others = _other_values(state, call.args[0], found) if name != "pop" else ()
        forks = [(state.fork(), value) for value in others]
        for fork, value in forks:
            suppose_picked(fork, value)
        return [(state, _look_up(state, call, owner, found, name)), *forks]
    if name == "popitem" and found.items and (found.abridged or not found.open):
        *kept, (key, value) = found.items.items()
        state.put(owner, replace(found, items=dict(kept), open=False))
        return [(state, Tuple((_key(key), value)))]
    if name == "update":
        given = _entries(ex, state, call.node, call.args[0]) if call.args else Dict({})
        given = overlaid(state, call.node, given, of_keywords(call.keywords))
        state.put(owner, replace(overlaid(state, call.node, found, given), of=found.of))
        note_stored(ex, state, call.node, owner, list(given.items.values()))
        return [(state, NONE)]
    if name == "clear":
        state.put(owner, Dict({}, of=found.of))
        return [(state, NONE)]
    if name == "copy":
        copied = Dict(found.items, found.open, total=found.total)
        return [(state, state.new(call.node, copied))]
    return [(state, state.sym(call.node))]


def _listed(state: State, call: Invocation, found: Dict, name: str) -> Ref:
    """List the entries of a dictionary, its values or its keys."""
    pairs = [Tuple((_key(key), value)) for key, value in found.items.items()]
    column = {"keys": 0, "values": 1}.get(name)
    items = tuple(pair if column is None else pair.items[column] for pair in pairs)
    length = state.sym(call.node, "length") if found.open and not found.abridged else None
    return state.new(call.node, List(items, length, total=found.abridged))


def _entries(ex: Executor, state: State, node: ir.Node, given: Value) -> Dict:
    """Return what a dictionary or pairs have of entries."""
    found = state.get(given, Dict)
    if found is not None:
        return found
    pairs = every(ex, state, given, node)
    entries = {
        dict_key(pair.items[0]): pair.items[1]
        for pair in pairs.values
        if isinstance(pair, Tuple) and len(pair.items) == 2
    }
    known = pairs.length is None and len(entries) == len(pairs.values)
    return Dict(entries, not known)


def _key(key: object) -> Value:
    return Sym(key) if isinstance(key, tuple) else Const(key)


def _other_values(state: State, given: Value, found: Dict) -> Sequence[Value]:
    """Return values with graphs that a key may stand for, where that can't be told from others."""
    key = dict_key(given)
    if key in found.items:
        return ()
    known = is_exact(given)
    values = [v for k, v in found.items.items() if not known or isinstance(k, tuple)]
    graphs = [value for value in values if any(state.nodes(value))]
    return list(dict.fromkeys((*graphs[:1], *graphs[-1:])))


def _look_up(state: State, call: Invocation, owner: Ref, found: Dict, name: str) -> Value:
    key = dict_key(call.args[0])
    default = call.args[1] if len(call.args) > 1 else NONE
    if key in found.items:
        if name == "pop":
            rest = {k: v for k, v in found.items.items() if k != key}
            state.put(owner, replace(found, items=rest, open=found.open and not found.abridged))
        return found.items[key]
    if name == "setdefault":
        state.put(owner, replace(found, items={**found.items, key: default}))
        return default
    return state.sym(call.node) if found.open or isinstance(call.args[0], Sym) else default


def call_unknown_container(
    ex: Executor, state: State, call: Invocation, owner: Sym, name: str
) -> Results:
    """Call a method that an unknown value shares with containers."""
    if name in ("append", "extend", "add"):
        hand_over(state, call.args, name, is_risky(name))
        note_escape(ex, state, call.args)
        return [(state, NONE)]
    if name == "items":
        pairs = tuple(
            Tuple((Sym(("key", owner.name, i)), Sym(("value", owner.name, i), owner.node)))
            for i in range(2)
        )
        return [(state, state.new(call.node, List(pairs, Sym(("length", owner.name)))))]
    named = tuple(name_of(arg) for arg in call.args)
    return [(state, Sym(("result", owner.name, name, named), owner.node))]
