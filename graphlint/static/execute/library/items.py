"""What a value yields when it is iterated over, and how long it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.library.ops import apply_op
from graphlint.static.execute.paths.classes import (
    contents,
    find_method,
    inner_layer,
    is_named_tuple,
)
from graphlint.static.execute.paths.frames import Frame
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.lengths import first_of, length
from graphlint.static.execute.paths.numbers import from_linear, is_exact, linear, name_of, some
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.suppositions import suppose_picked
from graphlint.static.execute.paths.turns import Asked, Turn, least_count, turns
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
    Sym,
    Tensor,
    Tuple,
    Value,
    Zip,
)

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor


MOST_GATHERED = 8
"""So few items are all put into a container that is made of them."""


@dataclass(frozen=True, slots=True)
class Items:
    """The items of an iteration.

    `length` is None where these are all, or some of many that are known; otherwise they are some of
    that many. `turns` says which iterations they are for; where it is empty, the first ones of all,
    or the first and the last.
    """

    values: tuple[Value, ...]
    length: Value | None = None
    yielded: tuple[Frame, ...] = ()
    turns: tuple[Turn, ...] = ()

    @property
    def skips(self) -> bool:
        """Whether a loop over these leaves out iterations."""
        return self.length is not None or not all(turn.exact for turn in self.turns)

    def skips_before(self, index: int) -> bool:
        """Whether iterations are left out before one that is run, or it stands for others."""
        if not self.turns:
            return self.skips
        before, turn = self.turns[index - 1 : index + 1]
        return not (before.exact and turn.exact and turn.first == before.first + 1)

    @property
    def supposed(self) -> bool:
        """Whether there may be fewer: of a number that is not known, more than two are run."""
        return self.length is not None and len(self.values) > 2


def iterate(
    ex: Executor,
    state: State,
    value: Value,
    place: ir.Node,
    numbers: frozenset[int] = frozenset(),
    twice: bool = False,
    back: frozenset[int] = frozenset(),
) -> Items:
    """Return what a loop over a value sees; long loops see some of it (Note [Turns of a loop]).

    `numbers` are those that the loop's body compares its counter with, `twice` asks for two
    iterations that stand for others, and `back` for iterations, counted from 0.
    """
    start, step = _counting(value)
    known = linear(start) if start is not None else None
    if known is None or known[0] is not None:
        ordinals: frozenset[int] = frozenset()
    else:
        ordinals = frozenset(int((number - known[1]) // step) for number in numbers)
    return _iterate(ex, state, value, place, Asked(ordinals | back, twice))


def _counting(value: Value) -> tuple[Value | None, int]:
    """Return where the counter of a loop over a value starts, and its step; None without one."""
    if isinstance(value, Range):
        return value.start, value.step
    if isinstance(value, Enumerate):
        return value.start, 1
    if isinstance(value, Zip):
        counting = (_counting(column) for column in value.columns)
        return next((found for found in counting if found[0] is not None), (None, 1))
    return None, 1


def _iterate(ex: Executor, state: State, value: Value, place: ir.Node, asked: Asked) -> Items:
    """Return what a loop over a value sees, given which iterations its body asks for."""
    if isinstance(value, Range):
        return _range(ex, state, value, place, asked)
    if isinstance(value, Enumerate):
        return _enumerate(ex, state, value, place, asked)
    if isinstance(value, Zip):
        return _zip(ex, state, value, place, asked)
    if isinstance(value, Tuple):
        return _some(ex, value.items, asked)
    if isinstance(value, Const) and isinstance(value.value, str):
        return _some(ex, [Const(letter) for letter in value.value], asked)
    if isinstance(value, Ref):
        return _object(ex, state, value, place, asked)
    if isinstance(value, Sym):
        count = length(state, value)
        chosen = turns(None, ex.budget.iterations, asked)
        _at_least(state, count, least_count(chosen))
        _forget_items(state, value)
        names = [Sym(("item", value.name, _ordinal(turn)), value.node) for turn in chosen]
        return Items(tuple(names), count, turns=chosen)
    return Items((state.sym(place, "item"), state.sym(place, "item")), state.sym(place, "length"))


def _ordinal(turn: Turn) -> int:
    """Return what tells the item of a turn from others: its number, -1 for the last."""
    return -1 if turn.ends else turn.first


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


def gather(
    ex: Executor, state: State, value: Value, place: ir.Node, numbers: frozenset[int] = frozenset()
) -> Items:
    """Return what a container is made of: all items if they are few, else what a loop sees."""
    count = length(state, value)
    if is_exact(count) and isinstance(count.value, int) and count.value <= MOST_GATHERED:
        listed = first_of(state, value, count.value)
        if isinstance(listed, Tuple):
            return Items(listed.items)
    return iterate(ex, state, value, place, numbers)


def _some(ex: Executor, items: Sequence[Value], asked: Asked) -> Items:
    chosen = turns(len(items), ex.budget.iterations + 2, asked)
    return Items(tuple(turn.of(items) for turn in chosen), turns=chosen)


def _at_least(state: State, count: Value, least: int) -> None:
    """Assume that there are some items at least."""
    split = linear(count)
    name, offset = split or (None, 0)
    if name is not None:
        bound = least - int(offset)
        state.bounds[name] = max(state.bounds.get(name, bound), bound)


def _range(ex: Executor, state: State, value: Range, place: ir.Node, asked: Asked) -> Items:
    count = value.count
    known = isinstance(count, Const) and isinstance(count.value, int)
    total = max(0, count.value) if isinstance(count, Const) and known else None
    chosen = turns(total, ex.budget.iterations, asked)
    if not known:
        _at_least(state, count, least_count(chosen))
    numbers = tuple(_number(state, value, turn, place) for turn in chosen)
    return Items(numbers, None if known else count, turns=chosen)


def _number(state: State, value: Range, turn: Turn, place: ir.Node) -> Value:
    """Return the number that a range has in one of a loop's turns."""
    start, total = linear(value.start), linear(value.count)
    from_constant = start is not None and start[0] is None
    if turn.first == 0 and turn.exact:
        return value.start
    if turn.ends and from_constant and start and total and total[0] and value.step == 1:
        return from_linear(total[0], total[1] + start[1] - 1)
    if turn.ends and math.isinf(turn.last):
        return Sym(("last", name_of(value)))
    if start is None:
        return Sym(("index", name_of(value.start), _ordinal(turn)))
    number = start[1] + turn.first * value.step
    if turn.exact or not from_constant:
        return from_linear(start[0], number)
    low, high = sorted((number, start[1] + turn.last * value.step))
    return some(number, (state.frame, place, turn.first), low, high)


