"""Gradients that are made, and who differentiates them.

# Note [Facts about gradients]
What a path learned of its gradients stands in `State.facts`, by a name and what it is about. It
does not tell states apart: where two equal states meet, the survivor takes over what either
learned. So every fact says that something *may* have happened, and either supports a claim that
some path does it, or keeps a claim about every path from being made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.constants import (
    note_constants,
    note_differentiable,
    note_graded,
    note_made,
)
from graphlint.static.execute.autograd.evaluations import note_use
from graphlint.static.execute.paths.classes import members
from graphlint.static.execute.paths.graph import Leaf, Node, reachable
from graphlint.static.execute.paths.values import (
    Const,
    Env,
    External,
    Func,
    Imported,
    Instance,
    Layer,
    Method,
    Module,
    NodeId,
    Partial,
    Ref,
    Some,
    Sym,
    Tensor,
    Value,
)
from graphlint.static.execute.records.gradients import Maker
from graphlint.static.execute.records.records import site_of
from graphlint.static.knowledge.facts import MAYBE
from graphlint.trace import Confidence, Doubt, Form, Site

if TYPE_CHECKING:
    from graphlint.static.execute.autograd.visits import Request
    from graphlint.static.execute.executor import Executor
    from graphlint.static.execute.paths.state import State

CALLER_CLEARS = Doubt(Confidence.LIKELY, "whoever calls this may clear the gradients")
_WITHOUT = frozenset((External, Module, Imported, Const, Some))
"""The kinds of values that hold no graph."""
IN_LEAVES = ("gradients", None)
"""The name in `State.attrs` of gradients with a graph that a pass left in leaves."""
OWN_OPS = frozenset(("custom", "layer"))
"""Nodes of which it is not known what their gradients are made of."""
UNKNOWN_OWNER = Doubt(Confidence.POSSIBLE, "whose gradients these are is not known")


# ------------------------------------------------------------------------------- differentiable
def note_pass(ex: Executor, state: State, request: Request, visited: Sequence[NodeId]) -> None:
    """Note what a pass means for gradients that were made before it, and for those it makes."""
    notes = ex.records.gradients
    if request.form is not Form.WRAPPER:
        notes.passes[request.site] = None
    for number in reachable(state.graph, request.roots) if notes.nodes else ():
        if number in notes.nodes:
            notes.used.add(notes.nodes[number])
    note_constants(ex, state, request)
    note_graded(state, request, visited)
    if request.form is not Form.AUTOGRAD_GRAD:
        _note_graded(state, request)
    if request.creates:
        _note_creation(ex, state, request, [state.graph[n] for n in visited])


def _note_graded(state: State, request: Request) -> None:
    """Note what gets a `.grad`: leaves, and of the other tensors those that are asked for."""
    if request.nodes is None and request.some_inputs:
        state.facts["asked for", None] = True
    for number in request.nodes or ():
        state.facts["asked for", number] = True
    state.facts["backward", request.roots] = True


def maker_of(request: Request) -> Maker:
    """Return who makes the gradients of a pass, and who wrote so."""
    origin = request.create.origin if isinstance(request.create, Const) else None
    written = origin is None or origin[0] is request.call
    at = request.site if written or origin is None else site_of(*origin)
    return Maker(request.site, at, request.form)


def _note_creation(ex: Executor, state: State, request: Request, visited: list[Node]) -> None:
    notes, maker = ex.records.gradients, maker_of(request)
    notes.makers[maker] = None
    if not isinstance(request.create, Const) or request.create.assumed or has_switches(state):
        notes.used.add(maker)  # whether it is on, or used, is somebody's choice
    if ("hooked", None) in state.facts:
        notes.used.add(maker)  # hooks get the gradients while the pass runs
    if any(node.unknown for node in visited):
        notes.hooks.add(maker)
    if request.form is Form.AUTOGRAD_GRAD:
        return
    if not any(map(_carries, visited)):
        notes.used.add(maker)
        notes.cleared.add(maker.site)
        return
    owned = all(leaf[0] != "unknown" for node in visited for leaf in node.leaves)
    if not owned or any(node.unknown for node in visited):
        notes.doubts[maker, UNKNOWN_OWNER] = None
    if in_entry(state):
        notes.doubts[maker, CALLER_CLEARS] = None
        if ("cleared", None) in state.facts:
            notes.cleared.add(maker.site)
    state.facts["creating", maker] = True


def _carries(node: Node) -> bool:
    """Whether the gradient that a node hands on has a graph itself."""
    return bool(node.saved_leaves or node.saved_inputs or node.saves_own or node.saves is MAYBE)


def in_entry(state: State) -> bool:
    """Whether the program is in a function that nobody calls, and not at a file's top level."""
    return any(frame.kind == "entry" for frame in state.frame.chain())


