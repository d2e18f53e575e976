"""Structural keys of states: equal for those that can't be told apart any more.

# Note [What makes two states equal]
Two states are equal if everything that can still be reached is: objects and nodes (with who freed
and who kept them, and whether what they saved was changed), and the pending passes. Names are
execution indices (Note [Execution index]), so nothing needs renumbering. Branch conditions are no
part of it: where equal states meet, what both assumed remains. Above `many` states numbers,
strings and unknown values without a graph are taken for equal (the survivor gets an unknown value
where they differ), above `too_many` booleans and None as well, and then all that leads to no graph;
booleans late, as they may be the flag. Above `most` states some are given up. Once a part of an
entry point's steps is spent, the limits are lower, so that the rest gets further.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from graphlint.static.execute.paths.graph import reachable
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    Address,
    Class,
    Const,
    Context,
    Dict,
    Distribution,
    Enumerate,
    Env,
    External,
    Func,
    FunctionContext,
    Imported,
    Instance,
    Key,
    Layer,
    List,
    Method,
    Module,
    NodeId,
    Object,
    Optimizer,
    Partial,
    Range,
    Ref,
    Some,
    Super,
    Sym,
    Tensor,
    Tuple,
    Value,
    Zip,
)

GRAPHS_ONLY = 3
"""The level of comparison that leaves out all that leads to no graph."""
DULL = ("dull",)
_AS_THEY_ARE = frozenset((type(None), External, Module, Imported))
"""The kinds of values that are forms of themselves."""
Leads = tuple[list[Address], list[NodeId]]
"""The addresses and nodes that an object refers to."""


class _Parts:
    """What a structural key leads on to: addresses and nodes."""

    __slots__ = ("addresses", "level", "nodes")

    def __init__(self, level: int) -> None:
        self.level = level
        self.addresses: list[Address] = []
        self.nodes: list[NodeId] = []

    def value(self, value: Value | None) -> Any:
        """Return a hashable form of a value."""
        if isinstance(value, Ref):
            self.addresses.append(value.address)
            return value
        kind = type(value)  # there are millions of values: what is cheap to tell comes first
        if kind in _AS_THEY_ARE:
            return value
        if isinstance(value, Sym):
            if value.node is not None:
                self.nodes.append(value.node)
                return value
            return DULL if self.level else value
        if isinstance(value, Const):
            return self._const(value)
        assert value is not None
        return (kind, *self._compound(value))

    def _const(self, value: Const) -> Any:
        special = value.value is None or isinstance(value.value, bool)
        if self.level >= 2 or (self.level and not special):
            return DULL
        if isinstance(value, Some):
            return value
        return (type(value.value), repr(value.value) if not special else value.value)

    def _compound(self, value: Value) -> Iterable[Any]:
        if isinstance(value, Tuple):
            return map(self.value, value.items)
        if isinstance(value, Func):
            self.addresses.append(value.env)
            defaults = [self.value(default) for _, default in value.defaults]
            return (value.function, value.env, self.value(value.bound), value.grad, *defaults)
        if isinstance(value, Method):
            return (self.value(value.owner), value.name)
        if isinstance(value, Partial):
            pairs = [(name, self.value(given)) for name, given in value.keywords]
            return (self.value(value.func), *map(self.value, value.args), *pairs)
        if isinstance(value, Range):
            return (self.value(value.start), self.value(value.count), value.step)
        if isinstance(value, Enumerate):
            return (self.value(value.items), self.value(value.start))
        if isinstance(value, Zip):
            return map(self.value, value.columns)
        if isinstance(value, Context):
            restored = [
                (self.value(ref), name, self.value(then)) for ref, name, then in value.restored
            ]
            return (value.kind, self.value(value.argument), tuple(restored))
        assert isinstance(value, Super)
        self.addresses.append(value.after)
        return (self.value(value.bound), value.after)

    def object(self, found: Object) -> Any:
        """Return a hashable form of an object."""
        if isinstance(found, Tensor):
            if found.node is not None:
                self.nodes.append(found.node)
            return (Tensor, found.node, found.leaf)
        if isinstance(found, Env):
            if found.parent is not None:
                self.addresses.append(found.parent)
            return (Env, found.parent, self._names(found.vars))
        if isinstance(found, Instance):
            self.addresses.append(found.cls)
            return (Instance, found.cls, self._names(found.attrs))
        if isinstance(found, List):
            more = (self.value(found.length), self.value(found.returned))
            return (List, *more, *map(self.value, found.items))
        if isinstance(found, Dict):
            more = (self.value(found.factory), self.value(found.of))
            return (Dict, found.open, *more, self._mapping(found.items))
        if isinstance(found, Layer):
            children = tuple(map(self.value, found.children))
            return (Layer, found.name, children, self._names(found.attrs))
        if isinstance(found, Class):
            bases = tuple(map(self.value, found.bases))
            return (Class, found.name, bases, self._mapping(found.members))
        return self._special(found)

    def _special(self, found: Object) -> Any:
        """Return a hashable form of an object of autograd's."""
        if isinstance(found, Distribution):
            self.nodes += [found.node] if found.node is not None else []
            return (Distribution, found.node)
        if isinstance(found, Optimizer):
            return (Optimizer, found.leaves)
        if isinstance(found, FunctionContext):
            return (FunctionContext, self._mapping(found.attrs))
        return type(found)

    def _names(self, variables: Mapping[str, Value]) -> Any:
        """Return a form of variables or attributes: one that is dull may as well be missing."""
        pairs = [(name, self.value(value)) for name, value in variables.items()]
        return frozenset([pair for pair in pairs if pair[1] is not DULL])

    def _mapping(self, items: Any) -> Any:
        return frozenset([(key, self.value(value)) for key, value in items.items()])


