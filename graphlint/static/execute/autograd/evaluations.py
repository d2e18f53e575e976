"""Forward passes of models in evaluation mode: whether anybody differentiates what they build.

# Note [When a forward pass is for nobody]
A program that puts a model into evaluation mode and calls it, with gradients on and parameters that
want them, builds a graph. It is for nobody if on no path a pass visits it, and it gets to nobody
who is not known. That alone is said of a loop over data, or of a function whose name says that it
evaluates: who calls a model once, to look at it, doesn't care.

Each execution counts. One in training mode, one that is differentiated, or whose grad mode is off,
or can't be told (an unknown decorator or context manager), clears the call of any suspicion. So
does one that runs a backward pass of its own, to adapt to what it is given, and a forward hook,
which may keep what it sees on the way for a loss.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.paths.graph import Leaf, reachable
from graphlint.static.execute.paths.values import FALSE, Instance, Layer, NodeId, Ref, Sym, Value
from graphlint.static.execute.records.records import site_of
from graphlint.static.knowledge.names import EVALUATING, FORWARD, NEUTRAL_CONTEXTS
from graphlint.trace import Confidence, Doubt

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor
    from graphlint.static.execute.paths.state import State

CALLER_DECIDES = Doubt(Confidence.LIKELY, "whoever calls this may turn gradients off")
CALLER_UNSEEN = Doubt(Confidence.POSSIBLE, "a caller that was not followed may turn gradients off")
HOOKED = ("forward hook", None)
UNKNOWN_MODEL = Doubt(Confidence.LIKELY, "the model's code is not known")


def note_forward(ex: Executor, state: State, node: ir.Call, model: Value, value: Value) -> None:
    """Note what calling a model returned."""
    if not isinstance(model, (Ref, Sym)):
        return
    evaluating, nodes = is_evaluating(state, model), state.nodes(value)
    if not (evaluating or nodes):
        return
    notes, site = ex.records.evaluations, site_of(node, state.frame)
    if not evaluating:
        notes.used.add(site)
        return
    if _is_within_forward(state):
        return
    wanted = _wanted(state, nodes)
    if not state.grad or not wanted or _may_be_off(ex, state) or HOOKED in state.facts:
        notes.used.add(site)
        return
    notes.nodes.update((number, site) for number in nodes)
    if not (state.frame.loops or _evaluates(state)):
        return
    known = [leaf for leaf in wanted if leaf[0] != "unknown"]
    doubts = _doubts_of_callers(ex, state)
    if not known:
        doubts.add(UNKNOWN_MODEL)
        notes.strange[site] = notes.strange.get(site, frozenset()).union(wanted)
    notes.sites[site] = notes.sites.get(site, frozenset()) | doubts
    ex.records.visit(site)


def is_evaluating(state: State, model: Value) -> bool:
    """Whether a module was put into evaluation mode."""
    if isinstance(model, Sym):
        return state.attrs.get(("attribute", model.name, "training")) == FALSE
    found = state.object(model) if isinstance(model, Ref) else None
    return isinstance(found, (Layer, Instance)) and found.attrs.get("training") == FALSE


def _wanted(state: State, nodes: Iterable[NodeId]) -> frozenset[Leaf]:
    """Return the leaves that surely want gradients and that some nodes lead to."""
    below = (state.graph[number].leaves for number in reachable(state.graph, nodes))
    return frozenset[Leaf]().union(*below) - state.frozen - state.unsure


def _doubts_of_callers(ex: Executor, state: State) -> set[Doubt]:
    """Return what callers have to say that were not followed.

    A function that is run on its own has none, or the steps ran out before one of them got there,
    or what they call wasn't told apart. If it runs passes itself, callers leave gradients on.
    """
    if not any(frame.kind == "entry" for frame in state.frame.chain()):
        return set()
    relevance = ex.relevance
    unseen = relevance is not None and any(
        relevance.called_somewhere(entry) and not relevance.reaches(entry)
        for entry in _functions(state)[-1:]
    )
    return {CALLER_UNSEEN if unseen else CALLER_DECIDES}


def _is_within_forward(state: State) -> bool:
    """Whether the call is a part of another module's forward pass."""
    return any(function.name in FORWARD for function in _functions(state))


def _functions(state: State) -> list[ir.Function]:
    """Return the functions that are running, from the innermost."""
    details = (frame.detail for frame in state.frame.chain())
    return [detail for detail in details if isinstance(detail, ir.Function)]


def _evaluates(state: State) -> bool:
    """Whether a function that leads here says by its name that it evaluates."""
    names = [function.name.lower() for function in _functions(state)]
    return any(name == "test" or not EVALUATING.isdisjoint(name.split("_")) for name in names)


def _may_be_off(ex: Executor, state: State) -> bool:
    """Whether code that is not known may have turned gradients off."""
    decorated = ex.records.evaluations.decorated
    if any(name == "unknown context" for name, _ in state.facts):
        return True
    return not decorated.isdisjoint(_functions(state))


def note_use(ex: Executor, state: State, nodes: Iterable[NodeId]) -> None:
    """Note that the graph below some nodes is differentiated, or may be."""
    notes = ex.records.evaluations
    for number in reachable(state.graph, nodes) if notes.nodes else ():
        if number in notes.nodes:
            notes.used.add(notes.nodes[number])


def note_inner_pass(ex: Executor, state: State) -> None:
    """Note that a forward pass runs a backward pass itself: it can't do without gradients."""
    for frame in state.frame.chain():
        if isinstance(frame.detail, ir.Function) and frame.detail.name in FORWARD:
            ex.records.evaluations.used.add(site_of(frame.place, frame.parent))


def note_forward_hook(state: State) -> None:
    """Note that something looks into a module's forward passes: it may keep what it sees there."""
    state.facts[HOOKED] = True


def note_dead(ex: Executor, state: State, live: Iterable[NodeId]) -> None:
    """Note which calls' graphs are gone, of those that a path built."""
    notes = ex.records.evaluations
    if notes.nodes:
        built = {site for number, site in notes.nodes.items() if number in state.graph}
        alive = {notes.nodes[number] for number in live if number in notes.nodes}
        ex.records.settled.update(built - alive)


# ------------------------------------------------------------------------- context managers
def note_unknown_context(state: State, item: ir.WithItem) -> None:
    """Note that a context manager is entered which may set the grad mode."""
    if _called(item.context) not in NEUTRAL_CONTEXTS:
        state.facts["unknown context", item] = True


def forget_unknown_context(state: State, item: ir.WithItem) -> None:
    """Note that a context manager is left."""
    state.facts.pop(("unknown context", item), None)


def _called(context: ir.Expr) -> str:
    func = context.func if isinstance(context, ir.Call) else None
    if isinstance(func, ir.Attribute):
        return func.name
    return func.id if isinstance(func, ir.Name) else ""
