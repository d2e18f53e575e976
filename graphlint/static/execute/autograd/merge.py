"""Collapse states that can't be told apart any more, and settle passes that nobody can reach.

See Note [What makes two states equal] in `keys`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from graphlint.static.execute.autograd.evaluations import note_dead
from graphlint.static.execute.paths.branches import note_blurred
from graphlint.static.execute.paths.keys import GRAPHS_ONLY, Reach, graph_key, reach, scene_key
from graphlint.static.execute.paths.state import Pending, State
from graphlint.static.execute.paths.values import (
    NONE,
    Address,
    Const,
    Dict,
    Env,
    Instance,
    Key,
    Layer,
    List,
    NodeId,
    Ref,
    Sym,
    Tensor,
    Tuple,
    Value,
)

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor


@dataclass(frozen=True, slots=True)
class Limits:
    """How many states are told apart (Note [What makes two states equal]).

    A `narrow` one goes on with one of those that have the same passes pending.
    """

    many: int = 3
    too_many: int = 10
    most: int = 24
    narrow: bool = False


JOINED = Limits(many=1, too_many=1)
"""Tells no states apart that differ in nothing but values without graphs."""
PRESSED = Limits(many=1, too_many=4, most=12)
"""What is told apart once a part of the steps is spent: fewer paths get further."""
NARROWED = Limits(many=1, too_many=1, narrow=True)
"""Follows one state of those that have the same passes pending (Note [Second attempts])."""
CHOSEN = Limits(narrow=True)
"""The same of states that are told apart."""
COMPARED_PER_STEP = 16
"""How many objects and nodes of a state are compared in the time of one step."""


@dataclass(frozen=True, slots=True)
class Flow:
    """How a statement ends: `next`, `break`, `continue`, `return` (with a value) or `raise`."""

    kind: str
    value: Value | None = None


NEXT, BREAK, CONTINUE, RAISE = Flow("next"), Flow("break"), Flow("continue"), Flow("raise")
Outcome = tuple[State, Flow]


def settle(ex: Executor, state: State, live: Iterable[NodeId]) -> None:
    """Hand over the passes whose kept nodes can't be reached any more, chain by chain."""
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
    paths = _collapse(ex, [_examined(ex, outcome) for outcome in outcomes], 0)
    limits = PRESSED if ex.steps.pressed and ex.limits.many > 1 else ex.limits
    for level, limit in ((1, limits.many), (2, limits.too_many), (GRAPHS_ONLY, limits.too_many)):
        if len(paths) > limit:
            paths = _collapse(ex, paths, level)
    if limits.narrow:
        paths = _richest(paths)
    outcomes = [(path.state, path.flow) for path in paths]
    if len(outcomes) > limits.most:
        followed = [state for state, _ in outcomes[: limits.most]]
        for state, _ in outcomes[limits.most :]:
            ex.drop(state, followed)
        outcomes = outcomes[: limits.most]
    return outcomes


def _richest(paths: list[_Path]) -> list[_Path]:
    """Return one path for each set of passes that are pending: the one with the most to visit."""
    chosen: dict[Key, _Path] = {}
    for path in paths:
        pending = frozenset([(p.call, p.frame) for p in path.state.pending.values()])
        best = chosen.setdefault((path.flow.kind, pending), path)
        if path.richness > best.richness:
            chosen[path.flow.kind, pending] = path
    return list(chosen.values())


@dataclass(slots=True)
class _Path:
    """An outcome, what can be reached from it, and the key of its graph."""

    state: State
    flow: Flow
    reach: Reach
    graph: Key

    @property
    def richness(self) -> tuple[int, int]:
        """How much there is that passes may visit: nodes, and objects."""
        return len(self.reach.live), len(self.reach.leads)


