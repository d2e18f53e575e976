"""Gradients without a graph of their own, on their way into a loss that takes them for constants.

# Note [Constants in losses]
Most programs that use a gradient's value want no derivative of it: it moves weights and inputs, or
scales a loss. A *penalty* wants one: it says how large the gradient is, and is added to a loss. A
*residual* does too: the gradient of an output for an input is added to something made of that
output, as in a differential equation; gradients for weights are added to make them match, with one
of them a constant on purpose. Both stand in `State.facts` (Note [Facts about gradients]).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.paths.graph import Graph, Leaf, reachable
from graphlint.static.execute.paths.values import (
    Const,
    List,
    NodeId,
    Ref,
    Sym,
    Tensor,
    Tuple,
    Value,
)
from graphlint.static.execute.records.records import site_of
from graphlint.trace import ConstantTerm, Form, Site

if TYPE_CHECKING:
    from graphlint.static.execute.autograd.visits import Request
    from graphlint.static.execute.executor import Executor
    from graphlint.static.execute.paths.state import State

LOSSES = frozenset("mse_loss l1_loss smooth_l1_loss huber_loss".split())
SIZING = frozenset("norm pow square abs vector_norm matrix_norm".split()) | LOSSES
"""Ops that say how large a gradient is, which only a penalty asks for."""
REDUCING = frozenset("norm sum mean vector_norm max min".split())
ADDING = frozenset("add sub neg mul div sum mean stack true_divide".split())
"""Ops that combine losses into one."""
WEIGHING = frozenset(
    "mul div rdiv true_divide add sub rsub rpow matmul mm mv dot bmm where lerp".split()
)
"""Ops whose operands all have a part in the result's gradient."""
WEIGHTS = frozenset(("weight", "bias", "unknown"))
"""The kinds of leaves that are a layer's parameters, or those of a module that is not known."""
MOST_ITEMS = 3
MOST_TERMS = 4


@dataclass(frozen=True, slots=True)
class Term:
    """What a tensor without a graph owes to a gradient.

    Attributes:
        site: the pass that made the gradient.
        outputs: the nodes of what it is a gradient of.
        sized: it says how large the gradient is.
        scalar: it is a single number.
        sure: nothing that is not known was mixed in: that may have a graph.
    """

    site: Site
    outputs: frozenset[NodeId]
    sized: bool = False
    scalar: bool = False
    sure: bool = True


def surely_off(flag: Value | None) -> bool:
    """Whether `create_graph` is off, whatever is assumed of the program."""
    return flag is None or (isinstance(flag, Const) and not flag.assumed)


def make_term(state: State, request: Request) -> Term:
    """Return the term that a pass without `create_graph` makes."""
    if any(kind in WEIGHTS for kind, *_ in request.leaves or ()):
        return Term(request.site, frozenset())
    moved = reachable(state.graph, request.nodes or ())
    return Term(request.site, _outputs(state, _parts(state.graph, request.roots)) - set(moved))


def _outputs(state: State, nodes: Iterable[NodeId]) -> frozenset[NodeId]:
    """Return some nodes, and where gradients with a graph are among them, what these are of."""
    known = frozenset(nodes)
    of = [about for n in known if (about := state.facts.get(("gradient of", n)))]
    return known.union(*of)


def note_differentiable(state: State, request: Request, made: NodeId) -> None:
    """Note what a gradient with a graph is a gradient of."""
    state.facts["gradient of", made] = _outputs(state, _parts(state.graph, request.roots))


def note_made(state: State, request: Request, made: Ref) -> None:
    """Note a gradient that `autograd.grad` returns, made without `create_graph`."""
    if surely_off(request.create) and state.grad:
        state.facts["term", made.address] = (make_term(state, request),)


def note_graded(state: State, request: Request, visited: Iterable[NodeId]) -> None:
    """Note what a pass leaves in leaves: constants, or gradients with a graph."""
    if request.form is Form.AUTOGRAD_GRAD:
        return
    constant = not request.creates and surely_off(request.create) and state.grad
    term = make_term(state, request) if constant else None
    for leaf in frozenset[Leaf]().union(*(state.graph[number].leaves for number in visited)):
        state.facts["gradient in", leaf] = term


def note_read(state: State, made: Ref, leaf: Leaf | None) -> None:
    """Note that the gradient in a leaf is read."""
    term = state.facts.get(("gradient in", leaf))
    if term is not None and state.grad:
        state.facts["term", made.address] = (term,)


def note_gone(state: State, leaves: Iterable[Leaf]) -> None:
    """Note that the gradients in some leaves are thrown away."""
    for leaf in leaves:
        state.facts["gradient in", leaf] = None


