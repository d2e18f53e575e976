"""Iterators, and `itertools`: lists of all that is yet to come, or of some where there is more."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from graphlint.static import ir
from graphlint.static.execute.library.builtins import Handler, all_items, make_list, map_items
from graphlint.static.execute.library.items import Items
from graphlint.static.execute.paths.classes import find_method
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import NONE, Const, List, Ref, Sym, Tuple, Value

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

MOST_ROWS = 8
"""How many pairs of a product, and of other choices, are looked at."""


def _iter(ex: Executor, state: State, call: Invocation) -> Results:
    """Make an iterator; of a generator, it is the generator."""
    found = state.get(call.args[0], List) if call.args else None
    if found is not None and found.kind == "generator":
        return [(state, call.args[0])]
    given = call.args[0] if call.args else NONE
    if isinstance(given, Ref) and find_method(state, given, "__next__"):
        own = find_method(state, given, "__iter__")
        return ex.invoke(state, Invocation(call.node), own) if own else [(state, given)]
    return make_list(ex, state, call)


def _next(ex: Executor, state: State, call: Invocation) -> Results:
    """Take the next item of an iterator.

    The last that is known stays for those behind it, unless a graph came with it.
    """
    iterator = call.args[0] if call.args else NONE
    method = find_method(state, iterator, "__next__") if isinstance(iterator, Ref) else None
    if method is not None:
        return ex.invoke(state, Invocation(call.node), method)
    found = state.get(iterator, List)
    if found is None or not found.items:
        over = found is not None and found.kind != "generator" and len(call.args) > 1
        return [(state, call.args[1] if over else state.sym(call.node, "item"))]
    first, *rest = found.items
    length = found.length if found.abridged is None else state.sym(call.node, "length")
    if not rest and (length is not None or not state.nodes(first)):
        rest = [first]
    if isinstance(iterator, Ref):
        left = replace(found, items=tuple(rest), length=length, yielded=found.yielded[1:])
        state.put(iterator, left)
    return [(state, _another(state, call.node, first))]


def _another(state: State, place: ir.Node, item: Value) -> Value:
    """Return an item like one that an iterator gave: data is not the same each time."""
    if isinstance(item, Tuple):
        return Tuple(tuple(_another(state, place, part) for part in item.items))
    unknown_data = isinstance(item, Sym) and item.node is None
    return state.sym(place, "item") if unknown_data else item


def product(ex: Executor, state: State, call: Invocation) -> Results:
    """Pair the items of several iterables."""
    columns = [all_items(ex, state, call.node, value) for value in call.args]
    rows = itertools.product(*(column.values for column in columns))
    return _listed(state, call, rows, columns, open_ended="repeat" in call.keywords)


def from_iterable(ex: Executor, state: State, call: Invocation) -> Results:
    """Chain the iterables that one yields."""
    parts = all_items(ex, state, call.node, call.args[0]) if call.args else Items(())
    inner = [all_items(ex, state, call.node, part) for part in parts.values]
    items = tuple(value for part in inner for value in part.values)
    lengths = [parts.length, *(part.length for part in inner)]
    length = next((known for known in lengths if known is not None), None)
    return [(state, state.new(call.node, List(items, length)))]


def _pairwise(ex: Executor, state: State, call: Invocation) -> Results:
    """Pair neighbours; where not all are known, the first stands for the one behind the last.

    So no item is the second of two pairs, or the first of two.
    """
    items = all_items(ex, state, call.node, call.args[0]) if call.args else Items(())
    values = items.values if items.length is None else (*items.values, *items.values[:1])
    return _listed(state, call, itertools.pairwise(values), [items])


def _choosing(choose: Callable[..., Iterable[tuple[Value, ...]]]) -> Handler:
    """Return what chooses so many items of an iterable in all ways."""

    def chosen(ex: Executor, state: State, call: Invocation) -> Results:
        items = all_items(ex, state, call.node, call.args[0]) if call.args else Items(())
        count = call.argument(1, "r")
        size = count.value if isinstance(count, Const) else None
        known = isinstance(size, int) and items.length is None
        values = items.values if known else (*items.values, *items.values[-1:])
        rows = choose(values, size if isinstance(size, int) else 2)
        return _listed(state, call, rows, [items], open_ended=not known)

    return chosen


def _slice(ex: Executor, state: State, call: Invocation) -> Results:
    """Take some items of an iterable from its start on, or between two places."""
    items = all_items(ex, state, call.node, call.args[0]) if call.args else Items(())
    bounds: list[Any] = [b.value if isinstance(b, Const) else ... for b in call.args[1:]]
    known = bool(bounds) and all(b is None or isinstance(b, int) for b in bounds)
    if known and items.length is None:
        return [(state, state.new(call.node, List(items.values[slice(*bounds)])))]
    length = call.args[1] if len(bounds) == 1 and call.args[1] != NONE else None
    if length is None or items.length is None:
        length = state.sym(call.node, "length")
    return [(state, state.new(call.node, List(items.values, length)))]


def _again(ex: Executor, state: State, call: Invocation) -> Results:
    """Yield items over and over, or some of them."""
    items = all_items(ex, state, call.node, call.args[-1]) if call.args else Items(())
    return [(state, state.new(call.node, List(items.values, state.sym(call.node, "length"))))]


def _starmap(ex: Executor, state: State, call: Invocation) -> Results:
    """Call a function with the parts of each item."""
    if len(call.args) < 2:
        return [(state, state.sym(call.node))]
    return map_items(ex, state, call.node, call.args[0], call.args[1], spread=True)


def _tee(ex: Executor, state: State, call: Invocation) -> Results:
    """Make some iterators that yield the same."""
    items = all_items(ex, state, call.node, call.args[0]) if call.args else Items(())
    count = call.argument(1, "n") or Const(2)
    number = count.value if isinstance(count, Const) and isinstance(count.value, int) else 2
    made = [state.new(call.node, List(items.values, items.length)) for _ in range(number)]
    return [(state, Tuple(tuple(made)))]


def _group(ex: Executor, state: State, call: Invocation) -> Results:
    """Put neighbours with the same key together: how many these are is not known."""
    items = all_items(ex, state, call.node, call.args[0]) if call.args else Items(())
    length = state.sym(call.node, "length")
    rows = [
        Tuple((state.sym(call.node, "key"), state.new(call.node, List((item,)))))
        for item in items.values
    ]
    return [(state, state.new(call.node, List(tuple(rows), length)))]


def _zip_longest(ex: Executor, state: State, call: Invocation) -> Results:
    """Pair items to the end of the longest iterable; what is missing is filled up."""
    columns = [all_items(ex, state, call.node, value) for value in call.args]
    filling = call.keywords.get("fillvalue", NONE)
    rows = itertools.zip_longest(*(column.values for column in columns), fillvalue=filling)
    return _listed(state, call, rows, columns)


def _listed(
    state: State,
    call: Invocation,
    rows: Iterable[tuple[Value, ...]],
    columns: list[Items],
    open_ended: bool = False,
) -> Results:
    """List rows of items, as many as are looked at; the last of them stands for the rest."""
    found = tuple(Tuple(row) for row in itertools.islice(rows, MOST_ROWS + 1))
    length = next((column.length for column in columns if column.length is not None), None)
    if length is not None or open_ended or len(found) > MOST_ROWS:
        length = state.sym(call.node, "length")
    return [(state, state.new(call.node, List(found[:MOST_ROWS], length)))]


HANDLERS: Mapping[str, Handler] = {
    "iter": _iter,
    "next": _next,
    "itertools.product": product,
    "itertools.chain.from_iterable": from_iterable,
    "itertools.pairwise": _pairwise,
    "itertools.combinations": _choosing(itertools.combinations),
    "itertools.combinations_with_replacement": _choosing(itertools.combinations_with_replacement),
    "itertools.permutations": _choosing(itertools.permutations),
    "itertools.islice": _slice,
    "itertools.starmap": _starmap,
    "itertools.tee": _tee,
    "itertools.zip_longest": _zip_longest,
    "itertools.cycle": _again,
    "itertools.groupby": _group,
    "itertools.takewhile": _again,
    "itertools.dropwhile": _again,
}
