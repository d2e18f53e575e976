"""What iterations that are left out would have counted.

# Note [Skipped iterations]
Of a long loop the first iteration is run, and one or two that stand for all the others. A counter
has gone on by then, and a list has grown, by nobody knows how much: what the iterations so far made
larger may be larger still. Such a number is a `Some`. It keeps the value that it has, which is as
good as any where it picks an item of a list of which no more items are known either; but whether
it is larger than another number can't be told, nor what its remainder is. So both branches of
`if steps > 1000` are followed, of `if steps % 4 == 0`, and of `if len(replay) >= batch_size`. An
item that is picked by its distance from a list's end may be one that a skipped iteration appended:
one that is known stands for it, and what a pass does to its graph is no proof (`suppositions`).

A method that is not followed, as it is too long or calls are nested too deeply, may set any
attribute that it writes: what these hold is forgotten.

The objects of a class that nobody uses are in the same case when their methods run for the second
time: much may have happened to them in between.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.paths.classes import members
from graphlint.static.execute.paths.numbers import some
from graphlint.static.execute.paths.values import (
    NONE,
    Address,
    Const,
    Env,
    Func,
    Instance,
    List,
    Object,
    Ref,
    Sym,
    Tensor,
    Tuple,
    Value,
)
from graphlint.static.knowledge.names import FORWARD

if TYPE_CHECKING:
    from graphlint.static.execute.paths.state import State

Heap = Mapping[Address, Object]
Variables = Mapping[str, Value]


def skip_iterations(state: State, before: Heap, counting: frozenset[str] = frozenset()) -> None:
    """Leave open how far what changed since `before` has gone on: the loop ran in between.

    `counting` are the variables that the loop's body counts with, which may just start anew.
    """
    for address, found in list(state.heap.items()):
        earlier = before.get(address)
        if earlier is None or earlier is found:
            continue
        if isinstance(found, Env) and isinstance(earlier, Env):
            here = counting if address == state.env else frozenset[str]()
            counted = _counted(state, address, found.vars, earlier.vars, here)
            _note_emptied(state, found.vars, earlier.vars)
            if counted:
                state.heap[address] = replace(found, vars={**found.vars, **counted})
        elif isinstance(found, Instance) and isinstance(earlier, Instance):
            counted = _counted(state, address, found.attrs, earlier.attrs)
            _note_emptied(state, found.attrs, earlier.attrs)
            if counted:
                state.heap[address] = replace(found, attrs={**found.attrs, **counted})
        elif isinstance(found, List) and isinstance(earlier, List):
            if len(found.items) > len(earlier.items):
                state.grown[address] = found.items[-1]
            elif len(found.items) < len(earlier.items):
                state.heap[address] = replace(found, length=_shrunk(state, address, found))


def _shrunk(state: State, address: Address, found: List) -> Value:
    """Return how many items a list may have left that loses some in each iteration."""
    known = found.length if found.length is not None else Const(len(found.items))
    if not isinstance(known, Const) or not isinstance(known.value, int):
        return known
    return some(known.value, (state.frame, address, "left"), low=0, high=known.value)


def skip_uses(state: State) -> None:
    """Leave open what the methods of objects have counted, and put into lists, in the meantime."""
    for address, found in list(state.heap.items()):
        if isinstance(found, Instance):
            names = _written(state, found)
            counted = {
                name: some(number, (state.frame, address, name), low=number)
                for name, value in found.attrs.items()
                if name in names and (number := _number(value)) is not None
            }
            if counted:
                state.heap[address] = replace(found, attrs={**found.attrs, **counted})
            state.grown.update(dict.fromkeys(_lists(state, found.attrs.values())))


def skip_call(state: State, place: object, method: Func, made: Value = NONE) -> None:
    """Leave open what a method that is not followed has set on its object.

    What unknown code made of tensors may have changed, and will share the graph of these still.
    What a forward pass keeps beside what it has `made` is of one graph with that.
    """
    found = state.get(method.bound, Instance)
    if found is None or not isinstance(method.bound, Ref):
        return
    names = _written_by(state, found, method.function)
    kept = _kept_with(state, found, method, made) & names
    forgotten: dict[str, Value] = {
        name: state.sym(place, node=value.node if isinstance(value, Sym) else None)
        for name, value in found.attrs.items()
        if name in names - kept
    }
    if isinstance(made, Sym):
        forgotten |= {name: state.sym(place, node=made.node) for name in sorted(kept)}
    if forgotten:
        state.put(method.bound, replace(found, attrs={**found.attrs, **forgotten}))


def _kept_with(state: State, found: Instance, method: Func, made: Value) -> frozenset[str]:
    """Return the attributes that may hold tensors of the graph that a forward pass has made."""
    if method.function.name not in FORWARD or not isinstance(made, Sym) or made.node is None:
        return frozenset()
    return frozenset(
        name
        for name in _always_written(method.function.body)
        if _may_hold_tensors(state, found.attrs.get(name, NONE))
    )


def _always_written(block: Sequence[ir.Stmt]) -> Iterator[str]:
    """Walk the attributes that statements set each time: one set in a branch is made just once."""
    for statement in block:
        if isinstance(statement, ir.Assign):
            targets = [n for target in statement.targets for n in ir.walk(target)]
            yield from (node.name for node in targets if isinstance(node, ir.Attribute))
        elif isinstance(statement, ir.With):
            yield from _always_written(statement.body)


def _may_hold_tensors(state: State, value: Value) -> bool:
    known = state.heap.get(value.address) if isinstance(value, Ref) else None
    return value == NONE or isinstance(value, (Sym, Tuple)) or isinstance(known, (List, Tensor))


def made_of(state: State, constructor: Func, made: Value) -> None:
    """Give an object the graph of the tensors that a constructor which is not followed got."""
    found = state.get(constructor.bound, Instance)
    if found is None or not isinstance(constructor.bound, Ref) or not isinstance(made, Sym):
        return
    if ("of tensors", made.node) not in state.facts:
        return
    address = constructor.bound.address
    names = _written_by(state, found, constructor.function) - found.attrs.keys()
    held = {name: Sym(("attribute", address, name), made.node) for name in names}
    state.put(constructor.bound, replace(found, attrs={**found.attrs, **held}))


def _written_by(state: State, found: Instance, function: ir.Function) -> frozenset[str]:
    """Return the attributes that a method writes, or another method of its object that it calls."""
    names, called, todo = set[str](), set[str](), [function]
    while todo:
        mentions = todo.pop().mentions
        names |= mentions.writes
        for cls in members(state, found.cls):
            for name, member in cls.members.items():
                if name in mentions.calls - called and isinstance(member, Func):
                    called.add(name)
                    todo.append(member.function)
    return frozenset(names)


def skip_setting_up(state: State, ref: Value) -> None:
    """Leave open what others may have set on an object: its attributes that are None."""
    found = state.get(ref, Instance)
    if found is None or not isinstance(ref, Ref):
        return
    opened = {
        name: Sym(("attribute", ref.address, name))
        for name, value in found.attrs.items()
        if value == NONE
    }
    state.put(ref, replace(found, attrs={**found.attrs, **opened}))


def _note_emptied(state: State, now: Variables, before: Variables) -> None:
    """Note lists that were started anew: iterations that are left out may have filled them."""
    for name, value in now.items():
        if name in before and value != before[name] and isinstance(value, Ref):
            found = state.get(value, List)
            if found is not None and not found.items:
                state.grown.setdefault(value.address, None)


def _counted(
    state: State,
    address: Address,
    now: Variables,
    before: Variables,
    counting: frozenset[str] = frozenset(),
) -> dict[str, Value]:
    """Return the counters among variables, each with what it may have become."""
    counted: dict[str, Value] = {}
    for name, value in now.items():
        number, earlier = _number(value), _number(before.get(name))
        if number is None or earlier is None:
            continue
        if number != earlier or name in counting:
            low = number if number >= earlier else -math.inf
            high = number if number == earlier - 1 else math.inf
            counted[name] = some(number, (state.frame, address, name), low, high)
    return counted


def _number(value: Value | None) -> int | None:
    known = value.value if isinstance(value, Const) else None
    return known if isinstance(known, int) and not isinstance(known, bool) else None


def _written(state: State, found: Instance) -> frozenset[str]:
    """Return the attributes that an object's methods write, but for its constructor."""
    return frozenset().union(
        *(
            member.function.mentions.writes
            for cls in members(state, found.cls)
            for name, member in cls.members.items()
            if isinstance(member, Func) and name != "__init__"
        )
    )


def _lists(state: State, values: Iterable[Value]) -> frozenset[Address]:
    return frozenset(
        value.address for value in values if isinstance(value, Ref) and state.get(value, List)
    )
