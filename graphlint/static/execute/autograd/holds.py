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
enough; nor does anybody where all that the text does with the variable is to look at it. Otherwise
the path has to end first, without the graph having been handed to anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.foreign import may_be_tensor
from graphlint.static.execute.autograd.holders import (
    container_name,
    empties,
    is_rebuilt,
    last_name,
    operands,
    overwrites,
    setting_back,
    trimmed_names,
)
from graphlint.static.execute.autograd.leaks import (
    WHOLE,
    Held,
    Loop,
    tell_grown,
)
from graphlint.static.execute.paths.frames import Frame
from graphlint.static.execute.paths.graph import reachable
from graphlint.static.execute.paths.values import (
    RETURNED,
    Const,
    Dict,
    Instance,
    Key,
    List,
    NodeId,
    Object,
    Ref,
    Sym,
    Tensor,
    Tuple,
    Value,
)
from graphlint.static.execute.records.records import site_of
from graphlint.trace import Keeping

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor
    from graphlint.static.execute.paths.state import State

BOUNDED = "bounded deque"
LARGE = 1000
"""A bound of so many items is none: it holds as many graphs."""
MOST_NODES = 4000
"""How large a graph may be for its holders to be looked for."""
NODES_PER_STEP = 64
"""How many nodes are looked through in the time of one step."""


# ------------------------------------------------------------------------------------ noting
def note_stored(
    ex: Executor, state: State, place: ir.Node, owner: Value, values: Sequence[Value]
) -> None:
    """Note that values were put into a container, or written into a tensor."""
    if not state.frame.loops or not isinstance(owner, Ref):
        return
    found = state.object(owner)
    if not isinstance(found, (List, Dict, Tensor)):
        return
    if isinstance(found, List) and found.kind == BOUNDED:
        return
    note_mixed(ex, state, place, values)
    values = [*values, *(item for value in values for item in _put_into(state, value).values())]
    added = [node for value in values for node in state.nodes(value)]
    if added:
        name, called = container_name(place), names_of(state, place, values)
        made = held_here(state, place, Keeping.CONTAINER, name, added, added, called)
        note(ex, state, replace(made, owner=owner.address), state.nodes(owner))


def note_mixed(ex: Executor, state: State, place: ir.Node, values: Iterable[Value]) -> None:
    """Note that a statement keeps what is no tensor, which can't be detached as one."""
    if any(_is_no_tensor(state, value) for value in values):
        ex.records.mixed.add(site_of(place, state.frame))


def _is_no_tensor(state: State, value: Value) -> bool:
    if isinstance(value, Sym):
        has_names = any(isinstance(key, str) for key in _put_into(state, value))
        return has_names or not may_be_tensor(value)
    return isinstance(value, (Const, Tuple)) or isinstance(
        state.get(value, Object), (List, Dict, Instance)
    )


def _put_into(state: State, value: Value) -> dict[object, Value]:
    """Return what the program put into a container that is not known, by its keys."""
    if not isinstance(value, Sym):
        return {}
    written = ("subscript", value.name)
    return {place[2]: item for place, item in state.attrs.items() if place[:2] == written}


def note_item(ex: Executor, state: State, place: ir.Node, owner: Value, value: Value) -> None:
    """Note `container[index] = value`, unless it puts back a sum of what was there."""
    if isinstance(place, ir.Assign) and not is_rebuilt(place.targets[0], place.value):
        note_stored(ex, state, place, owner, (value,))


def note_made(
    ex: Executor, state: State, place: ir.Comprehension, made: Sequence[Value], value: Value
) -> None:
    """Note that a comprehension adds a value to those that it made, if it ran a pass over it.

    What becomes of other graphs is up to the statement around it.
    """
    nodes = state.nodes(value) if place.kind != "generator" else []
    added = [n for n in nodes if n in state.passed and _is_of_iteration(state, n)]
    if added:
        held = held_here(state, place, Keeping.CONTAINER, "", added, added)
        note(ex, state, held, [node for item in (*made, value) for node in state.nodes(item)])


def _is_of_iteration(state: State, number: NodeId) -> bool:
    """Whether a node was made in the innermost loop's iteration."""
    frame, made = state.frame, state.graph[number].frame
    return made is not None and made.loops.get((frame.parent, frame.place)) == frame.index