def _enumerate(ex: Executor, state: State, value: Enumerate, place: ir.Node, asked: Asked) -> Items:
    inner = _iterate(ex, state, value.items, place, asked)
    count = length(state, value.items)
    chosen = inner.turns or _ends(len(inner.values), inner.length is None)
    if inner.length is not None:
        _at_least(state, count, least_count(chosen))
    counter = Range(value.start, count, 1)
    numbers = [_number(state, counter, turn, place) for turn in chosen]
    pairs = zip(numbers, inner.values, strict=True)
    return replace(inner, values=tuple(Tuple(pair) for pair in pairs), turns=chosen)


def _ends(known: int, whole: bool) -> tuple[Turn, ...]:
    """Return the turns of some items: all of them, or the first ones and the last of many."""
    ordinals = [Turn(i, i, i == known - 1) for i in range(known)]
    if not whole and known > 1:
        ordinals[-1] = Turn(known - 1, math.inf, ends=True)
    return tuple(ordinals)


def _zip(ex: Executor, state: State, value: Zip, place: ir.Node, asked: Asked) -> Items:
    count = length(state, value)
    given = value.columns
    if is_exact(count) and isinstance(count.value, int):
        given = tuple(first_of(state, column, count.value) for column in given)
    columns = [_iterate(ex, state, column, place, asked) for column in given]
    if not columns:
        return Items(())
    exact = [column for column in columns if column.length is None]
    shortest = min(exact or columns, key=lambda column: len(column.values))
    rows = []
    for index in range(len(shortest.values)):
        row = [c.values[min(index, len(c.values) - 1)] for c in columns if c.values]
        rows.append(Tuple(tuple(row)))
    yielded = next((column.yielded for column in columns if column.yielded), ())
    return Items(tuple(rows), None if exact else columns[0].length, yielded, shortest.turns)