def has_switches(state: State) -> bool:
    """Whether the function that nobody calls is run for defaults that its callers may override."""
    called = None
    for frame in state.frame.chain():
        if frame.kind == "entry":
            functions = [called, *_constructors(state, frame.place)]
            return any(_has_switch(function) for function in functions if function)
        called = frame.detail if isinstance(frame.detail, ir.Function) else called
    return False


def _constructors(state: State, place: object) -> list[ir.Function]:
    """Return the functions that made the object whose methods are run."""
    classes = members(state, place.address) if isinstance(place, Ref) else ()
    made = [cls.members.get("__init__") for cls in classes]
    return [func.function for func in made if isinstance(func, Func)]


def _has_switch(function: ir.Function) -> bool:
    return any(
        isinstance(parameter.default, ir.Const) and isinstance(parameter.default.value, bool | None)
        for parameter in function.parameters
    )


def note_gradient(
    ex: Executor, state: State, request: Request, visited: Iterable[NodeId], made: Ref
) -> None:
    """Note a gradient that `autograd.grad` returns."""
    notes = ex.records.gradients
    tensor = state.get(made, Tensor)
    if not request.creates:
        note_made(state, request, made)
    elif tensor is not None and tensor.node is not None:
        notes.nodes[tensor.node] = maker_of(request)
        note_differentiable(state, request, tensor.node)
    elif not _is_plain(state, request, visited):
        notes.used.add(maker_of(request))  # what it is made of can't be told


def _is_plain(state: State, request: Request, visited: Iterable[NodeId]) -> bool:
    """Whether all that a pass visits is known, so that a gradient without a graph surely has none.

    It has none if what was visited is linear, or if nothing leads to the wanted input. Which input
    is wanted, or what is differentiated, may not be known.
    """
    if request.nodes is None or not request.roots:
        return False
    found = list(visited) or reachable(state.graph, request.roots)
    nodes = [state.graph[number] for number in found]
    return not any(node.unknown or node.opaque or node.op in OWN_OPS for node in nodes)


def leave_graph(state: State, visited: Iterable[NodeId], gradient: Ref) -> None:
    """Note that a pass leaves gradients with a graph in the leaves that it reaches.

    One tensor stands for all of them: it keeps the graph for as long as nobody clears gradients.
    """
    tensor = state.get(gradient, Tensor)
    if tensor is not None and tensor.node is not None:
        state.attrs[IN_LEAVES] = gradient
        for leaf in frozenset[Leaf]().union(*(state.graph[number].leaves for number in visited)):
            state.facts["graph in", leaf] = tensor.node


def graph_in(state: State, leaf: Leaf | None) -> NodeId | None:
    """Return the last node of the graph that the gradient in a leaf has, if it has one.

    Whose gradient is read may not be known (None): some leaf's, that the last pass reached.
    """
    tensor = state.get(state.attrs.get(IN_LEAVES), Tensor)
    if tensor is None or tensor.node is None or not state.grad:
        return None
    known = leaf is not None and leaf[0] != "unknown"
    return tensor.node if not known or state.facts.get(("graph in", leaf)) == tensor.node else None


