"""How many items a value has, and its first ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphlint.static.execute.paths.classes import contents, inner_layer
from graphlint.static.execute.paths.numbers import from_linear, is_exact, linear, name_of, some
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    Const,
    Dict,
    Enumerate,
    Layer,
    List,
    Range,
    Ref,
    Sym,
    Tuple,
    Value,
    Zip,
)

MOST_NUMBERS = 8
"""So few numbers of a range are written out, as if they were a list's items."""


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
    if isinstance(value, Zip) and value.columns:
        return _shortest([length(state, column) for column in value.columns])
    if isinstance(value, Ref):
        value = contents(state, value) or inner_layer(state, value) or value
        found = state.object(value)
        if isinstance(found, List):
            return _list_length(state, value, found) if found.length is None else found.length
        if isinstance(found, Dict) and (found.abridged or not found.open):
            return Const(found.abridged or len(found.items))
        if isinstance(found, Layer) and found.children:
            return Const(len(found.children))
        return Sym(("length", value.address))
    return Sym(("length", name_of(value)))


def _shortest(lengths: Sequence[Value]) -> Value:
    """Return the length of columns side by side: where one is not known, it is not the shortest."""
    known = [each for each in lengths if is_exact(each)]
    return min(known, key=lambda each: int(each.value)) if known else lengths[0]


def _list_length(state: State, ref: Ref, found: List) -> Value:
    known = found.abridged or len(found.items)
    if ref.address in state.grown:
        return some(known, ("length", ref.address, known), low=known)
    return Const(known)


def first_of(state: State, value: Value, count: int) -> Value:
    """Return the first items of a value that has at least so many: a tuple, if all are known."""
    if isinstance(value, Tuple):
        return Tuple(value.items[:count])
    if isinstance(value, Const) and isinstance(value.value, str):
        return Tuple(tuple(map(Const, value.value[:count])))
    if isinstance(value, Range):
        return _first_numbers(value, count)
    if isinstance(value, Enumerate):
        counter = Range(value.start, Const(count), 1)
        rows = _rows([first_of(state, each, count) for each in (counter, value.items)])
        return rows or value
    if isinstance(value, Zip):
        return _rows([first_of(state, column, count) for column in value.columns]) or value
    found = state.get(value, List)
    if found is None or found.length is not None or found.yielded or found.abridged:
        return value
    return Tuple(found.items[:count]) if len(found.items) >= count else value


def _rows(columns: Sequence[Value]) -> Tuple | None:
    """Return the rows of columns side by side, if these are known."""
    known = [column.items for column in columns if isinstance(column, Tuple)]
    if len(known) < len(columns) or len(set(map(len, known))) > 1:
        return None  # a list that a loop made has more items than those that were seen
    return Tuple(tuple(Tuple(row) for row in zip(*known, strict=True)))


def _first_numbers(value: Range, count: int) -> Value:
    """Return the first numbers of a range, written out if they are few."""
    start = linear(value.start)
    if start is None or count > MOST_NUMBERS:
        return replace(value, count=Const(count))
    return Tuple(tuple(from_linear(start[0], start[1] + i * value.step) for i in range(count)))
