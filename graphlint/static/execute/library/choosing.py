"""Functions of `random` that take items out of a sequence by chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from graphlint.static.execute.library.builtins import Handler
from graphlint.static.execute.library.items import Items, every
from graphlint.static.execute.library.picking import pick, pick_some
from graphlint.static.execute.library.unknown import call_unknown
from graphlint.static.execute.paths.classes import contents
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.lengths import length
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    NONE,
    External,
    Func,
    Instance,
    Layer,
    List,
    Object,
    Ref,
    Tuple,
    Value,
)

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results


def _choice(ex: Executor, state: State, call: Invocation) -> Results:
    """Take one item, any of them."""
    known = _population(ex, state, call)
    if known is None:
        return call_unknown(ex, state, call, External("random.choice"))
    for item in known.values:
        pick_some(state, (item,), known.values)
    return pick(state, call.node, call.args[0], known, state.sym(call.node, "index"))


def _sample(ex: Executor, state: State, call: Invocation) -> Results:
    """Take some items: a list of those that are known, which may be others each time."""
    known = _population(ex, state, call)
    if known is None:
        return call_unknown(ex, state, call, External("random.sample"))
    count = call.argument(1, "k") or state.sym(call.node, "length")
    if count == length(state, call.args[0]) and known.length is None:
        return [(state, state.new(call.node, List(known.values)))]
    pick_some(state, known.values, known.values)
    return [(state, state.new(call.node, List(known.values, count)))]


def _choices(ex: Executor, state: State, call: Invocation) -> Results:
    """Take some items, each maybe more than once."""
    known = _population(ex, state, call)
    if known is None:
        return call_unknown(ex, state, call, External("random.choices"))
    pick_some(state, known.values, known.values)
    count = call.keywords.get("k", state.sym(call.node, "length"))
    return [(state, state.new(call.node, List(known.values, count)))]


def _population(ex: Executor, state: State, call: Invocation) -> Items | None:
    """Return the items to choose from, None if they are not known, or all is one which is taken."""
    given = call.args[0] if call.args else NONE
    given = (contents(state, given) or given) if isinstance(given, Ref) else given
    if not isinstance(given, Tuple) and state.get(given, List) is None:
        return None
    known = every(ex, state, given, call.node)
    return known if any(True for item in known.values for _ in _telling(state, item)) else None


def _telling(state: State, item: Value) -> Iterator[object]:
    """Walk what makes an item more than data: graphs, leaves, code and networks."""
    parts = item.items if isinstance(item, Tuple) else (item,)
    yield from state.handles(item)
    for part in parts:
        if isinstance(part, Func) or isinstance(state.get(part, Object), (Layer, Instance)):
            yield part


HANDLERS: Mapping[str, Handler] = {
    "random.choice": _choice,
    "random.choices": _choices,
    "random.sample": _sample,
}
