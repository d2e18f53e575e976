"""What a value yields when it is iterated over, and how long it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from graphlint.static import ir
from graphlint.static.execute.library.ops import apply_op
from graphlint.static.execute.paths.classes import find_method, is_named_tuple
from graphlint.static.execute.paths.frames import Frame
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.numbers import from_linear, linear, name_of, some
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    Const,
    Dict,
    Enumerate,
    Instance,
    Key,
    Layer,
    List,
    Range,
    Ref,
    Some,
    Sym,
    Tensor,
    Tuple,
    Value,
    Zip,
)

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor


ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class Items:
    """The items of an iteration.

    `length` is None where these are all; otherwise they are the first and the last of that many.
    `chosen` says that they are some of many that are known.
    """

    values: tuple[Value, ...]
    length: Value | None = None
    yielded: tuple[Frame, ...] = ()
    chosen: bool = False

    @property
    def skips(self) -> bool:
        """Whether a loop over these leaves out iterations."""
        return self.chosen or self.length is not None


def length(state: State, value: Value) -> Value:
    """Return how many items a value has; the same unknown each time where that is not known."""
    if isinstance(value, Tuple):
        return Const(len(value.items))
    if isinstance(value, Const) and isinstance(value.value, (str, bytes)):
        return Const(len(value.value))
    if isinstance(value, Range):
        return value.count
    if isinstance(value, Enumerate):
        return length(state, value.items)
    if isinstance(value, Ref):
        found = state.object(value)
        if isinstance(found, List):
            return _list_length(state, value, found) if found.length is None else found.length
        if isinstance(found, Dict) and not found.open:
            return Const(len(found.items))
        if isinstance(found, Layer) and found.children:
            return Const(len(found.children))
        return Sym(("length", value.address))
    return Sym(("length", name_of(value)))


def _list_length(state: State, ref: Ref, found: List) -> Value:
    known = len(found.items)
    if ref.address in state.grown:
        return some(known, ("length", ref.address, known), low=known)
    return Const(known)


def iterate(ex: Executor, state: State, value: Value, place: ir.Node) -> Items:
    """Return what a loop over a value sees; long loops see some of it (`Budget.iterations`)."""
    if isinstance(value, Range):
        return _range(ex, state, value, place)
    if isinstance(value, Enumerate):
        return _enumerate(ex, state, value, place)
    if isinstance(value, Zip):
        return _zip(ex, state, value, place)
    if isinstance(value, Tuple):
        return _some(ex, value.items)
    if isinstance(value, Ref):
        return _object(ex, state, value, place)
    if isinstance(value, Sym):
        count = length(state, value)
        _at_least_two(state, count)
        _forget_items(state, value)
        names = [Sym(("item", value.name, index), value.node) for index in (0, -1)]
        return Items(tuple(names), count)
    return Items((state.sym(place, "item"), state.sym(place, "item")), state.sym(place, "length"))


def _forget_items(state: State, value: Sym) -> None:
    """Forget what was written on the items of an earlier iteration: a loader makes new ones."""
    first, last = (("item", value.name, index) for index in (0, -1))
    state.attrs = {
        name: written
        for name, written in state.attrs.items()
        if not (_is_within(first, name) or _is_within(last, name))
    }


def _is_within(item: Key, name: object) -> bool:
    while isinstance(name, tuple) and len(name) > 1:
        if name == item:
            return True
        name = name[1]
    return False


def every(ex: Executor, state: State, value: Value, place: ir.Node) -> Items:
    """Return all items that are known, for unpacking and building containers."""
    if isinstance(value, Tuple):
        return Items(value.items)
    found = state.get(value, List)
    if found:
        return Items(found.items, found.length)
    return iterate(ex, state, value, place)


def _some(ex: Executor, items: Sequence[Value]) -> Items:
    chosen = _chosen(ex, items)
    return Items(chosen, chosen=len(chosen) < len(items))


def _chosen(ex: Executor, items: Sequence[ItemT]) -> tuple[ItemT, ...]:
    """Choose the items that a loop runs for: all of a few, else the first two and the last."""
    if len(items) > ex.budget.iterations + 2:
        return (*items[:2], items[-1])
    return tuple(items)


def _at_least_two(state: State, count: Value) -> None:
    split = linear(count)
    name, offset = split or (None, 0)
    if name is not None:
        state.bounds[name] = max(state.bounds.get(name, 2 - int(offset)), 2 - int(offset))


def _range(ex: Executor, state: State, value: Range, place: ir.Node) -> Items:
    start, count = linear(value.start), value.count
    if isinstance(count, Const) and isinstance(count.value, int):
        return _counted(ex, state, value, count, place)
    _at_least_two(state, count)
    total = linear(count)
    if start and total and total[0] is not None and start[0] is None and value.step == 1:
        last = from_linear(total[0], start[1] + total[1] - 1)
    else:
        last = Sym(("last", name_of(value)))
    return Items((value.start, last), count)


def _counted(ex: Executor, state: State, value: Range, count: Const, place: ir.Node) -> Items:
    """Return the numbers of a range of known length; of many the second stands for all between."""
    start, total = linear(value.start), max(0, count.value)
    chosen = total > ex.budget.iterations
    indices: Sequence[int] = (0, 1, total - 1) if chosen else range(total)
    if start is None:
        return Items(tuple(Sym(("index", name_of(value.start), i)) for i in indices), chosen=chosen)
    numbers = [from_linear(start[0], start[1] + i * value.step) for i in indices]
    if chosen and start[0] is None:
        ends = sorted((start[1] + value.step, start[1] + (total - 2) * value.step))
        numbers[1] = some(start[1] + value.step, (state.frame, place), *ends)
    if isinstance(count, Some) and start[0] is None and total > 0 and value.step == 1:
        numbers[-1] = from_linear(count.about, count.offset + start[1] - 1)
    return Items(tuple(numbers), chosen=chosen)


def _enumerate(ex: Executor, state: State, value: Enumerate, place: ir.Node) -> Items:
    inner = iterate(ex, state, value.items, place)
    count = length(state, value.items)
    if inner.length is not None:
        _at_least_two(state, count)
    if inner.chosen and isinstance(count, Const):
        numbers = _counted(ex, state, Range(value.start, count, 1), count, place).values
    else:
        numbers = _ordinals(value.start, count, len(inner.values))
    pairs = zip(numbers, inner.values, strict=True)
    rows = tuple(Tuple(pair) for pair in pairs)
    return Items(rows, inner.length, inner.yielded, inner.chosen)


def _ordinals(first: Value, count: Value, known: int) -> tuple[Value, ...]:
    """Return the numbers of the known items, the last of which is the last of all."""
    start, total = linear(first), linear(count)
    if start is None or start[0] is not None:
        return tuple(Sym(("index", name_of(first), index)) for index in range(known))
    numbers: list[Value] = [Const(int(start[1]) + index) for index in range(known)]
    if known > 1 and total:
        numbers[-1] = from_linear(total[0], total[1] + start[1] - 1)
    return tuple(numbers)


def _zip(ex: Executor, state: State, value: Zip, place: ir.Node) -> Items:
    columns = [iterate(ex, state, column, place) for column in value.columns]
    if not columns:
        return Items(())
    exact = [column for column in columns if column.length is None]
    count = min(len(column.values) for column in exact or columns)
    rows = []
    for index in range(count):
        row = [c.values[min(index, len(c.values) - 1)] for c in columns if c.values]
        rows.append(Tuple(tuple(row)))
    skips = any(column.chosen for column in columns)
    yielded = next((column.yielded for column in columns if column.yielded), ())
    return Items(tuple(rows), None if exact else columns[0].length, yielded, skips)


def _object(ex: Executor, state: State, ref: Ref, place: ir.Node) -> Items:
    found = state.object(ref)
    if isinstance(found, List):
        if found.length is None:
            some = _some(ex, found.items)
            return replace(some, yielded=_chosen(ex, found.yielded))
        _at_least_two(state, found.length)
        items = found.items * 2 if len(found.items) == 1 else found.items
        return Items(items, found.length)
    if isinstance(found, Dict):
        keys = tuple(Const(k) if not isinstance(k, tuple) else Sym(k) for k in found.items)
        return Items(keys, length(state, ref) if found.open else None)
    if isinstance(found, Layer):
        if found.keys:
            return Items(tuple(map(Const, found.keys)))
        return _some(ex, found.children)
    if isinstance(found, Instance):
        if is_named_tuple(state, found.cls):
            return Items(tuple(found.attrs.values()))
        made = _own_iterator(ex, state, ref, place)
        if made is not None:
            return iterate(ex, state, made, place)
    count = length(state, ref)
    _at_least_two(state, count)
    if isinstance(found, Tensor):
        rows = [apply_op(ex, state, place, "select", (ref,)) for _ in range(2)]
        return Items(tuple(rows), count)
    names = [Sym(("item", ref.address, index)) for index in (0, -1)]
    return Items(tuple(names), count)


def _own_iterator(ex: Executor, state: State, ref: Ref, place: ir.Node) -> Value | None:
    """Call an object's own `__iter__`, unless that branches or only returns the object."""
    method = find_method(state, ref, "__iter__")
    if method is None:
        return None
    results = ex.invoke(state, Invocation(place), method)
    if len(results) != 1 or results[0][0] is not state or results[0][1] == ref:
        return None
    return results[0][1]
