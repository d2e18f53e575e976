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
from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.holders import (
    container_name,
    last_name,
    mentioned,
    operands,
    overwrites,
    trimmed_names,
    written,
)
from graphlint.static.execute.autograd.leaks import Held, Loop, tell_if_spent
from graphlint.static.execute.paths.frames import Frame
from graphlint.static.execute.paths.graph import reachable
from graphlint.static.execute.paths.values import Dict, Key, List, NodeId, Ref, Sym, Value
from graphlint.static.execute.records.records import site_of
from graphlint.trace import Keeping

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor
    from graphlint.static.execute.paths.state import State

BOUNDED = "bounded deque"
MOST_NODES = 400
"""How large a graph may be for its holders to be looked for."""


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
        name = written(node.target)
        called = _names(state, node.value)
        _note(ex, state, node, Keeping.SUM, name, nodes, added, nodes, called)


def note_assigned(
    ex: Executor, states: Iterable[State], node: ir.Assign, target: ir.Expr, value: Value
) -> None:
    """Note `total = total + loss`, whatever else is done to either term, or a sum of lists."""
    for state in states if _is_sum(node, target) else ():
        nodes = state.nodes(value) if state.frame.loops else []
        name, called = written(target), _names(state, node.value)
        before = {n for held in _earlier(state, node) for n in held.nodes}
        if state.get(value, List):
            new = [n for n in nodes if n not in before]
            if new:
                _note(ex, state, node, Keeping.CONTAINER, name, new, new, nodes, called)
            continue
        added = [n for n in _inputs(state, nodes) if before.isdisjoint(reachable(state.graph, [n]))]
        if added:
            _note(ex, state, node, Keeping.SUM, name, nodes, added, nodes, called)


def _is_sum(node: ir.Assign, target: ir.Expr) -> bool:
    made = node.value
    return isinstance(made, ir.Binary) and made.op == "Add" and written(target) in mentioned(made)


def _inputs(state: State, nodes: Iterable[NodeId]) -> list[NodeId]:
    return [number for node in nodes for number in state.graph[node].inputs]


def note_stored(
    ex: Executor, state: State, place: ir.Node, owner: Value, values: Sequence[Value]
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
        called, within = _names(state, place), state.nodes(owner)
        _note(ex, state, place, Keeping.CONTAINER, name, added, added, within, called)


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
    called: tuple[Key, ...] = (),
) -> None:
    if not state.frame.loops:
        return
    for held in _still_held(ex, state, place, added, within):
        loops = _loops(held.frame, state.frame)
        if how is Keeping.CONTAINER and overwrites(place, loops[0][1], loops[1:]):
            continue
        if how is Keeping.CONTAINER and _is_trimmed(ex, state, last_name(name)):
            continue
        grown = replace(held, grown=True, loops=loops)
        state.holds[held.place, held.frame] = grown
        tell_if_spent(ex, state, grown)
    site = site_of(place, state.frame)
    made = Held(place, state.frame, site, how, name, tuple(nodes), tuple(added), called)
    state.holds[place, state.frame] = made


def _still_held(
    ex: Executor,
    state: State,
    place: ir.Node,
    added: Sequence[NodeId],
    within: Sequence[NodeId],
) -> list[Held]:
    """Return what the statement held in earlier iterations and the holder still has.

    A value that is built on the one before it would keep that one alive anyway.
    """
    earlier = _earlier(state, place)
    if not earlier:
        return []
    ex.steps.take()
    live = set(reachable(state.graph, within))
    fresh = set(reachable(state.graph, added))
    if len(live) > MOST_NODES:
        return []
    return [h for h in earlier if live.intersection(h.nodes) and fresh.isdisjoint(h.nodes)]


def _names(state: State, place: ir.Node) -> tuple[Key, ...]:
    """Return the names of the unknown values among the variables that a statement computes with."""
    found = [state.lookup(variable) for variable in operands(place)]
    return tuple([value.name for value in found if isinstance(value, Sym)])


def _earlier(state: State, place: ir.Node) -> list[Held]:
    return [
        held
        for held in state.holds.values()
        if held.place is place and held.frame.precedes(state.frame)
    ]


def _loops(earlier: Frame, later: Frame) -> tuple[Loop, ...]:
    """Return the loop that went on from one frame to the other, and those around it."""
    around: list[Loop] = []
    for loop, index in earlier.loops.items():
        around.insert(0, loop)
        if later.loops.get(loop, index) > index:
            break
    return tuple(around)


def _is_trimmed(ex: Executor, state: State, name: str) -> bool:
    """Whether a file that the path leads through takes something out of what has this name."""
    modules: dict[str, ir.Module | None] = {}
    for frame in reversed(list(state.frame.chain())):
        if isinstance(frame.detail, ir.Module):
            modules[frame.detail.filename] = frame.detail
        elif isinstance(frame.detail, ir.Function) and frame.detail.filename not in modules:
            project, filename = ex.project, frame.detail.filename
            modules[filename] = project.lower(filename) if project else None
    return any(name in trimmed_names(module) for module in modules.values() if module)


# ------------------------------------------------------------------------------------ passes
def note_start(state: State, call: ir.Call, root: Value) -> None:
    """Note the unknown value that a pass starts from: that torch lets it shows that it has a graph.

    So does a pass from what is computed of this value alone, as in `scaler.scale(loss).backward()`
    and in `loss = cross_entropy(output, label)`.
    """
    values = [root, *_sources(state, call, root)]
    if isinstance(call.func, ir.Attribute):
        found = [state.lookup(variable) for variable in set(operands(call.func.value))]
        used = [value for value in found if value is not None and state.nodes(value)]
        values += used if len(used) == 1 else []
    for value in values:
        if isinstance(value, Sym):
            state.passed[value.name] = True


def _sources(state: State, call: ir.Call, root: Value) -> Iterator[Value]:
    """Walk back from a pass's root over the variables that this function computed it of alone."""
    here, chain = site_of(call, state.frame), set(_chain(state, list(state.nodes(root))))
    for node in [state.graph[number] for number in chain]:
        place = site_of(node.place, node.frame)
        if (place.filename, place.function) == (here.filename, here.function):
            found = [state.lookup(variable) for variable in set(operands(node.place))]
            used = [value for value in found if value is not None and state.nodes(value)]
            if len(used) == 1 and chain.issuperset(state.nodes(used[0])):
                yield used[0]


def _chain(state: State, nodes: Sequence[NodeId]) -> Iterator[NodeId]:
    """Walk the nodes below one, as long as each stands on the next alone."""
    while len(nodes) == 1:
        yield nodes[0]
        node = state.graph[nodes[0]]
        nodes = () if node.leaves else node.inputs


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
