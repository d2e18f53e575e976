"""Which holds are leaks: who has a graph, was differentiated, and can't be any more.

See Note [When a hold is a leak] in `holds`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from graphlint.static import ir
from graphlint.static.execute.autograd.evaluations import CALLER_DECIDES
from graphlint.static.execute.autograd.holders import goes_over_networks, renewal
from graphlint.static.execute.autograd.looks import is_only_looked_at
from graphlint.static.execute.paths.frames import Frame
from graphlint.static.execute.paths.graph import Node, plainly_reachable, reachable
from graphlint.static.execute.paths.values import Address, Env, Key, NodeId, Value
from graphlint.static.execute.records.records import site_of
from graphlint.static.knowledge.facts import MAYBE, NO, YES
from graphlint.static.knowledge.names import FORWARD
from graphlint.trace import Confidence, Doubt, Hold, Keeping, Site

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor
    from graphlint.static.execute.paths.state import State

UNSURE_GRAPH = Doubt(Confidence.LIKELY, "whether the value has a graph depends on unknown code")
UNSEEN_GRAPH = Doubt(Confidence.POSSIBLE, "nothing shows that the value has a graph")
UNSEEN_USE = Doubt(Confidence.LIKELY, "the graph can still be differentiated")
FEW = 20
"""So many iterations are over soon, and what a sum holds of their graphs is let go of."""
PARTS = frozenset(("select", "getitem", "slice", "index"))
WHOLE = "whole"
"""Marks nodes of unknown values, in `State.passed`, that a pass started from."""
Loop = tuple[Frame | None, Any]


@dataclass(frozen=True, slots=True)
class Held:
    """One execution of a statement that keeps a graph.

    Attributes:
        place, frame, site: the statement.
        how, name: what kind of holder it is, and what it is called.
        nodes: what can be found again in the holder: the sum, or the stored value.
        owner: the container, where it is known.
        added: the value's own nodes.
        called: the unknown values that the statement mentions.
        grown: a later iteration found it still there.
        loops: the loop whose iterations these are, and those around it.
        escaped: unknown code has got hold of it.
        told: it is recorded already, and may still be absolved.
        by: the methods of the object with the sum that set it back.
    """

    place: ir.Node
    frame: Frame
    site: Site
    how: Keeping
    name: str
    nodes: tuple[NodeId, ...]
    added: tuple[NodeId, ...]
    called: tuple[Key, ...] = ()
    grown: bool = False
    loops: tuple[Loop, ...] = ()
    escaped: bool = False
    told: bool = False
    by: frozenset[str] = frozenset()
    owner: Address | None = None


def release(state: State, values: Iterable[Value]) -> None:
    """Note what unknown code gets hold of: it may differentiate it."""
    if not state.holds:
        return
    live = set(reachable(state.graph, [n for value in values for n in state.nodes(value)]))
    for key, held in list(state.holds.items()):
        if not held.escaped and not live.isdisjoint(held.nodes):
            state.holds[key] = replace(held, escaped=True)


def tell_grown(ex: Executor, state: State, held: Held) -> None:
    """Tell a hold that grows, where it is plain that nobody will differentiate it again.

    A pass has freed its graph, or it is in a variable that is only looked at (`looks`).
    """
    doubts, looked_at = _doubts(state, held), is_only_looked_at(state.frame, held.name)
    if doubts is None or _holds_few(held):
        return
    if not was_differentiated(state, held.added):
        if doubts or not looked_at or _goes_over_parts(held) or not _runs_layers(state, held):
            return
        doubts = frozenset((CALLER_DECIDES,)) if _entry(state) else doubts
    loop = held.loops[0]
    freed = [
        state.freed[number]
        for number in plainly_reachable(state.graph, held.added)
        if number in state.freed and _is_made_in(state.graph[number], loop, held)
    ]
    if freed or looked_at:
        doubts = doubts.union(*(f.doubts for f in freed))
        differentiated = was_differentiated(state, held.added)
        found = _told(state, held, freed[0].site if freed else None, differentiated, doubts)
        ex.records.hold(found, [place for _, place in held.loops])
        state.holds[held.place, held.frame] = replace(held, told=True)


def _entry(state: State) -> Frame | None:
    """Return the frame of the entry point that is run, None at a file's top level."""
    return next((frame for frame in state.frame.chain() if frame.kind == "entry"), None)


def _is_made_in(node: Node, loop: Loop, held: Held) -> bool:
    """Whether a node was made in the iteration in which its graph was held, not before the loop."""
    return node.frame is not None and node.frame.loops.get(loop) == held.frame.loops[loop]