def object_key(found: Object, level: int) -> tuple[Any, list[Address], list[NodeId]]:
    """Return an object's structural key, and the addresses and nodes that it refers to."""
    made = found.memo.get(level)
    if made is None:
        parts = _Parts(level)
        key = _Hashed(parts.object(found))
        addresses, nodes = dict.fromkeys(parts.addresses), dict.fromkeys(parts.nodes)
        made = found.memo[level] = (key, list(addresses), list(nodes))
    return made


class _Hashed:
    """A key that computes its hash once."""

    __slots__ = ("hash", "key")

    def __init__(self, key: Any) -> None:
        self.key = key
        self.hash = hash(key)

    def __hash__(self) -> int:
        return self.hash

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, _Hashed) and self.hash == other.hash and self.key == other.key
        )


@dataclass(frozen=True, slots=True)
class Reach:
    """What can still be reached from a state, at whatever level it is compared.

    Attributes:
        leads: what the objects refer to, by their addresses.
        live: the nodes.
    """

    leads: Mapping[Address, Leads]
    live: list[NodeId]


def reach(state: State, value: Value | None) -> Reach:
    """Return what can be reached from a state, and from a value beside it."""
    parts = _Parts(0)
    for loose in (value, *state.temps, *state.yields, *state.attrs.values(), *state.memos.values()):
        parts.value(loose)
    leads = _leads(state, (state.env, *state.stack, *parts.addresses))
    roots = {*parts.nodes, *(node for _, nodes in leads.values() for node in nodes)}
    return Reach(leads, reachable(state.graph, roots))


def _leads(state: State, addresses: Iterable[Address]) -> dict[Address, Leads]:
    heap, todo = state.heap, list(addresses)
    leads: dict[Address, Leads] = {}
    while todo:
        address = todo.pop()
        if address in leads:
            continue
        # An object of an import that another state loaded may be missing: nothing follows from it.
        found = heap.get(address)
        if found is not None:
            _, further, nodes = found.memo.get(0) or object_key(found, 0)
            leads[address] = (further, nodes)
            todo += further
    return leads


def scene_key(state: State, found: Reach, value: Value | None, level: int) -> Key:
    """Return the key of a state's variables and objects, and of a value beside it."""
    if level == GRAPHS_ONLY:
        return _with_graphs(found.leads, (value, *state.temps, *state.yields))
    parts = _Parts(level)
    loose = tuple([parts.value(v) for v in (value, *state.temps, *state.yields)])
    written = (*state.attrs.items(), *state.memos.items())
    pairs = [(name, parts.value(each)) for name, each in written]
    attrs = frozenset([pair for pair in pairs if pair[1] is not DULL])
    objects = frozenset([(a, object_key(state.heap[a], level)[0]) for a in found.leads])
    return (objects, attrs, loose, state.env)


def graph_key(state: State, live: Iterable[NodeId]) -> Key:
    """Return the key of the live part of a state's graph, and of what is pending."""
    graph = frozenset([state.graph[number] for number in live])
    pending = frozenset([(number, p.key) for number, p in state.pending.items()])
    wants = (state.grad, state.frozen, state.unsure, state.graded)
    return (wants, graph, _fates(state, live), pending)


def _with_graphs(leads: Mapping[Address, Leads], loose: Iterable[Value | None]) -> Key:
    """Return a key of what leads to a graph: of objects, and of values that are under way."""
    holders: dict[Address, list[Address]] = {}
    for address, (addresses, _) in leads.items():
        for other in addresses:
            holders.setdefault(other, []).append(address)
    bearing: set[Address] = set()
    todo = [address for address, (_, nodes) in leads.items() if nodes]
    while todo:
        address = todo.pop()
        if address not in bearing:
            bearing.add(address)
            todo += holders.get(address, ())
    objects = [(address, *_bearing(leads[address], bearing)) for address in bearing]
    return (frozenset(objects), tuple([_bearing(_led_to(value), bearing) for value in loose]))


def _bearing(leads: Leads, bearing: set[Address]) -> Key:
    addresses, nodes = leads
    return (tuple([address for address in addresses if address in bearing]), tuple(nodes))


def _led_to(value: Value | None) -> Leads:
    """Return the addresses and nodes that a value refers to."""
    parts = _Parts(GRAPHS_ONLY)
    parts.value(value)
    return parts.addresses, parts.nodes


def _fates(state: State, live: Iterable[NodeId]) -> Key:
    """Say which live nodes were freed or kept, by whom, and which saved what has changed since."""
    freed = frozenset(
        [(n, state.freed[n].call) for n in live if n in state.freed] if state.freed else []
    )
    kept = frozenset([(n, state.kept[n]) for n in live if n in state.kept] if state.kept else [])
    stale: list[tuple[NodeId, int]] = []
    for number in live if state.versions else ():
        for index, (leaf, version) in enumerate(state.graph[number].saved_leaves):
            if state.versions.get(leaf, 0) != version:
                stale.append((number, index))
    return (freed, kept, frozenset(stale))
