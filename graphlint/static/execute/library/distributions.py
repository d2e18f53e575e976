"""Distributions of `torch.distributions`: what they build once and share with what they give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.library import unknown
from graphlint.static.execute.library.ops import apply_op
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import Distribution, Method, Ref, Sym, Value
from graphlint.static.knowledge.facts import MAYBE, NO, YES, Op, Ternary

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

SHARED: dict[str, Ternary] = {
    "Categorical": YES,
    "OneHotCategorical": YES,
    "Normal": NO,
    "Laplace": NO,
    "Uniform": NO,
    "Exponential": NO,
}
"""Whether a distribution saves something when it is made: `Categorical` normalises its logits,
`Normal` only expands its parameters (torch 2.13 `torch/distributions`)."""
DENSITIES = frozenset("log_prob entropy rsample cdf icdf perplexity".split())
SAMPLES = frozenset("sample sample_n enumerate_support".split())
METHODS = DENSITIES | SAMPLES | {"expand"}
PLAIN = frozenset(
    "batch_shape event_shape has_rsample has_enumerate_support arg_constraints".split()
)
"""Attributes of distributions without a graph."""
DENSITY = Op(YES, "a*")


def make_distribution(state: State, node: ir.Node, name: str, given: Sequence[Value]) -> Ref:
    """Make a distribution over the parameters that it is given."""
    handles = list(dict.fromkeys(h for value in given for h in state.handles(value)))
    nodes = tuple(h for h in handles if isinstance(h, int))
    leaves = frozenset(h for h in handles if not isinstance(h, int))
    made = None
    if state.grad and handles:
        saves = SHARED.get(name, MAYBE)
        made = state.record(node, name, nodes, leaves, saves, leaves, saved_inputs=nodes)
    return state.new(node, Distribution(name, made))


def attribute_of(owner: Ref, found: Distribution, name: str) -> Value:
    """Read an attribute: parameters and what follows from them carry the distribution's graph."""
    if name in METHODS:
        return Method(owner, name)
    node = None if name in PLAIN else found.node
    return Sym(("attribute", owner.address, name), node)


def call_distribution(
    ex: Executor, state: State, call: Invocation, owner: Ref, found: Distribution, name: str
) -> Results:
    """Call a distribution's method: densities and reparametrised samples carry its graph."""
    if name in SAMPLES:
        return [(state, state.tensor(call.node))]
    if name in DENSITIES:
        return [(state, apply_op(ex, state, call.node, name, (owner, *call.args), op=DENSITY))]
    return unknown.call_unknown(ex, state, Invocation(call.node, call.args), Method(owner, name))
