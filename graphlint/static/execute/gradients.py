"""Gradients that are made: who differentiates them, and who takes them for constants.

# Note [Facts about gradients]
What a path learned of its gradients stands in `State.facts`, by a name and what it is about. It
does not tell states apart: where two equal states meet, the survivor takes over what either
learned. So every fact says that something *may* have happened, and either supports a claim that
some path does it, or keeps a claim about every path from being made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.classes import members
from graphlint.static.execute.evaluations import note_use
from graphlint.static.execute.gradient_records import Maker
from graphlint.static.execute.graph import Node, reachable
from graphlint.static.execute.records import site_of
from graphlint.static.execute.values import (
    Const,
    Env,
    Func,
    Instance,
    Layer,
    List,
    Method,
    NodeId,
    Partial,
    Ref,
    Sym,
    Tensor,
    Tuple,
    Value,
)
from graphlint.static.knowledge.facts import MAYBE
from graphlint.trace import Confidence, ConstantTerm, Doubt, Form, Site

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor
    from graphlint.static.execute.state import State
    from graphlint.static.execute.visits import Request

CALLER_CLEARS = Doubt(Confidence.LIKELY, "whoever calls this may clear the gradients")
UNKNOWN_OWNER = Doubt(Confidence.POSSIBLE, "whose gradients these are is not known")
SIZING = frozenset("norm pow square abs vector_norm matrix_norm mse_loss l1_loss".split())
"""Ops that say how large a gradient is, which only a penalty asks for."""
REDUCING = frozenset("norm sum mean vector_norm mse_loss l1_loss max min".split())
ADDING = frozenset("add sub neg mul div sum mean stack true_divide".split())
"""Ops that combine losses into one."""
WEIGHING = frozenset("mul div true_divide add sub matmul mm mv dot bmm where lerp".split())
"""Ops whose operands all have a part in the result's gradient."""
MOST_ITEMS = 3


@dataclass(frozen=True, slots=True)
class Term:
    """A gradient without a graph, or what was computed of some.

    Attributes:
        site: the pass that made the gradient.
        sized: it says how large the gradient is.
        scalar: it is one number.
        sure: nothing that is not known was mixed in: that may have a graph.
    """

    site: Site
    sized: bool = False
    scalar: bool = False
    sure: bool = True


# ------------------------------------------------------------------------------- differentiable
def note_pass(ex: Executor, state: State, request: Request, visited: Iterable[NodeId]) -> None:
    """Note what a pass means for gradients that were made before it, and for those it makes."""
    notes = ex.records.gradients
    if request.form is not Form.WRAPPER:
        notes.passes[request.site] = None
    for number in reachable(state.graph, request.roots) if notes.nodes else ():
        if number in notes.nodes:
            notes.used.add(notes.nodes[number])
    _note_constants(ex, state, request)
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
    return bool(node.saved_leaves or node.saved_inputs or node.saves_output or node.saves is MAYBE)


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


def note_gradient(ex: Executor, state: State, request: Request, made: Ref) -> None:
    """Note a gradient that `autograd.grad` returns."""
    notes = ex.records.gradients
    tensor = state.get(made, Tensor)
    if not request.creates:
        if _surely_off(request.create) and state.grad:
            state.facts["term", made.address] = Term(request.site)
    elif tensor is not None and tensor.node is not None:
        notes.nodes[tensor.node] = maker_of(request)
    else:
        notes.used.add(maker_of(request))  # what it is made of can't be told


def _surely_off(flag: Value | None) -> bool:
    return flag is None or (isinstance(flag, Const) and not flag.assumed)


def note_cleared(ex: Executor, state: State) -> None:
    """Note that gradients are thrown away, so that no cycle leads through them any more."""
    state.facts["cleared", None] = True
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
    for number in nodes:
        state.facts["asked for", number] = True
        notes.read.update(site for node, site in _retained(state) if node == number)


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
    note_escape(ex, state, [value for value in kept if not isinstance(value, Func)])


