"""Which item of a list an index picks, and how sure that is.

# Note [Picked items]
Of many items a first, a later and a last one are known at most. Where an index is not known, or is
that of an item that another one stands for, the one that is picked may be another each time: that
two passes visit the graph of one item is no proof then. What all items share is another matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.library.items import Items
from graphlint.static.execute.paths.graph import reachable
from graphlint.static.execute.paths.numbers import is_exact
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.suppositions import doubt_others, suppose_picked
from graphlint.static.execute.paths.values import Const, List, NodeId, Ref, Sym, Tensor, Value
from graphlint.static.knowledge.facts import NO

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Results


def pick(state: State, node: ir.Node, owner: Value, known: Items, index: Value) -> Results:
    """Return the item of a list that an index picks; either end where that is not known."""
    if isinstance(index, Const) and isinstance(index.value, int):
        item = _by_number(state, owner, known, index)
        if item is not None:
            return [(state, item)]
    if not known.values:
        return [(state, state.sym(node))]
    first, last = known.values[0], known.values[-1]
    back = isinstance(node, ir.Subscript) and _looks_back(state, node.index)
    if not back and isinstance(index, Sym) and index.name[0] in ("plus", "last"):
        if not _is_of_last(index):
            _doubt(state, owner, known, last)
        return [(state, last)]
    if back:
        first = known.values[-2:][0]
        for item in (first, last):
            suppose_picked(state, item, known.values, again=True)
    if first is last or (_is_data(state, first) and _is_data(state, last)):
        return [(state, last)]
    _doubt(state, owner, known, first, last)
    doubt_others(state, known.values[1:-1])
    return [(state, first), (state.fork(), last)]


def _is_data(state: State, item: Value) -> bool:
    """Whether an item is a tensor without a graph: which one it is tells no paths apart."""
    found = state.get(item, Tensor)
    return found is not None and found.node is None and found.leaf is None


def pick_some(state: State, picked: Sequence[Value], items: Sequence[Value]) -> None:
    """Note that chance picks items: others may be meant, and the same ones another time."""
    if len(items) > 1 and not _share_graphs(state, items):
        for item in picked:
            suppose_picked(state, item, items, again=True)


def part_of_many(state: State, items: Sequence[Value], bounds: slice | None) -> tuple[Value, ...]:
    """Return what a slice leaves of a list's known items, where there are more.

    Where that is less than two, those that it cuts off come last, and stand for others. So do all
    where the bounds are not known.
    """
    kept = tuple(items[bounds] if bounds else ())
    cut = tuple(item for item in items if item not in kept)
    if len(kept) > 1 or not cut or (bounds and (bounds.stop or 0) > 0):
        return kept if len(kept) > 1 else tuple(items)
    if not _share_graphs(state, items):
        for item in cut:
            suppose_picked(state, item)
    return (*kept, *cut)


def _by_number(state: State, owner: Value, known: Items, index: Const) -> Value | None:
    items, number = known.values, int(index.value)
    found = state.get(owner, List)
    if found is not None and found.abridged:
        ordinal = _abridged(number, found.abridged)
        if ordinal == 1 and is_exact(index):
            _doubt(state, owner, known, items[1])
        return items[ordinal]
    appended = _appended(state, owner, items)
    if -number > appended > 0:
        item = items[max(len(items) - appended - 1, 0)]
        suppose_picked(state, item, items)
        return item
    if not -len(items) <= number < len(items):
        return None
    if known.length is not None and number not in (0, -1) and is_exact(index):
        _doubt(state, owner, known, items[number])
    return items[number]


def _abridged(index: int, total: int) -> int:
    """Return which of three items stands for one of many."""
    ordinal = index % total
    return 0 if ordinal == 0 else -1 if ordinal == total - 1 else 1


def _is_of_last(index: Sym) -> bool:
    """Whether an index is that of the last item: `n - 1`, or the last that a loop counts to."""
    if index.name[0] == "last":
        return True
    _, base, offset = index.name
    return bool(offset == -1 and base[0] != "number")


def _doubt(state: State, owner: Value, known: Items, *picked: Value) -> None:
    """Note that other items may be meant, unless it is all the same (Note [Picked items])."""
    if not _share_graphs(state, known.values) and not _are_all_freed(state, owner, known):
        for item in picked:
            suppose_picked(state, item)


def _share_graphs(state: State, items: Sequence[Value]) -> bool:
    return bool(_saving(state, items[0]) & _saving(state, items[-1]))


def _are_all_freed(state: State, owner: Value, known: Items) -> bool:
    """Whether these are all items there are, and passes have freed the graph of each."""
    found = state.get(owner, List)
    grown = isinstance(owner, Ref) and owner.address in state.grown
    if known.length is not None or grown or (found is not None and found.abridged):
        return False
    graphs = [_saving(state, item) for item in known.values]
    return all(graph and not graph.isdisjoint(state.freed) for graph in graphs)


def _saving(state: State, item: Value) -> set[NodeId]:
    """Return the nodes of an item's graph that may save tensors."""
    visited = reachable(state.graph, state.nodes(item))
    return {number for number in visited if state.graph[number].saves is not NO}


def _looks_back(state: State, index: ir.Expr) -> bool:
    """Whether an index counts back from one loop's counter by that of another, as `j - i` does.

    Such loops come to the same item more than once.
    """
    if not any(isinstance(node, ir.Binary) and node.op == "Sub" for node in ir.walk(index)):
        return False
    names = {node.id for node in ir.walk(index) if isinstance(node, ir.Name)}
    loops = [place for _, place in state.frame.loops if isinstance(place, ir.For)]
    counted = [{n.id for n in ir.walk(p.target) if isinstance(n, ir.Name)} for p in loops]
    return sum(not names.isdisjoint(each) for each in counted) > 1


def _appended(state: State, owner: Value, items: Sequence[Value]) -> int:
    """Return how many items were appended to a list since some were left out, 0 if none were.

    What lies further from the end may be one of those. Until something is appended, the last item
    that is known stands for the last one (Note [Skipped iterations]).
    """
    if not isinstance(owner, Ref) or owner.address not in state.grown:
        return 0
    last = state.grown[owner.address]
    if last is None:
        return 0
    return items[::-1].index(last) if last in items else len(items)
