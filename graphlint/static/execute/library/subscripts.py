"""Reading and writing `value[index]`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from graphlint.static import ir
from graphlint.static.execute.autograd.foreign import NUMBERS
from graphlint.static.execute.autograd.holds import note_item
from graphlint.static.execute.library.dictionaries import seen_now, write_through
from graphlint.static.execute.library.items import Items, every
from graphlint.static.execute.library.ops import (
    apply_op,
    has_graph,
    is_tensor,
    touch_tensor,
)
from graphlint.static.execute.library.picking import part_of_many, pick
from graphlint.static.execute.paths.classes import contents, find_method, inner_layer
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.numbers import linear, name_of
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    NONE,
    Const,
    Dict,
    External,
    Instance,
    Layer,
    List,
    Ref,
    Sym,
    Tensor,
    Tuple,
    Value,
)
from graphlint.static.knowledge.inplace import THROUGH_VIEW

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

SLICE = External("slice")


def dict_key(value: Value) -> Any:
    """Return what a dictionary files a value under."""
    if isinstance(value, Const):
        return value.value if value.value.__hash__ else repr(value.value)
    return ("key", name_of(value))


def _is_unknown_key(key: Any) -> bool:
    return isinstance(key, tuple) and key[:1] == ("key",)


def is_slice(value: Value) -> bool:
    """Whether an evaluated index is a slice."""
    return isinstance(value, Tuple) and value.items[:1] == (SLICE,)


def subscript(ex: Executor, node: ir.Subscript, state: State) -> Results:
    """Evaluate `value[index]`."""
    return [
        result
        for after, (owner, index) in ex.eval_each((node.value, node.index), state)
        for result in get_item(ex, after, node, owner, index)
    ]


def get_item(ex: Executor, state: State, node: ir.Node, owner: Value, index: Value) -> Results:
    """Read an item of a value."""
    if is_tensor(state, owner) or (isinstance(owner, Sym) and owner.node is not None):
        return [(state, _of_tensor(ex, state, node, owner, index))]
    if isinstance(owner, Tuple) or state.get(owner, List):
        return _of_list(ex, state, node, owner, index)
    if isinstance(owner, Ref):
        return _of_object(ex, state, node, owner, index)
    if isinstance(owner, Sym):
        return [(state, _of_unknown(state, node, owner, index))]
    if owner == NONE:  # somebody else puts a value in its place, whose rows these are
        return [(state, Sym(("subscript", name_of(owner), name_of(index))))]
    return [(state, state.sym(node))]


def _of_tensor(ex: Executor, state: State, node: ir.Node, owner: Value, index: Value) -> Value:
    kinds = [_index_kind(state, part) for part in _parts(index)]
    if "tensor" in kinds:
        return apply_op(ex, state, node, "index", (owner, index))
    if isinstance(owner, Sym):
        written = state.attrs.get(("subscript", owner.name, dict_key(index)))
        return written or Sym(("subscript", owner.name, name_of(index)), owner.node)
    name = "getitem" if "unknown" in kinds else "select"
    return apply_op(ex, state, node, name, (owner,))


def _parts(index: Value) -> tuple[Value, ...]:
    return index.items if isinstance(index, Tuple) and not is_slice(index) else (index,)


def _index_kind(state: State, index: Value) -> str:
    """Tell basic indexing (a view, saves nothing) from indexing with a tensor or list."""
    if isinstance(index, Const) or is_slice(index):
        return "basic"
    if isinstance(index, Sym) and index.name[0] in NUMBERS:
        return "basic"
    if is_tensor(state, index) or state.get(index, List):
        return "tensor"
    return "unknown"


def _of_list(ex: Executor, state: State, node: ir.Node, owner: Value, index: Value) -> Results:
    known = every(ex, state, owner, node)
    if is_slice(index):
        return [(state, _sliced(state, node, owner, known, index))]
    return pick(state, node, owner, known, index)


def _sliced(state: State, node: ir.Node, owner: Value, known: Items, index: Value) -> Value:
    bounds = _bounds(index)
    if known.length is None and bounds is not None:
        items = known.values[bounds]
        return Tuple(items) if isinstance(owner, Tuple) else state.new(node, List(items))
    items = part_of_many(state, known.values, bounds)
    return state.new(node, List(items, state.sym(node, "length")))


def _bounds(index: Value) -> slice | None:
    """Return a slice whose bounds are known."""
    assert isinstance(index, Tuple)
    bounds: list[Any] = [b.value if isinstance(b, Const) else ... for b in index.items[1:]]
    return slice(*bounds) if all(b is None or isinstance(b, int) for b in bounds) else None


def _of_object(ex: Executor, state: State, node: ir.Node, owner: Ref, index: Value) -> Results:
    found = state.object(owner)
    if isinstance(found, Dict):
        return _of_dict(ex, state, node, owner, seen_now(state, found), index)
    if isinstance(found, Layer) and found.children:
        return _of_layer(state, node, found, index)
    if isinstance(found, Instance):
        method = find_method(state, owner, "__getitem__")
        if method is not None:
            return ex.invoke(state, Invocation(node, (index,)), method)
        kept = contents(state, owner)
        if kept is not None:
            return _of_contents(ex, state, node, owner, kept, index)
        inner = inner_layer(state, owner)
        if inner is not None:
            return get_item(ex, state, node, inner, index)
    return [(state, Sym(("subscript", owner.address, name_of(index))))]


def _of_contents(
    ex: Executor, state: State, node: ir.Node, owner: Ref, kept: Ref, index: Value
) -> Results:
    """Read an item of an object that inherits from a container, or make what is missing."""
    found, missing = state.get(kept, Dict), find_method(state, owner, "__missing__")
    if found and missing and not found.open and dict_key(index) not in found.items:
        return ex.invoke(state, Invocation(node, (index,)), missing)
    return get_item(ex, state, node, kept, index)


def _of_dict(
    ex: Executor, state: State, node: ir.Node, owner: Ref, found: Dict, index: Value
) -> Results:
    key = dict_key(index)
    if key in found.items:
        return [(state, found.items[key])]
    if found.factory is not None and isinstance(index, Const):
        results = ex.invoke(state, Invocation(node), found.factory)
        for after, value in results:
            current = after.get(owner, Dict) or found
            after.put(owner, replace(current, items={**current.items, key: value}))
        return results
    values = list(found.items.values())
    complete = not found.open
    if isinstance(index, Const):
        numbered = [value for key, value in found.items.items() if type(key) is int]
        if found.open and numbered and type(index.value) is int:
            return [(state, numbered[-1])]  # one of those that a loop was not run for
        values = [value for key, value in found.items.items() if _is_unknown_key(key)]
        complete = complete or len(values) == len(found.items)  # there are more of the same
    if isinstance(index, (Sym, Const)) and values and complete:
        other = state.fork()
        return [(state, values[0]), (other, values[-1])]
    if found.of is not None:  # it is made anew each time that the object is asked for it
        return [(state, Sym(("subscript", found.of.address, name_of(index))))]
    made = state.sym(node)
    state.put(owner, replace(found, items={**found.items, key: made}))
    return [(state, made)]


def _of_layer(state: State, node: ir.Node, found: Layer, index: Value) -> Results:
    children = found.children
    if isinstance(index, Const):
        if index.value in found.keys:
            return [(state, children[found.keys.index(index.value)])]
        if isinstance(index.value, int) and children:  # of many layers the last stand for more
            return [(state, children[max(-len(children), min(index.value, len(children) - 1))])]
    if is_slice(index):
        bounds = _bounds(index)
        kept = (
            found
            if bounds is None
            else replace(found, children=children[bounds], keys=found.keys[bounds])
        )
        return [(state, state.new(node, replace(kept)))]
    if len(children) == 1:
        return [(state, children[0])]
    other = state.fork()
    return [(state, children[0]), (other, children[-1])]


def _of_unknown(state: State, node: ir.Node, owner: Sym, index: Value) -> Value:
    written = state.attrs.get(("subscript", owner.name, dict_key(index)))
    if written is not None:
        return written
    if isinstance(index, Const) and index.value in (0, -1) and not isinstance(index.value, bool):
        if owner.name[0] == "attribute" and owner.name[2] == "shape" and index.value == 0:
            return Sym(("length", owner.name[1]))
        return Sym(("item", owner.name, index.value))
    return Sym(("subscript", owner.name, name_of(index)))


# ---------------------------------------------------------------------------------- writing
def set_item(
    ex: Executor, state: State, node: ir.Node, owner: Value, index: Value, value: Value
) -> list[State]:
    """Write an item of a value."""
    found = state.object(owner) if isinstance(owner, Ref) else None
    if isinstance(found, Tensor) and isinstance(owner, Ref):
        _write_tensor(ex, state, node, owner, found, index, value)
        note_item(ex, state, node, owner, value)
    elif isinstance(found, Dict) and isinstance(owner, Ref):
        items = {**seen_now(state, found).items, dict_key(index): value}
        state.put(owner, replace(found, items=items))
        write_through(state, owner)
        note_item(ex, state, node, owner, value)
    elif isinstance(found, List) and isinstance(owner, Ref):
        changed = _with_item(found.items, index, value)
        if is_slice(index):
            changed = _with_items(found.items, index, every(ex, state, value, node).values)
        state.put(owner, replace(found, items=changed))
        note_item(ex, state, node, owner, value)
    elif isinstance(found, Instance) and isinstance(owner, Ref):
        method = find_method(state, owner, "__setitem__")
        if method is not None:
            made = ex.invoke(state, Invocation(node, (index, value)), method)
            return [after for after, _ in made]
        kept = contents(state, owner)
        if kept is not None:
            return set_item(ex, state, node, kept, index, value)
    elif isinstance(owner, Sym):
        state.attrs["subscript", owner.name, dict_key(index)] = value
    return [state]


def delete_item(state: State, owner: Value, index: Value) -> None:
    """Delete an item of a value, or several by a slice."""
    owner = contents(state, owner) or owner
    found = state.object(owner) if isinstance(owner, Ref) else None
    if isinstance(found, Dict) and isinstance(owner, Ref):
        rest = {k: v for k, v in seen_now(state, found).items.items() if k != dict_key(index)}
        state.put(owner, replace(found, items=rest))
        write_through(state, owner)
    elif isinstance(found, List) and isinstance(owner, Ref):
        items = list(found.items)
        if is_slice(index):
            assert isinstance(index, Tuple)
            bounds = [b.value if isinstance(b, Const) else None for b in index.items[1:]]
            del items[slice(*bounds)]
        elif isinstance(index, Const) and isinstance(index.value, int):
            del items[index.value : index.value + 1 or None]
        state.put(owner, replace(found, items=tuple(items)))


def _with_items(
    items: tuple[Value, ...], index: Value, given: tuple[Value, ...]
) -> tuple[Value, ...]:
    """Put items in the place of a slice, or behind the others where its bounds are not known."""
    changed, bounds = list(items), _bounds(index)
    if bounds is None or bounds.step not in (None, 1):
        return (*changed, *given)
    changed[bounds] = given
    return tuple(changed)


def _with_item(items: tuple[Value, ...], index: Value, value: Value) -> tuple[Value, ...]:
    changed = list(items)
    position = index.value if isinstance(index, Const) else None
    if isinstance(position, int) and -len(changed) <= position < len(changed):
        changed[position] = value
    elif changed and linear(index):
        changed[-1] = value
    else:
        changed.append(value)
    return tuple(changed)


def _write_tensor(
    ex: Executor,
    state: State,
    node: ir.Node,
    owner: Ref,
    found: Tensor,
    index: Value,
    value: Value,
) -> None:
    """Copy into a tensor, whole (`x[:] = y`) or in part: it joins the value's graph."""
    touch_tensor(state, node, found)
    if state.grad and (found.node is not None or has_graph(state, value)):
        if found.leaf is None or found.node is not None:
            row = None if _is_whole(index) else THROUGH_VIEW.op
            made = state.get(apply_op(ex, state, node, "add", (owner, value), op=row), Tensor)
            if made:
                state.put(owner, Tensor(made.node))


def _is_whole(index: Value) -> bool:
    return index == Const(...) or (is_slice(index) and index == Tuple((SLICE, NONE, NONE, NONE)))