# ----------------------------------------------------------------------------------- constants
def follow(
    state: State,
    place: ir.Node,
    name: str,
    args: Sequence[Value],
    keywords: Mapping[str, Value],
    made: Value,
) -> None:
    """Follow gradients without a graph through an op: into a penalty, and into a loss."""
    tensor = state.get(made, Tensor)
    if not state.facts or tensor is None or not isinstance(made, Ref) or not state.grad:
        return
    given = (*args, *keywords.values())
    tensors = [ref for arg in given for ref in _tensors(state, arg)]
    terms = [term for ref in tensors if (term := state.facts.get(("term", ref.address)))]
    if not terms:
        return
    if tensor.node is not None:
        state.facts.pop(("term", made.address), None)  # changed in place
    last = _plain(name)
    term = _combined(last, terms, len(terms) == len(tensors))
    if last in WEIGHING and any(isinstance(arg, Sym) for arg in given):
        if not term.sized:
            return  # what is not known may be a parameter that weighs the gradient
        term = replace(term, sure=False)
    if tensor.node is None:
        reduced = last in REDUCING and len(args) == 1 and not keywords
        state.facts["term", made.address] = replace(term, scalar=term.scalar or reduced)
    elif last == "add":
        for each in terms:
            if each.sized and each.scalar:
                state.facts["penalty", tensor.node] = (each.site, site_of(place, state.frame))


def _combined(op: str, terms: Sequence[Term], alone: bool) -> Term:
    """Return what an op makes of terms; `alone` says that it is given no other tensors."""
    sized = any(term.sized for term in terms) or op in SIZING or (op == "mul" and len(terms) > 1)
    scalar = alone and all(term.scalar for term in terms)
    return Term(terms[0].site, sized, scalar, all(term.sure for term in terms))


def _tensors(state: State, value: Value, depth: int = MOST_ITEMS) -> Iterator[Ref]:
    found = state.get(value, List)
    if isinstance(value, Ref) and state.get(value, Tensor):
        yield value
    elif depth:
        for item in found.items if found else value.items if isinstance(value, Tuple) else ():
            yield from _tensors(state, item, depth - 1)


def _note_constants(ex: Executor, state: State, request: Request) -> None:
    """Report losses that take a gradient for a constant, or that are one."""
    penalties = {node: about for (name, node), about in state.facts.items() if name == "penalty"}
    for number in _summands(state, request.roots) if penalties else ():
        if number in penalties:
            site, where = penalties[number]
            ex.records.gradients.constant[ConstantTerm(site, request.site, where)] = None


def note_root(ex: Executor, state: State, site: Site, root: Value) -> None:
    """Report a pass that starts from a gradient without a graph: it raises."""
    tensor = state.get(root, Tensor)
    if tensor is None or tensor.node is not None or tensor.leaf is not None:
        return
    term = _term(state, root)
    if term is not None and term.sure:
        ex.records.gradients.constant[ConstantTerm(term.site, site)] = None


def is_constant(state: State, value: Value) -> bool:
    """Whether a value is made of gradients without a graph, and of nothing else."""
    term = _term(state, value)
    return term is not None and term.sure


def _term(state: State, value: Value) -> Term | None:
    term = state.facts.get(("term", value.address)) if isinstance(value, Ref) else None
    return term if isinstance(term, Term) else None


def _plain(op: str) -> str:
    """Return an op's name without its module, and without the mark of an in-place form."""
    return op.rpartition(".")[2].rstrip("_")


def _summands(state: State, roots: Iterable[NodeId]) -> Iterator[NodeId]:
    """Walk the nodes that a loss is the sum of."""
    seen: set[NodeId] = set()
    todo = list(roots)
    while todo:
        number = todo.pop()
        node = state.graph[number]
        if number not in seen and not node.unknown and _plain(node.op) in ADDING:
            seen.add(number)
            yield number
            todo += node.inputs