# -------------------------------------------------------------------------------- through ops
def follow(
    state: State,
    place: ir.Node,
    name: str,
    args: Sequence[Value],
    keywords: Mapping[str, Value],
    made: Value,
) -> None:
    """Follow gradients without a graph through an op: into a penalty or residual, and a loss."""
    tensor = state.get(made, Tensor)
    if not state.facts or tensor is None or not isinstance(made, Ref) or not state.grad:
        return
    given = (*args, *keywords.values())
    tensors = [ref for arg in given for ref in _tensors(state, arg)]
    constant = [ref for ref in tensors if ("term", ref.address) in state.facts]
    terms = [term for ref in constant for term in state.facts["term", ref.address]][:MOST_TERMS]
    last = _plain(name)
    if last in WEIGHING and any(isinstance(arg, Sym) for arg in given):
        # what is not known may be a parameter that weighs the gradient
        terms = [replace(term, sure=False) for term in terms if term.sized]
    if not terms:
        return
    if tensor.node is None:
        reduced = last in REDUCING and len(args) == 1 and not keywords
        reduced = reduced or (last in LOSSES and "reduction" not in keywords)
        alone = len(constant) == len(tensors)
        state.facts["term", made.address] = tuple(
            replace(
                term,
                sized=term.sized or last in SIZING or (last == "mul" and len(constant) > 1),
                scalar=reduced or (alone and term.scalar),
            )
            for term in terms
        )
        return
    state.facts.pop(("term", made.address), None)  # changed in place
    if last in ("add", "sub", "stack"):
        _note_sum(state, place, tensor.node, terms, [r for r in tensors if r not in constant])


def _note_sum(
    state: State, place: ir.Node, node: NodeId, terms: Iterable[Term], others: Iterable[Ref]
) -> None:
    """Note terms that are added to what has a graph (Note [Constants in losses])."""
    site = site_of(place, state.frame)
    below: frozenset[NodeId] | None = None
    for term in terms:
        if term.sized and term.scalar:
            state.facts["penalty", node] = (term.site, site)
            continue
        if below is None:
            added = [number for ref in others for number in state.nodes(ref)]
            below = _outputs(state, reachable(state.graph, added))
        if not below.isdisjoint(term.outputs):
            state.facts["residual", (node, term.site)] = site


def _tensors(state: State, value: Value, depth: int = MOST_ITEMS) -> Iterator[Ref]:
    found = state.get(value, List)
    if isinstance(value, Ref) and state.get(value, Tensor):
        yield value
    elif depth:
        for item in found.items if found else value.items if isinstance(value, Tuple) else ():
            yield from _tensors(state, item, depth - 1)


# --------------------------------------------------------------------------------- in losses
def note_constants(ex: Executor, state: State, request: Request) -> None:
    """Report losses that take a gradient for a constant."""
    constant = ex.records.gradients.constant
    penalties = {node: about for (name, node), about in state.facts.items() if name == "penalty"}
    for number in _summands(state.graph, request.roots) if penalties else ():
        if number in penalties:
            site, where = penalties[number]
            constant[ConstantTerm(site, request.site, where)] = None
    residuals = {about: where for (name, about), where in state.facts.items() if name == "residual"}
    below = set(reachable(state.graph, request.roots)) if residuals else set()
    for (number, site), where in residuals.items():
        if number in below:
            constant[ConstantTerm(site, request.site, where, residual=True)] = None


def note_root(ex: Executor, state: State, site: Site, root: Value) -> None:
    """Report a pass that starts from a gradient without a graph: it raises."""
    tensor = state.get(root, Tensor)
    if tensor is None or tensor.node is not None or tensor.leaf is not None:
        return
    for term in _terms(state, root):
        if term.sure:
            ex.records.gradients.constant[ConstantTerm(term.site, site)] = None


def _terms(state: State, value: Value) -> tuple[Term, ...]:
    known = state.facts.get(("term", value.address), ()) if isinstance(value, Ref) else ()
    return tuple(term for term in known if isinstance(term, Term))


def _plain(op: str) -> str:
    """Return an op's name without its module, and without the mark of an in-place form."""
    return op.rpartition(".")[2].rstrip("_")


def _summands(graph: Graph, roots: Iterable[NodeId]) -> Iterator[NodeId]:
    """Walk the nodes that a loss is the sum of, as far as these are sums themselves."""
    for number in _parts(graph, roots):
        if not graph[number].unknown and _plain(graph[number].op) in ADDING:
            yield number


def _parts(graph: Graph, roots: Iterable[NodeId]) -> Iterator[NodeId]:
    """Walk the nodes that a loss is the sum of, down to the first that are no sums."""
    seen: set[NodeId] = set()
    todo = list(roots)
    while todo:
        number = todo.pop()
        if number in seen:
            continue
        seen.add(number)
        yield number
        node = graph[number]
        if not node.unknown and _plain(node.op) in ADDING:
            todo += node.inputs
