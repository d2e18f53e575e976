"""Collapse states that can't be told apart any more, and settle passes that nobody can reach.

# Note [What makes two states equal]
Two states are equal if everything that can still be reached is: objects and nodes (with who freed
and who kept them, and whether what they saved was changed), and the pending passes. Names are
execution indices (Note [Execution index]), so nothing needs renumbering. Branch conditions are no
part of it: where equal states meet, what both assumed remains. Above `many` states numbers,
strings and unknown values without a graph are taken for equal (the survivor gets an unknown value
where they differ), above `too_many` booleans and None as well, and then all that leads to no graph;
booleans late, as they may be the flag. Above `most` states some are given up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from graphlint.static.execute.evaluations import note_dead
from graphlint.static.execute.graph import reachable
from graphlint.static.execute.state import Pending, State
from graphlint.static.execute.values import (
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

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor


@dataclass(frozen=True, slots=True)
class Limits:
    """How many states are told apart (Note [What makes two states equal])."""

    many: int = 3
    too_many: int = 10
    most: int = 24


JOINED = Limits(many=1, too_many=1)
"""Tells no states apart that differ in nothing but values without graphs."""
GRAPHS_ONLY = 3
"""The level of comparison that leaves out all that leads to no graph."""
COMPARED_PER_STEP = 16
"""How many objects and nodes of a state are compared in the time of one step."""
DULL = ("dull",)


@dataclass(frozen=True, slots=True)
class Flow:
    """How a statement ends: `next`, `break`, `continue`, `return` (with a value) or `raise`."""

    kind: str
    value: Value | None = None


NEXT, BREAK, CONTINUE, RAISE = Flow("next"), Flow("break"), Flow("continue"), Flow("raise")
Outcome = tuple[State, Flow]


class _Parts:
    """What a structural key leads on to: addresses and nodes."""

    __slots__ = ("addresses", "level", "nodes")

    def __init__(self, level: int) -> None:
        self.level = level
        self.addresses: list[Address] = []
        self.nodes: list[NodeId] = []

    def value(self, value: Value | None) -> Any:
        """Return a hashable form of a value."""
        kind = type(value)
        if kind is Ref:
            self.addresses.append(value.address)  # type: ignore[union-attr]
            return value
        if isinstance(value, Const):
            return self._const(value)
        if isinstance(value, Sym):
            if value.node is not None:
                self.nodes.append(value.node)
                return value
            return DULL if self.level else value
        if value is None or isinstance(value, (External, Module, Imported)):
            return value
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
            return (value.function, value.env, self.value(value.bound), value.grad)
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
            return (List, self.value(found.length), *map(self.value, found.items))
        if isinstance(found, Dict):
            return (Dict, found.open, self.value(found.factory), self._mapping(found.items))
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
        made = found.memo[level] = (key, parts.addresses, parts.nodes)
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


def settle_and_key(
    ex: Executor, state: State, extra: Iterable[Value | None] = (), level: int = 0
) -> tuple[Key, set[Address]]:
    """Settle the passes that nobody can reach any more, and return the state's structural key."""
    parts = _Parts(level)
    loose = [parts.value(v) for v in (*extra, *state.temps, *state.yields)]
    written = (*state.attrs.items(), *state.memos.items())
    pairs = [(name, parts.value(value)) for name, value in written]
    attrs = frozenset([pair for pair in pairs if pair[1] is not DULL])
    todo = [state.env, *state.stack, *parts.addresses]
    roots = set(parts.nodes)
    objects: dict[Address, Any] = {}
    leads: dict[Address, tuple[list[Address], list[NodeId]]] = {}
    while todo:
        address = todo.pop()
        # An object of an import that another state loaded may be missing: nothing follows from it.
        found = state.heap.get(address)
        if address not in objects and found is not None:
            key, addresses, nodes = object_key(found, min(level, 2))
            objects[address] = key
            leads[address] = (addresses, nodes)
            todo += addresses
            roots.update(nodes)
    live = reachable(state.graph, roots)
    ex.step(1 + (len(objects) + len(live)) // COMPARED_PER_STEP)
    settle(ex, state, live)
    graph = frozenset([state.graph[number] for number in live])
    fate = _fates(state, live)
    pending = frozenset([(number, p.key) for number, p in state.pending.items()])
    wants = (state.grad, state.frozen, state.unsure, state.graded)
    scene: Key = (frozenset(objects.items()), attrs, tuple(loose), state.env)
    if level == GRAPHS_ONLY:
        scene = (_with_graphs(leads),)
    return (*scene, wants, graph, fate, pending), set(objects)


def _with_graphs(leads: Mapping[Address, tuple[list[Address], list[NodeId]]]) -> Key:
    """Return a key of the objects that lead to a graph, and of what they refer to that does."""
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
    parts = [
        (address, tuple([a for a in leads[address][0] if a in bearing]), tuple(leads[address][1]))
        for address in bearing
    ]
    return (frozenset(parts),)


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


def settle(ex: Executor, state: State, live: Iterable[NodeId]) -> None:
    """Hand over the passes whose kept nodes can't be reached any more, chain by chain."""
    note_dead(ex, live)
    if not state.pending:
        return
    held = {number for node in live for number in state.kept.get(node, ())}
    open_chains = {p.chain for number, p in state.pending.items() if number in held}
    chains: dict[int, list[Pending]] = {}
    for number, pending in list(state.pending.items()):
        if pending.chain not in open_chains:
            chains.setdefault(pending.chain, []).append(state.pending.pop(number))
    for chain in chains.values():
        ex.records.settle(chain)


def merge(ex: Executor, outcomes: list[Outcome]) -> list[Outcome]:
    """Collapse outcomes that can't be told apart, in tiers (Note [What makes two states equal])."""
    if len(outcomes) <= 1:
        return outcomes
    outcomes = _collapse(ex, outcomes, 0)
    limits = ex.limits
    for level, limit in ((1, limits.many), (2, limits.too_many), (GRAPHS_ONLY, limits.too_many)):
        if len(outcomes) > limit:
            outcomes = _collapse(ex, outcomes, level)
    if len(outcomes) > limits.most:
        followed = [state for state, _ in outcomes[: limits.most]]
        for state, _ in outcomes[limits.most :]:
            ex.drop(state, followed)
        outcomes = outcomes[: limits.most]
    return outcomes


def _collapse(ex: Executor, outcomes: list[Outcome], level: int) -> list[Outcome]:
    seen: dict[Key, int] = {}
    kept: list[Outcome] = []
    for state, flow in outcomes:
        key, addresses = settle_and_key(ex, state, (flow.value,), level)
        index = seen.setdefault((flow.kind, key), len(kept))
        if index == len(kept):
            kept.append((state, flow))
            continue
        survivor, survivor_flow = kept[index]
        if level:
            _widen(survivor, state, addresses)
            survivor.attrs = {k: v for k, v in survivor.attrs.items() if state.attrs.get(k) == v}
            kept[index] = (survivor, _widen_flow(survivor, survivor_flow, flow))
        survivor.facts = {**state.facts, **survivor.facts}
        survivor.handed |= state.handed
        survivor.grown |= state.grown
        survivor.untouched &= state.untouched
        for route, leaves in state.left.items():
            survivor.left[route] = survivor.left.get(route, frozenset()) | leaves
        survivor.conds = {k: v for k, v in survivor.conds.items() if state.conds.get(k) == v}
        survivor.bounds = {
            k: min(v, state.bounds[k]) for k, v in survivor.bounds.items() if k in state.bounds
        }
    return kept


def _widen_flow(survivor: State, flow: Flow, other: Flow) -> Flow:
    if isinstance(flow.value, (Const, Sym)) and flow.value != other.value:
        return Flow(flow.kind, Sym(("either", survivor.frame, "return")))
    return flow


def _widen(survivor: State, other: State, addresses: set[Address]) -> None:
    """Make a state cover another: dull values that differ become unknown."""
    for address in addresses:
        mine, theirs = survivor.heap.get(address), other.heap.get(address)
        if mine is None or theirs is None or mine is theirs:
            continue
        if isinstance(mine, Env) and isinstance(theirs, Env):
            survivor.heap[address] = replace(
                mine, vars=_blend(survivor, address, mine.vars, theirs.vars)
            )
        elif isinstance(mine, Instance) and isinstance(theirs, Instance):
            survivor.heap[address] = replace(
                mine, attrs=_blend(survivor, address, mine.attrs, theirs.attrs)
            )
        elif isinstance(mine, Layer) and isinstance(theirs, Layer):
            survivor.heap[address] = replace(
                mine, attrs=_blend(survivor, address, mine.attrs, theirs.attrs)
            )
        elif isinstance(mine, Dict) and isinstance(theirs, Dict):
            survivor.heap[address] = replace(
                mine, items=_blend(survivor, address, mine.items, theirs.items)
            )
        elif isinstance(mine, List) and isinstance(theirs, List):
            pairs = zip(mine.items, theirs.items, strict=False)
            items = tuple([_either(survivor, address, i, a, b) for i, (a, b) in enumerate(pairs)])
            survivor.heap[address] = replace(mine, items=items)


def _blend(at: State, address: Address, mine: Any, theirs: Any) -> dict[Any, Value]:
    blended = {
        name: _either(at, address, name, value, theirs.get(name, value))
        for name, value in mine.items()
    }
    dull = {name: value for name, value in theirs.items() if _is_plain(value)}
    return {**dull, **blended}


def _either(at: State, address: Address, slot: Any, mine: Value, theirs: Value) -> Value:
    differ = mine is not theirs and (type(mine), mine) != (type(theirs), theirs)
    if type(mine) is type(theirs) is Const:
        differ = (type(mine.value), mine.value) != (type(theirs.value), theirs.value)
    if differ and _is_plain(mine) and _is_plain(theirs):
        return Sym(("either", at.frame, address, slot))
    return mine


def _is_plain(value: Value) -> bool:
    """Whether a value leads to nothing: no object, and no graph."""
    return isinstance(value, Const) or (isinstance(value, Sym) and value.node is None)