def _examined(ex: Executor, outcome: Outcome) -> _Path:
    """Settle the passes that nobody can reach any more, and get ready to compare."""
    state, flow = outcome
    found = reach(state, flow.value)
    ex.steps.take(1 + (len(found.leads) + len(found.live)) // COMPARED_PER_STEP)
    note_dead(ex, state, found.live)
    settle(ex, state, found.live)
    return _Path(state, flow, found, graph_key(state, found.live))


def _collapse(ex: Executor, paths: list[_Path], level: int) -> list[_Path]:
    seen: dict[Key, _Path] = {}
    for path in paths:
        state, flow = path.state, path.flow
        ex.steps.take()
        scene = scene_key(state, path.reach, flow.value, level)
        first = seen.setdefault((flow.kind, _items(flow), scene, path.graph), path)
        if first is path:
            continue
        survivor = first.state
        if level:
            _widen(survivor, state, path.reach.leads)
            survivor.attrs = {k: v for k, v in survivor.attrs.items() if state.attrs.get(k) == v}
            note_blurred(survivor, state)
            first.flow = _widen_flow(survivor, first.flow, flow)
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
    return list(seen.values())


def _items(flow: Flow) -> int | None:
    """Return how many items a tuple has: one of another length is not unpacked as it is."""
    return len(flow.value.items) if isinstance(flow.value, Tuple) else None


def _widen_flow(survivor: State, flow: Flow, other: Flow) -> Flow:
    if isinstance(flow.value, (Const, Sym)) and flow.value != other.value:
        node = flow.value.node if isinstance(flow.value, Sym) else None
        return Flow(flow.kind, Sym(("either", survivor.frame, "return"), node))
    return flow


def _widen(survivor: State, other: State, addresses: Iterable[Address]) -> None:
    """Make a state cover another: dull values that differ become unknown."""
    for address in addresses:
        mine, theirs = survivor.heap.get(address), other.heap.get(address)
        if mine is None or theirs is None or mine is theirs:
            continue
        if isinstance(mine, Env) and isinstance(theirs, Env):
            unlike = {name: Sym(("either", survivor.frame, address, name)) for name in theirs.vars}
            blended = _blend(survivor, other, address, mine.vars, theirs.vars)
            survivor.heap[address] = replace(mine, vars={**unlike, **blended})
        elif isinstance(mine, Instance) and isinstance(theirs, Instance):
            survivor.heap[address] = replace(
                mine, attrs=_blend(survivor, other, address, mine.attrs, theirs.attrs)
            )
        elif isinstance(mine, Layer) and isinstance(theirs, Layer):
            survivor.heap[address] = replace(
                mine, attrs=_blend(survivor, other, address, mine.attrs, theirs.attrs)
            )
        elif isinstance(mine, Dict) and isinstance(theirs, Dict):
            survivor.heap[address] = replace(
                mine, items=_blend(survivor, other, address, mine.items, theirs.items)
            )
        elif isinstance(mine, List) and isinstance(theirs, List):
            pairs = zip(mine.items, theirs.items, strict=False)
            items = tuple(
                [_either(survivor, other, address, i, a, b) for i, (a, b) in enumerate(pairs)]
            )
            survivor.heap[address] = replace(mine, items=items)


def _blend(at: State, other: State, address: Address, mine: Any, theirs: Any) -> dict[Any, Value]:
    blended = {
        name: _either(at, other, address, name, value, theirs.get(name, value))
        for name, value in mine.items()
    }
    dull = {name: value for name, value in theirs.items() if _is_plain(value)}
    return {**dull, **blended}


def _either(
    at: State, other: State, address: Address, slot: Any, mine: Value, theirs: Value
) -> Value:
    """Return what stands for two values: a tensor without a graph for itself or None."""
    tensor = other.get(theirs, Tensor) if mine == NONE else None
    if tensor is not None and tensor.node is None and isinstance(theirs, Ref):
        at.heap.setdefault(theirs.address, tensor)
        return theirs
    differ = mine is not theirs and (type(mine), mine) != (type(theirs), theirs)
    if type(mine) is type(theirs) is Const:
        differ = (type(mine.value), mine.value) != (type(theirs.value), theirs.value)
    if differ and _is_plain(mine) and _is_plain(theirs):
        return Sym(("either", at.frame, address, slot))
    return mine


def _is_plain(value: Value) -> bool:
    """Whether a value leads to nothing: no object, and no graph."""
    return isinstance(value, Const) or (isinstance(value, Sym) and value.node is None)