def note_cleared(ex: Executor, state: State) -> None:
    """Note that gradients are thrown away, so that no cycle leads through them any more."""
    state.attrs.pop(IN_LEAVES, None)
    state.facts["cleared", None] = True
    for name, about in list(state.facts):
        if name == "backward":
            state.facts["looked through", about] = True
    for maker in _creating(state):
        ex.records.gradients.cleared.add(maker.site)


def note_touched(ex: Executor, state: State) -> None:
    """Note that somebody gets at the gradients that a pass left in leaves."""
    ex.records.gradients.used.update(_creating(state))


def note_discarded(ex: Executor, state: State, call: ir.Node) -> None:
    """Note a call whose value nobody takes: a pass is then run for what its hooks do."""
    site = site_of(call, state.frame)
    notes = ex.records.gradients
    notes.used.update(
        maker for maker in notes.makers if maker.site == site and maker.form is Form.AUTOGRAD_GRAD
    )


def note_step(state: State) -> None:
    """Note that an optimizer steps: graphs of before have served their purpose."""
    state.facts["stepped", None] = True


def awaits_pass(state: State, root: NodeId) -> bool:
    """Whether a graph is made for a pass to come: none visited its root, and no optimizer stepped.

    After a step a graph is handed on to be logged. A pass whose gradients were thrown away before a
    step was made for a look at them, and not for training.
    """
    if ("stepped", None) in state.facts:
        return False
    passes = [about for name, about in state.facts if name == "backward"]
    started = [n for about in passes if ("looked through", about) not in state.facts for n in about]
    alive = [number for number in started if number in state.graph]
    return root not in reachable(state.graph, alive)


def note_hook(state: State, on_gradients: bool) -> None:
    """Note that hooks get gradients from now on, or values that may have hooks of their own."""
    state.facts["hooked", None] = True
    if on_gradients:
        state.facts["hooked on gradients", None] = True


def _creating(state: State) -> Iterator[Maker]:
    return (about for name, about in state.facts if name == "creating")


# ------------------------------------------------------------------------------ getting away
def note_escape(ex: Executor, state: State, values: Sequence[Value]) -> None:
    """Note that unknown code gets hold of values: it may differentiate or read any gradient."""
    notes = ex.records.gradients
    if not values:
        return
    note_touched(ex, state)
    if any(isinstance(value, (Func, Partial, Method)) for value in values):
        notes.used.update(notes.nodes.values())
        notes.read.update(site for _, site in _retained(state))
    behind = state.attrs.values() if any(isinstance(value, Sym) for value in values) else ()
    nodes = [node for value in (*values, *behind) for node in state.nodes(value)]
    note_use(ex, state, nodes)
    for number in reachable(state.graph, nodes) if notes.nodes else ():
        if number in notes.nodes:
            notes.used.add(notes.nodes[number])
    asked_for = set(nodes)
    notes.read.update(site for node, site in _retained(state) if node in asked_for)
    state.facts.update({("asked for", number): True for number in nodes})


def _retained(state: State) -> list[tuple[NodeId, Site]]:
    return [about for name, about in state.facts if name == "retained"]


def note_end(ex: Executor, state: State) -> None:
    """Note what outlives an entry point: objects, and the variables of files."""
    noted = ex.records.gradients.nodes or ex.records.evaluations.nodes or state.facts
    if not in_entry(state) or not noted:
        return
    kept: list[Value] = []
    for found in state.heap.values():
        if isinstance(found, (Instance, Layer)):
            kept += found.attrs.values()
        elif isinstance(found, Env) and found.parent is None:
            kept += found.vars.values()
    others = [value for value in kept if not isinstance(value, Func)]
    note_escape(ex, state, [v for v in others if type(v) not in _WITHOUT] or others[:1])