def settle_holds(ex: Executor, state: State, escaping: Iterable[Value]) -> None:
    """Tell what a path kept to its end and never differentiated, unless others can reach it."""
    if not any(held.grown and not held.told for held in state.holds.values()):
        return
    entry = _entry(state)
    if entry is not None:
        if not isinstance(entry.place, ir.Function):
            return  # an object's: its users have what it keeps
        escaping = [*escaping, *_variables(state)]
    release(state, tuple(escaping))
    for held in state.holds.values():
        doubts = _doubts(state, held)
        if doubts is None or held.escaped or held.told or not held.grown:
            continue
        if _goes_over_parts(held) or _holds_few(held):
            continue
        differentiated = was_differentiated(state, held.added)
        if differentiated or (not doubts and entry is None and _runs_layers(state, held)):
            doubts |= {UNSEEN_USE} if entry else set()
            found = _told(state, held, None, differentiated, doubts)
            ex.records.hold_at_end(found, [place for _, place in held.loops])


def _goes_over_parts(held: Held) -> bool:
    """Whether the loop goes over parts of what a module's forward pass computes.

    What that keeps of each is there to be made into the output, whatever becomes of the output.
    """
    frame = held.loops[0][0]
    running = (each.detail for each in frame.chain()) if frame else ()
    return any(isinstance(each, ir.Function) and each.name in FORWARD for each in running)


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
    renewed = _renewal(held) is not None
    return Hold(
        held.site, held.how, held.name, built, freed, differentiated, renewed, doubts=doubts
    )


def _renewal(held: Held) -> int | None:
    """Return after how many iterations a sum starts anew, 0 if not known; None where it doesn't."""
    if held.how is not Keeping.SUM:
        return None
    return renewal(held.loops[0][1], held.name, held.by)


def _holds_few(held: Held) -> bool:
    """Whether a holder gets but few graphs: one of each network, or a sum that starts anew soon."""
    return goes_over_networks(held.loops[0][1]) or 0 < (_renewal(held) or 0) <= FEW


def _doubts(state: State, held: Held) -> frozenset[Doubt] | None:
    """Say how unsure it is that what is held has a graph; None where nothing says that it has."""
    if any(name in state.passed for name in held.called):
        return frozenset()
    known: dict[NodeId, int] = {}
    level = max([_surety(state, node, known) for node in held.added])
    return (None, frozenset((UNSEEN_GRAPH,)), frozenset((UNSURE_GRAPH,)), frozenset())[level]


def _surety(state: State, number: NodeId, known: dict[NodeId, int]) -> int:
    """Judge one node, from 0 (nothing shows that it is real) to 3 (it surely is).

    What unknown code returns has one node, whatever its parts are: that a pass visited this says
    little of any one of them, unless it started from the whole.
    """
    if number not in known:
        known[number] = _judged(state, number, known)
    return known[number]


def _judged(state: State, number: NodeId, known: dict[NodeId, int]) -> int:
    node, root = state.graph[number], state.passed.get(number)
    if not node.unknown:
        return 3
    if _is_vague(state, node):
        return 3 if (WHOLE, number) in state.passed else 0 if root is None else 1
    below = [_surety(state, i, known) for i in node.inputs]
    return max([3 if root else 0 if root is None else 2, *below])


def _is_vague(state: State, node: Node) -> bool:
    """Whether a node stands for what unknown code returns, or for a part of that."""
    if node.op in PARTS and node.inputs:
        return all(_is_vague(state, state.graph[i]) for i in node.inputs)
    return node.opaque or (node.unknown and node.saves is MAYBE)


def was_differentiated(state: State, nodes: Iterable[NodeId]) -> bool:
    """Whether a pass visited values, or what known operations made them of.

    A gradient's graph is another one than the graph whose visit made it.
    """
    todo, seen = list(nodes), set()
    while todo:
        number = todo.pop()
        if number in state.passed:
            return True
        node = state.graph[number]
        if number not in seen and not node.opaque and node.op != "gradient":
            seen.add(number)
            todo += node.inputs
    return False


def _runs_layers(state: State, held: Held) -> bool:
    """Whether the value comes from a network's forward pass, run in the same iteration.

    What saves tensors for certain counts as one, whatever the operation, but for gradients that are
    differentiable and differentiated by nobody: that is to be said of what makes them (RG302). What
    an iteration makes of an earlier output alone is a part of that, and is soon through with it.
    """
    made = [node for node in _made_with(state, held) if node.op != "gradient"]
    saves = any(node.saves is YES or (node.op == "layer" and node.saves is not NO) for node in made)
    return saves and any(node.leaves or not node.inputs for node in made)


def _made_with(state: State, held: Held) -> Iterator[Node]:
    """Walk the nodes below a value down to those that are older than its iteration."""
    todo, seen = list(held.added), set[NodeId]()
    while todo:
        number = todo.pop()
        node = state.graph[number]
        if number not in seen and _is_made_in(node, held.loops[0], held):
            seen.add(number)
            todo += node.inputs
            yield node
