"""Values that are kept with their graphs: accumulated sums, and containers that grow.

# Note [When a hold is a leak]
`total += loss` and `losses.append(loss)` keep a graph; that alone is no mistake. It is one where

* the holder *grows*: when the same statement runs in a later iteration, what it held in an earlier
  one can still be reached from it (a sum that starts anew, a list that was cleared and a bounded
  deque can't be reached any more), and
* nobody differentiates what is held. A pass over the graph of the value alone, in the iteration
  that made it, is the ordinary training step; one that comes later, or over the sum itself, is what
  the value was kept for, and clears the statement of any suspicion, on whichever path it is.

Where the ordinary pass freed the graph, nobody can differentiate it again, so that growing is proof
enough. Otherwise the path has to end first, without the graph having been handed to anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.frames import Frame
from graphlint.static.execute.graph import plainly_reachable, reachable
from graphlint.static.execute.records import site_of
from graphlint.static.execute.trimming import last_name, trimmed_names
from graphlint.static.execute.values import Address, Dict, Env, List, NodeId, Ref, Value
from graphlint.static.knowledge.facts import NO
from graphlint.trace import Confidence, Doubt, Hold, Keeping, Site

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor
    from graphlint.static.execute.state import State

UNSURE_GRAPH = Doubt(Confidence.LIKELY, "whether the value has a graph depends on unknown code")
UNSEEN_USE = Doubt(Confidence.LIKELY, "the graph can still be differentiated")
BOUNDED = "bounded deque"
MOST_NODES = 400
"""How large a graph may be for its holders to be looked for."""


@dataclass(frozen=True, slots=True)
class Held:
    """One execution of a statement that keeps a graph.

    Attributes:
        place, frame, site: the statement.
        how, name: what kind of holder it is, and what it is called.
        nodes: what can be found again in the holder: the sum, or the stored value.
        added: the value's own nodes.
        grown: a later iteration found it still there.
        escaped: unknown code has got hold of it.
        told: it is recorded already, and may still be absolved.
    """

    place: ir.Node
    frame: Frame
    site: Site
    how: Keeping
    name: str
    nodes: tuple[NodeId, ...]
    added: tuple[NodeId, ...]
    grown: bool = False
    escaped: bool = False
    told: bool = False


# ------------------------------------------------------------------------------------ noting
def note_sum(
    ex: Executor,
    state: State,
    node: ir.AugAssign,
    right: Value,
    total: Value,
) -> None:
    """Note `total += loss`."""
    added = state.nodes(right) if state.frame.loops and node.op in ("Add", "Sub") else ()
    if added:
        nodes = state.nodes(total)
        _note(ex, state, node, Keeping.SUM, written(node.target), nodes, added, nodes)


def note_assigned(
    ex: Executor, states: Iterable[State], node: ir.Assign, target: ir.Expr, value: Value
) -> None:
    """Note `total = total + loss`, whatever else is done to either term."""
    for state in states if _is_sum(node, target) else ():
        nodes = state.nodes(value) if state.frame.loops else []
        added = _other_inputs(state, node, nodes)
        if added:
            _note(ex, state, node, Keeping.SUM, written(target), nodes, added, nodes)


def _is_sum(node: ir.Assign, target: ir.Expr) -> bool:
    made = node.value
    return isinstance(made, ir.Binary) and made.op == "Add" and written(target) in _mentioned(made)


def _other_inputs(state: State, place: ir.Node, nodes: Sequence[NodeId]) -> list[NodeId]:
    """Return what a sum adds to what it was at the same statement before."""
    before = {n for held in _earlier(state, place) for n in held.nodes}
    return [
        number
        for node in nodes
        for number in state.graph[node].inputs
        if not before.intersection(reachable(state.graph, [number]))
    ]


def note_stored(
    ex: Executor, state: State, place: ir.Node, owner: Value, values: Iterable[Value]
) -> None:
    """Note that values were put into a container."""
    found = state.object(owner) if isinstance(owner, Ref) else None
    if not state.frame.loops or not isinstance(found, (List, Dict)):
        return
    if isinstance(found, List) and found.kind == BOUNDED:
        return
    added = [node for value in values for node in state.nodes(value)]
    if added:
        name = container_name(place)
        _note(ex, state, place, Keeping.CONTAINER, name, added, added, state.nodes(owner))


def note_item(ex: Executor, state: State, place: ir.Node, owner: Value, value: Value) -> None:
    """Note `container[index] = value`, unless it puts back a sum of what was there."""
    if isinstance(place, ir.Assign) and not _is_sum(place, place.targets[0]):
        note_stored(ex, state, place, owner, (value,))


def _note(
    ex: Executor,
    state: State,
    place: ir.Node,
    how: Keeping,
    name: str,
    nodes: Sequence[NodeId],
    added: Sequence[NodeId],
    within: Sequence[NodeId],
) -> None:
    if not state.frame.loops:
        return
    earlier = _earlier(state, place)
    if earlier:
        ex.step()
        live = set(reachable(state.graph, within))
        fresh = set(reachable(state.graph, added))
        for held in earlier if len(live) <= MOST_NODES else ():
            # A value that is built on the one before it would keep that one alive anyway.
            if live.intersection(held.nodes) and not fresh.intersection(held.nodes):
                state.holds[held.place, held.frame] = grown = replace(held, grown=True)
                if how is Keeping.SUM or last_name(name) not in trimmed_names(_module(state)):
                    _tell_if_spent(ex, state, grown)
                else:
                    del state.holds[held.place, held.frame]
    site = site_of(place, state.frame)
    made = Held(place, state.frame, site, how, name, tuple(nodes), tuple(added))
    state.holds[place, state.frame] = made


def _earlier(state: State, place: ir.Node) -> list[Held]:
    return [
        held
        for held in state.holds.values()
        if held.place is place and held.frame.precedes(state.frame)
    ]


def _module(state: State) -> ir.Module | None:
    root = list(state.frame.chain())[-1]
    return root.detail if isinstance(root.detail, ir.Module) else None


# ------------------------------------------------------------------------------------- names
def written(target: ir.Expr) -> str:
    """Return a target as it is written, as far as that is a name."""
    if isinstance(target, ir.Name):
        return target.id
    if isinstance(target, ir.Attribute):
        owner = written(target.value)
        return f"{owner}.{target.name}" if owner else ""
    if isinstance(target, ir.Subscript):
        owner = written(target.value)
        return f"{owner}[…]" if owner else ""
    return ""


def container_name(place: ir.Node) -> str:
    """Return the name of the container that a call or an assignment stores into."""
    if isinstance(place, ir.Call) and isinstance(place.func, ir.Attribute):
        return written(place.func.value)
    if isinstance(place, ir.AugAssign):
        return written(place.target)
    if isinstance(place, ir.Assign) and isinstance(place.targets[0], ir.Subscript):
        return written(place.targets[0].value)
    return ""


def _mentioned(term: ir.Expr) -> set[str]:
    """Return the names in a term of a sum, down through its operators."""
    if isinstance(term, ir.Binary):
        return _mentioned(term.left) | _mentioned(term.right)
    name = written(term)
    return {name} if name else set()


# ------------------------------------------------------------------------------------ passes
def note_visit(
    ex: Executor, state: State, roots: Iterable[NodeId], visited: Iterable[NodeId]
) -> None:
    """Clear the statements whose values a pass was kept for, and remember what it visited."""
    seen = set(visited)
    for key, held in list(state.holds.items()):
        if not seen.isdisjoint(held.nodes):
            if held.how is Keeping.SUM or not _is_within(state.frame, held.frame):
                ex.records.absolve(held.site)
                del state.holds[key]
    for number in seen:
        state.passed.setdefault(number, False)
    for number in roots:
        state.passed[number] = True


def _is_within(frame: Frame, held: Frame) -> bool:
    """Whether a frame is in the very iteration in which something was held."""
    return all(frame.loops.get(loop) == index for loop, index in held.loops.items())


def release(state: State, values: Iterable[Value]) -> None:
    """Note what unknown code gets hold of: it may differentiate it."""
    if not state.holds:
        return
    live = set(reachable(state.graph, [n for value in values for n in state.nodes(value)]))
    for key, held in list(state.holds.items()):
        if not held.escaped and not live.isdisjoint(held.nodes):
            state.holds[key] = replace(held, escaped=True)


# ----------------------------------------------------------------------------------- telling
def _tell_if_spent(ex: Executor, state: State, held: Held) -> None:
    """Tell a hold whose graph a pass has freed: nobody can differentiate that again."""
    surety = _has_graph(state, held.added)
    if surety is None or not _was_differentiated(state, held.added):
        return
    freed = [state.freed[n] for n in plainly_reachable(state.graph, held.added) if n in state.freed]
    if freed:
        doubts = frozenset().union(*(f.doubts for f in freed)) | _doubts(surety)
        ex.records.hold(_told(state, held, freed[0].site, True, doubts))
        state.holds[held.place, held.frame] = replace(held, told=True)


def settle_holds(ex: Executor, state: State, escaping: Iterable[Value]) -> None:
    """Tell what a path kept to its end and never differentiated, unless others can reach it."""
    if not any(held.grown and not held.told for held in state.holds.values()):
        return
    entry = next((f for f in state.frame.chain() if f.kind == "entry"), None)
    if entry is not None:
        if not isinstance(entry.place, ir.Function):
            return  # an object's: its users have what it keeps
        escaping = [*escaping, *_variables(state)]
    release(state, tuple(escaping))
    for held in state.holds.values():
        surety = _has_graph(state, held.added)
        if surety is None or held.escaped or held.told or not held.grown:
            continue
        differentiated = _was_differentiated(state, held.added)
        if differentiated or (surety and entry is None and _runs_layers(state, held.added)):
            doubts = _doubts(surety) | (frozenset((UNSEEN_USE,)) if entry else frozenset())
            ex.records.hold_at_end(_told(state, held, None, differentiated, doubts))


def _variables(state: State) -> Iterator[Value]:
    address: Address | None = state.env
    while address is not None:
        env = state.heap[address]
        assert isinstance(env, Env)
        yield from env.vars.values()
        address = env.parent


def _told(
    state: State, held: Held, freed: Site | None, differentiated: bool, doubts: frozenset[Doubt]
) -> Hold:
    node = state.graph[held.added[0]]
    built = site_of(node.place, node.frame) if node.frame else None
    return Hold(held.site, held.how, held.name, built, freed, differentiated, doubts)


def _doubts(surety: bool) -> frozenset[Doubt]:
    return frozenset() if surety else frozenset((UNSURE_GRAPH,))


def _has_graph(state: State, nodes: Iterable[NodeId]) -> bool | None:
    """Whether values surely have a graph (True), probably (False), or that can't be told (None)."""
    found = [_surety(state, node) for node in nodes]
    return True if True in found else False if False in found else None


def _surety(state: State, number: NodeId) -> bool | None:
    """Judge one node: a pass that started there shows that it is real; so does a known op."""
    node = state.graph[number]
    if state.passed.get(number) or not node.unknown:
        return True
    if not node.opaque:
        below = [_surety(state, i) for i in node.inputs]
        if True in below or False in below:
            return True in below
    return False if number in state.passed else None


def _was_differentiated(state: State, nodes: Iterable[NodeId]) -> bool:
    """Whether a pass visited values, or what known operations made them of."""
    todo, seen = list(nodes), set()
    while todo:
        number = todo.pop()
        if number in state.passed:
            return True
        if number not in seen and not state.graph[number].opaque:
            seen.add(number)
            todo += state.graph[number].inputs
    return False


def _runs_layers(state: State, nodes: Iterable[NodeId]) -> bool:
    below = (state.graph[number] for number in reachable(state.graph, nodes))
    return any(node.op == "layer" and node.saves is not NO for node in below)
