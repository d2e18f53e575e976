"""Passes that visit what earlier passes visited: could both be one, or the one be cut off?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.accumulated import leave, route_of
from graphlint.static.execute.autograd.borders import border, value_of
from graphlint.static.execute.autograd.holders import written
from graphlint.static.execute.paths.frames import Frame
from graphlint.static.execute.paths.graph import Leaf, reachable
from graphlint.static.execute.paths.values import NodeId, Sym, Tensor
from graphlint.static.execute.records.meetings import Encounter, Route, Side
from graphlint.static.knowledge.facts import NO
from graphlint.static.knowledge.frameworks import MANUAL
from graphlint.trace import Form, Site

if TYPE_CHECKING:
    from graphlint.static.execute.autograd.visits import Request
    from graphlint.static.execute.executor import Executor
    from graphlint.static.execute.paths.state import State

MOST_BORDERS = 8
"""From so many places on it is no single value that two graphs share."""

OPTIMIZING = ("step", "minimi", "optimi")
"""Parts of names of calls that optimize what a closure computes."""

LOSSES = ("loss", "criteri")
"""Parts of names of loss functions."""


@dataclass(frozen=True, slots=True)
class Past:
    """What is remembered of a pass, for those that visit its nodes later.

    Attributes:
        site, at: its call, and the call that wrote its flag.
        route, frame: how the program got there.
        call: its syntax.
        roots: the nodes that it started from.
        whole: it went from there to all leaves.
        manner: how it adds to gradients: passes with the same manner can be one; None where no
            other pass can be joined to it.
        leaves: those whose gradients it adds to.
    """

    site: Site
    at: Site
    route: Route
    frame: Frame
    call: ir.Call
    roots: tuple[NodeId, ...]
    whole: bool
    manner: tuple[object, ...] | None
    leaves: frozenset[Leaf]


def remember(
    ex: Executor,
    state: State,
    request: Request,
    visited: Sequence[NodeId],
    shared: Sequence[NodeId],
) -> int:
    """Take note of a pass, and of the earlier ones that it meets; return its number.

    `shared` are the visited nodes that others may visit, too.
    """
    number = state.frames.name(state.frame, request.call, "pass", state.passes)
    leaves = frozenset[Leaf]().union(*(state.graph[node].leaves for node in visited))
    wanted = request.leaves if request.some_inputs and request.leaves is not None else leaves
    past = Past(
        request.site,
        request.at,
        route_of(state.frame, request.call),
        state.frame,
        request.call,
        request.roots,
        request.nodes is None and not request.some_inputs,
        _manner(state, request),
        leaves & wanted,
    )
    met = _met(state, shared)
    for earlier in met:
        ex.records.meetings.encounters[_encounter(state, earlier, past, visited)] = None
    state.past[number] = past
    state.untouched |= {number}
    if request.form is not Form.AUTOGRAD_GRAD:
        leave(state, past.route, past.leaves)
    for each in (*met, number) if met else ():
        state.facts["met", state.past[each].route] = True
    return number


def _met(state: State, visited: Iterable[NodeId]) -> list[int]:
    """Return the passes that kept or freed what a pass visits, if that saves anything."""
    met: dict[int, None] = {}
    for node in visited:
        if state.graph[node].saves is not NO:
            met.update(dict.fromkeys(state.kept.get(node, ())))
            if node in state.freed:
                met[state.freed[node].number] = None
    return [number for number in met if number in state.past]


def _encounter(state: State, number: int, later: Past, visited: Sequence[NodeId]) -> Encounter:
    earlier = state.past[number]
    before = set(reachable(state.graph, earlier.roots))
    combinable = (
        number in state.untouched
        and earlier.manner is not None
        and earlier.manner == later.manner
        and earlier.frame.loops.keys() == later.frame.loops.keys()
        and not set(earlier.roots) & set(later.roots)
        and not any(state.stale(state.graph[node]) for node in before)
    )
    return Encounter(
        _side(state, earlier, before, set(visited)),
        earlier.at,
        _side(state, later, set(visited), before),
        earlier.frame.precedes(later.frame),
        combinable,
        _combined(state, earlier, later) if combinable else "",
    )


def _combined(state: State, earlier: Past, later: Past) -> str:
    """Write one pass in place of two, where both are written alike and still have their losses.

    One that is for some inputs only is not written: which they are may not be in reach.
    """
    if not (earlier.whole and later.whole):
        return ""
    first, second = earlier.call.func, later.call.func
    losses = [_loss(state, earlier, later.frame), _loss(state, later, later.frame)]
    if not (isinstance(first, ir.Attribute) and isinstance(second, ir.Attribute) and all(losses)):
        return ""
    if earlier.call.args and later.call.args and written(first) == written(second):
        joined = "[{}, {}]" if written(first).endswith("autograd.backward") else "{} + {}"
        return f"{written(first)}({joined.format(*losses)})"
    if earlier.call.args or later.call.args or first.name != second.name:
        return ""
    return f"({losses[0]} + {losses[1]}).{first.name}()"


def _loss(state: State, past: Past, frame: Frame) -> str:
    """Return the name of a pass's loss, if it has that still, as seen from a frame."""
    func = past.call.func
    loss = past.call.args[0] if past.call.args else getattr(func, "value", func)
    value = value_of(state, frame, loss)
    held = isinstance(value, Sym) or state.get(value, Tensor) is not None
    return written(loss) if held and tuple(state.nodes(value)) == past.roots else ""