def note(ex: Executor, state: State, made: Held, within: Sequence[NodeId]) -> None:
    """Note that a statement keeps a graph in a holder with some nodes: what it kept may grow."""
    if not state.frame.loops:
        return
    for held in _still_held(ex, state, made, within):
        loops = _loops(held.frame, state.frame)
        if made.how is Keeping.CONTAINER and overwrites(made.place, [loop for _, loop in loops]):
            continue
        if made.how is Keeping.CONTAINER and (
            _is_trimmed(ex, state, last_name(made.name)) or _is_emptied(made, loops)
        ):
            continue
        grown = replace(held, grown=True, loops=loops, by=_set_back_by(ex, held))
        state.holds[held.place, held.frame] = grown
        tell_grown(ex, state, grown)
    state.holds[made.place, made.frame] = made


def held_here(
    state: State,
    place: ir.Node,
    how: Keeping,
    name: str,
    nodes: Sequence[NodeId],
    added: Sequence[NodeId],
    called: tuple[Key, ...] = (),
) -> Held:
    """Describe what a statement keeps that is running."""
    site = site_of(place, state.frame)
    return Held(place, state.frame, site, how, name, tuple(nodes), tuple(added), called)


def _still_held(ex: Executor, state: State, made: Held, within: Sequence[NodeId]) -> list[Held]:
    """Return what the statement held in earlier iterations and the holder still has.

    A value that is built on the one before it would keep that one alive anyway. A container that
    was made since may have been given the same value again, which says nothing of growth.
    """
    earlier = [h for h in earlier_holds(state, made.place) if h.owner == made.owner]
    if not earlier:
        return []
    live = set(reachable(state.graph, within))
    ex.steps.take(1 + len(live) // NODES_PER_STEP)
    fresh = set(reachable(state.graph, made.added))
    if len(live) > MOST_NODES:
        return []
    return [h for h in earlier if live.intersection(h.nodes) and fresh.isdisjoint(h.nodes)]


def names_of(state: State, place: ir.Node, values: Iterable[Value]) -> tuple[Key, ...]:
    """Return the names of unknown values: those kept, and variables that they are computed of."""
    found = [*values, *(state.lookup(variable) for variable in operands(place))]
    return tuple(dict.fromkeys(value.name for value in found if isinstance(value, Sym)))


def earlier_holds(state: State, place: ir.Node) -> list[Held]:
    """Return what a statement held in earlier iterations."""
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


def _is_emptied(made: Held, loops: Sequence[Loop]) -> bool:
    """Whether the loop, or a function that it calls and that keeps the value, empties the holder.

    Of a function around the loop the loop alone counts.
    """
    loop = loops[0][1]
    running = (f.detail for f in made.frame.chain() if isinstance(f.detail, ir.Function))
    function = next(running, None)
    within = function is not None and all(node is not loop for node in ir.walk(function))
    return empties(loop, made.name) or (
        within and function is not None and empties(function, made.name)
    )


def _is_trimmed(ex: Executor, state: State, name: str) -> bool:
    """Whether a file that the path leads through takes something out of what has this name."""
    return any(name in trimmed_names(module) for module in _files(ex, state.frame).values())


def _files(ex: Executor, innermost: Frame) -> dict[str, ir.Module]:
    """Return the files that a path leads through, by name."""
    modules: dict[str, ir.Module | None] = {}
    for frame in reversed(list(innermost.chain())):
        if isinstance(frame.detail, ir.Module):
            modules[frame.detail.filename] = frame.detail
        elif isinstance(frame.detail, ir.Function) and frame.detail.filename not in modules:
            project, filename = ex.project, frame.detail.filename
            modules[filename] = project.lower(filename) if project else None
    return {filename: module for filename, module in modules.items() if module}


def _set_back_by(ex: Executor, held: Held) -> frozenset[str]:
    """Return the methods of an object's class that set back the attribute which is its sum."""
    running = (f.detail for f in held.frame.chain() if isinstance(f.detail, ir.Function))
    function = next(running, None)
    if held.how is not Keeping.SUM or "." not in held.name or function is None:
        return frozenset()
    module = _files(ex, held.frame).get(function.filename)
    owner = function.qualname.rpartition(".")[0].rpartition(".")[2]
    return setting_back(module, owner, held.name) if module else frozenset()


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
            if value.node is not None and value.name[0] == RETURNED:
                state.passed[WHOLE, value.node] = True


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