def _object(ex: Executor, state: State, ref: Ref, place: ir.Node, asked: Asked) -> Items:
    found = state.object(ref)
    if isinstance(found, List) and (found.items or found.length is None):
        if found.length is None and found.abridged:
            return Items(found.items, turns=turns(found.abridged, 2))
        if found.length is None:
            some = _some(ex, found.items, asked)
            frames = found.yielded if len(found.yielded) == len(found.items) else ()
            return replace(some, yielded=tuple(turn.of(frames) for turn in some.turns if frames))
        _at_least(state, found.length, 2)
        if len(found.items) == 1:
            _repeat(state, found.items[0])
        items = found.items * 2 if len(found.items) == 1 else found.items
        if asked.twice and len(items) == 2:
            chosen = turns(None, ex.budget.iterations, Asked(twice=True))
            return Items((*items, items[-1]), found.length, turns=chosen)
        chosen = turns(None, ex.budget.iterations, asked)
        if asked.numbers and len(items) == 2 and len(chosen) > 2:
            _repeat(state, items[-1])
            values = (items[0], *items[1:] * (len(chosen) - 1))
            return Items(values, found.length, turns=chosen)
        return Items(items, found.length)
    if isinstance(found, Dict) and (found.items or not found.open):
        keys = tuple(Const(k) if not isinstance(k, tuple) else Sym(k) for k in found.items)
        return Items(keys, length(state, ref) if found.open else None)
    if isinstance(found, Layer):
        if found.keys:
            return Items(tuple(map(Const, found.keys)))
        return _some(ex, found.children, asked)
    own = _own_items(ex, state, ref, found, place, asked) if isinstance(found, Instance) else None
    if own is not None:
        return own
    count = length(state, ref)
    chosen = turns(None, ex.budget.iterations, asked)
    _at_least(state, count, least_count(chosen))
    if isinstance(found, Tensor):
        rows: list[Value] = [apply_op(ex, state, place, "select", (ref,)) for _ in chosen]
    else:
        rows = [Sym(("item", ref.address, _ordinal(turn))) for turn in chosen]
    return Items(tuple(rows), count, turns=chosen)


def _repeat(state: State, item: Value) -> None:
    """Let an item stand for those that follow it, too, which are others (unless it is a gradient).

    Gradients of one pass share what they were made of.
    """
    if any(state.graph[number].op != "gradient" for number in state.nodes(item)):
        suppose_picked(state, item)


def _own_items(
    ex: Executor, state: State, ref: Ref, found: Instance, place: ir.Node, asked: Asked
) -> Items | None:
    """Return what an object of the program yields, None where that is not known."""
    if is_named_tuple(state, found.cls):
        return Items(tuple(found.attrs.values()))
    made = own_iterator(ex, state, ref, place) or contents(state, ref) or inner_layer(state, ref)
    return None if made is None else _iterate(ex, state, made, place, asked)


def own_iterator(ex: Executor, state: State, ref: Ref, place: ir.Node) -> Value | None:
    """Return what an object yields by its own `__iter__`, `__next__` or `__getitem__`.

    None where a call of one of these branches, as what is yielded is then not known.
    """
    method = find_method(state, ref, "__iter__")
    if method is None:
        return _stepped(ex, state, ref, place, "__getitem__")
    made = _called_once(ex, state, Invocation(place), method)
    if made is None or made == ref or find_method(state, ref, "__next__"):
        return _stepped(ex, state, ref, place, "__next__") if made == ref else None
    if isinstance(made, Ref) and find_method(state, made, "__next__"):
        return _stepped(ex, state, made, place, "__next__")
    return made


def _stepped(ex: Executor, state: State, ref: Ref, place: ir.Node, name: str) -> Value | None:
    """Call a method until it raises, and list what it returns, as is done with generators."""
    method = find_method(state, ref, name)
    if method is None:
        return None
    items: tuple[Value, ...] = ()
    frames: tuple[Frame, ...] = ()
    while len(items) < MOST_GATHERED:
        tried = state.fork()
        tried.temps = (*tried.temps, Tuple(items))
        outside = ex.enter(tried, place, "loop", index=len(items))
        given = (Const(len(items)),) if name == "__getitem__" else ()
        frame = tried.frame
        results = ex.invoke(tried, Invocation(place, given), method)
        if not results:
            return state.new(place, List(items, None, "generator", frames))
        if len(results) > 1:
            return None
        after, value = results[0]
        after.frame, after.temps = outside, after.temps[:-1]
        state.take_over(after)
        items, frames = (*items, value), (*frames, frame)
    return state.new(place, List(items, state.sym(place, "length"), "generator", frames))


def _called_once(ex: Executor, state: State, call: Invocation, method: Value) -> Value | None:
    """Call a method for its value, None where the call branches."""
    results = ex.invoke(state, call, method)
    return results[0][1] if len(results) == 1 and results[0][0] is state else None