def _side(state: State, past: Past, mine: set[NodeId], other: set[NodeId]) -> Side:
    """Look at what two passes share from one of them: where it takes that over, and what for."""
    edges = [
        (outer, inner)
        for outer in mine - other
        for inner in state.graph[outer].inputs
        if inner in other and _saves(state, inner)
    ]
    found = {border(state, state.graph[outer], inner) for outer, inner in edges[:MOST_BORDERS]}
    named = sorted((each for each in found if each), key=lambda each: each.site)
    borders = tuple(named) if None not in found and len(edges) <= MOST_BORDERS else ()
    apart = past.whole and edges and not any(_saves(state, r) for r in past.roots if r in other)
    apart = apart and any(map(_may_be_trained, _own_leaves(state, mine - other)))
    below = _leaves(state, [inner for _, inner in edges]) if apart else None
    taken = not (below or frozenset()) & state.left.get(past.route, frozenset())
    return Side(past.site, past.route, borders, below, taken)


def _own_leaves(state: State, nodes: Iterable[NodeId]) -> Iterator[Leaf]:
    """Walk the leaves that some nodes use themselves: what is left of a pass that is cut there."""
    return (leaf for number in nodes for leaf in state.graph[number].leaves)


def _may_be_trained(leaf: Leaf) -> bool:
    """Whether a leaf may be a weight: an unknown loss function is not expected to have any."""
    name = leaf[1][-1] if leaf[0] == "unknown" and isinstance(leaf[1], tuple) else ""
    return not any(part in str(name).lower() for part in LOSSES)


def _saves(state: State, node: NodeId) -> bool:
    """Whether anything below a node, this included, saves tensors."""
    return any(state.graph[n].saves is not NO for n in reachable(state.graph, [node]))


def _leaves(state: State, nodes: Iterable[NodeId]) -> frozenset[Leaf]:
    return frozenset[Leaf]().union(*(state.graph[n].leaves for n in reachable(state.graph, nodes)))


# ------------------------------------------------------------------------- how a pass adds up
def _runs_closure(place: object) -> bool:
    """Whether a call hands a closure to an optimizer, which runs it as often as it likes."""
    if not isinstance(place, ir.Call):
        return False
    called = written(place.func).rpartition(".")[2].lower()
    return any(part in called for part in OPTIMIZING)


def _manner(state: State, request: Request) -> tuple[object, ...] | None:
    """Say how a pass adds to gradients, None where no other pass can be one with it."""
    if request.form is Form.AUTOGRAD_GRAD or request.creates or request.weighted:
        return None
    if ("hooked on gradients", None) in state.facts:
        return None
    if any(_runs_closure(place) for _, place in state.frame.loops):
        return None
    if request.some_inputs and request.nodes is None:
        return None
    callee = written(request.call.func) if request.form is Form.WRAPPER else ""
    if request.form is Form.WRAPPER and callee.rpartition(".")[2] not in MANUAL:
        return None
    scales = {state.facts.get(("scaled", root)) for root in request.roots}
    return (callee, frozenset(scales), request.nodes, request.leaves)
