"""Backward passes: their arguments, and the gradients that they return."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.constants import note_root
from graphlint.static.execute.autograd.evaluations import note_inner_pass, note_use
from graphlint.static.execute.autograd.foreign import foreign_node, join_items
from graphlint.static.execute.autograd.gradients import leave_graph, note_gradient, note_pass
from graphlint.static.execute.autograd.holds import note_start
from graphlint.static.execute.autograd.visits import Request, visit
from graphlint.static.execute.paths.branches import truth
from graphlint.static.execute.paths.graph import (
    Leaf,
    Node,
)
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.numbers import comes_from_caller, depends_on_position
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.suppositions import supposes
from graphlint.static.execute.paths.values import (
    NONE,
    Const,
    Key,
    List,
    NodeId,
    Ref,
    Sym,
    Tensor,
    Tuple,
    Value,
)
from graphlint.static.execute.records.records import site_of
from graphlint.static.knowledge.facts import MAYBE, YES
from graphlint.trace import Confidence, Doubt, Form, Site

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

PARAMETERS: Mapping[Form, tuple[str, ...]] = {
    Form.TENSOR_BACKWARD: ("self", "gradient", "retain_graph", "create_graph", "inputs"),
    Form.AUTOGRAD_BACKWARD: (
        "tensors",
        "grad_tensors",
        "retain_graph",
        "create_graph",
        "grad_variables",
        "inputs",
    ),
    Form.AUTOGRAD_GRAD: (
        "outputs",
        "inputs",
        "grad_outputs",
        "retain_graph",
        "create_graph",
        "only_inputs",
        "allow_unused",
        "is_grads_batched",
        "materialize_grads",
    ),
    Form.WRAPPER: ("loss", "gradient", "retain_graph", "create_graph", "inputs"),
}
FLAGS = ("retain_graph", "create_graph")
TAKEN_FOR_DATA = Doubt(Confidence.POSSIBLE, "a later pass starts from a value of unknown origin")
FORMER_FLAG = "retain_variables"
"""What `retain_graph` was called before torch 0.2, and may still be in programs of that time."""
FLAG_FOREIGN = Doubt(Confidence.POSSIBLE, "whether the graph is kept can't be told here")
FLAG_UNKNOWN = Doubt(Confidence.LIKELY, "whether the graph is kept depends on a setting")


def run_pass(ex: Executor, state: State, call: Invocation, form: Form) -> Results:
    """Run a backward pass: one outcome for every way its flags can turn out."""
    node = call.node
    assert isinstance(node, ir.Call)
    given = {**dict(zip(PARAMETERS[form], call.args, strict=False)), **call.keywords}
    if FORMER_FLAG in given:
        given["retain_graph"] = given.pop(FORMER_FLAG)
    given.update((name, _written(state, given[name])) for name in FLAGS if name in given)
    root = given.get(PARAMETERS[form][0], NONE)
    roots = pass_roots(ex, node, state, root)
    site = site_of(node, state.frame)
    ex.records.visit(site)
    ex.records.note_iteration(state.frame)
    wanted = given.get("inputs")
    nodes, leaves = _targets(state, wanted)
    join_items(state, node, roots, nodes or frozenset())
    weights = [given.get(name, NONE) for name in ("gradient", "grad_tensors", "grad_variables")]
    results: Results = []
    for request_state, asked, retains, creates, doubts in _flags(state, given):
        request = Request(
            node,
            site,
            form,
            roots,
            nodes,
            leaves,
            retains,
            creates,
            asked,
            given.get("retain_graph"),
            doubts,
            given.get("create_graph"),
            wanted is not None and wanted != NONE,
            any(weight != NONE for weight in weights),
            _allows_unused(given),
        )
        note_root(ex, request_state, site, root)
        visited = visit(ex, request_state, request)
        note_pass(ex, request_state, request, visited)
        note_use(ex, request_state, roots)
        note_inner_pass(ex, request_state)
        value: Value = NONE
        if form is Form.AUTOGRAD_GRAD:
            value = gradients(ex, request_state, request, visited, wanted, given)
        elif creates:
            leave_graph(request_state, visited, _gradient(request_state, request, visited, given))
        results.append((request_state, value))
    return results


def run_unseen_pass(ex: Executor, state: State, call: ir.Call, root: Value) -> None:
    """Run the pass that a framework runs over what a function of the program returns."""
    roots = tuple(state.nodes(root))
    if not roots:
        return
    site = site_of(call, state.frame)
    request = Request(call, site, Form.WRAPPER, roots, None, None, False, False, False, None)
    visited = visit(ex, state, request)
    note_pass(ex, state, request, visited)
    note_use(ex, state, roots)


def pass_roots(ex: Executor, call: ir.Call, state: State, root: Value) -> tuple[NodeId, ...]:
    """Return the nodes that a pass starts from; an unknown value stands for an unknown graph.

    So does one in a list or tuple.
    """
    roots = state.nodes(root)
    note_start(state, call, root)
    unknown = _unknown_tensors(state, root)
    if not roots:
        for value in unknown or (root,):
            _doubt_keepers(state, value, site_of(call, state.frame))
    return (*roots, *(foreign_node(state, call, value) for value in unknown))


def _doubt_keepers(state: State, root: Value, site: Site) -> None:
    """Doubt passes whose graphs took a value for data that has a graph: a pass starts from it."""
    keepers: set[int] = set()
    if isinstance(root, Sym):
        nodes = [node for name in _names_in(root.name) for node in state.beside.get(name, ())]
        keepers.update(keeper for node in nodes for keeper in state.kept.get(node, ()))
    elif is_mixed(state, root):
        here = (site.filename, site.function)
        keepers.update(
            k for k, p in state.pending.items() if (p.site.filename, p.site.function) == here
        )
    for keeper in keepers & state.pending.keys():
        pending = state.pending[keeper]
        state.pending[keeper] = replace(pending, doubts=pending.doubts | {TAKEN_FOR_DATA})


def is_mixed(state: State, value: Value) -> bool:
    """Whether a tensor without a graph was made of unknown values, and may have one after all.

    What weighs the size of a gradient is a number as a rule.
    """
    if not isinstance(value, Ref) or ("term", value.address) in state.facts:
        return False
    return ("mixed", value.address) in state.beside


def _names_in(name: Key) -> Iterator[Key]:
    """Walk an unknown value's name, and the names of the values that it was made of."""
    yield name
    for part in name:
        if isinstance(part, tuple):
            yield from _names_in(part)


def _written(state: State, flag: Value) -> Value:
    """Forget who handed a flag on, unless that call is under way or wrote the flag as a literal.

    A call that is over, such as one that made a closure, and was handed the flag itself says less
    of the pass than the pass does.
    """
    if not isinstance(flag, (Const, Sym)) or flag.origin is None:
        return flag
    call, _ = flag.origin
    under_way = any(frame.place is call for frame in state.frame.chain())
    return flag if under_way or _passes_literal(call, flag) else replace(flag, origin=None)


def _passes_literal(call: ir.Node, flag: Const | Sym) -> bool:
    if not isinstance(call, ir.Call) or not isinstance(flag, Const):
        return False
    passed = (*call.args, *(keyword.value for keyword in call.keywords))
    return any(isinstance(each, ir.Const) and each.value is flag.value for each in passed)


def _allows_unused(given: Mapping[str, Value]) -> bool:
    flags = (given.get(name) for name in ("allow_unused", "materialize_grads"))
    return any(isinstance(flag, Const) and flag.value is True for flag in flags)


def _targets(
    state: State, wanted: Value | None
) -> tuple[frozenset[NodeId] | None, frozenset[Leaf] | None]:
    """Return the nodes and leaves that gradients are wanted for; None where that can't be told."""
    if wanted is None or wanted == NONE:
        return None, None
    handles = list(state.handles(wanted))
    for value in _unknown_tensors(state, wanted):
        numbers = _foreign_parts(state, value)
        if not numbers:
            return None, None
        handles += numbers
    if not handles:
        return None, None
    nodes = frozenset(h for h in handles if isinstance(h, int))
    return nodes, frozenset(h for h in handles if not isinstance(h, int))


def _foreign_parts(state: State, value: Sym) -> list[NodeId]:
    """Return the nodes that stand for an unknown value or its items, as far as they are met."""
    names = (value.name, *(("item", value.name, index) for index in (0, -1)))
    numbers = [state.frames.name("foreign", name) for name in names]
    return [number for number in numbers if number in state.graph]


def _unknown_tensors(state: State, wanted: Value) -> list[Sym]:
    found = state.get(wanted, List)
    items = found.items if found else wanted.items if isinstance(wanted, Tuple) else (wanted,)
    return [item for item in items if isinstance(item, Sym) and item.node is None]


def _flags(
    state: State, given: Mapping[str, Value]
) -> list[tuple[State, bool, bool, bool, frozenset[Doubt]]]:
    """Decide the flags: (state, asked, retains, creates, doubts about a pass that frees)."""
    retain, create = given.get("retain_graph"), given.get("create_graph")
    decided = []
    for first, creates in truth(state, create) if create is not None else [(state, False)]:
        if retain is None or retain == NONE:
            decided.append((first, False, creates, creates, _unknown(create)))
        elif isinstance(retain, Sym) and retain == create:
            decided.append((first, creates, creates, creates, _unknown(create)))
        else:
            for second, asked in truth(first, retain):
                decided.append((second, asked, asked, creates, _unknown(retain)))
    return [
        (after, asked, retains, creates, doubts | {FLAG_FOREIGN} if supposes(after) else doubts)
        for after, asked, retains, creates, doubts in decided
    ]


def _unknown(flag: Value | None) -> frozenset[Doubt]:
    """Say how unsure it is that a flag is ever off."""
    if isinstance(flag, Sym):
        foreign = comes_from_caller(flag) or depends_on_position(flag)
        return frozenset((FLAG_FOREIGN if foreign else FLAG_UNKNOWN,))
    assumed = isinstance(flag, Const) and flag.assumed
    return frozenset((FLAG_FOREIGN,)) if assumed else frozenset()


# ----------------------------------------------------------------------------- the gradients
def gradients(
    ex: Executor,
    state: State,
    request: Request,
    visited: Sequence[NodeId],
    wanted: Value | None,
    given: Mapping[str, Value],
) -> Value:
    """Return what `autograd.grad` returns: a tuple with one gradient for every input."""
    count = _count(state, wanted)
    made = [_gradient(state, request, visited, given) for _ in range(count or 1)]
    for gradient in made:
        note_gradient(ex, state, request, visited, gradient)
    if count is not None:
        return Tuple(tuple(made))
    return state.new(request.call, List((made[0],), state.sym(request.call, "length")))


def _count(state: State, wanted: Value | None) -> int | None:
    if isinstance(wanted, Tuple):
        return len(wanted.items)
    if state.get(wanted, Tensor):
        return 1
    found = state.get(wanted, List)
    return len(found.items) if found and found.length is None else None


def _gradient(
    state: State, request: Request, visited: Sequence[NodeId], given: Mapping[str, Value]
) -> Ref:
    """Make one gradient: a constant, or with `create_graph` a node above what the pass visited.

    The gradient's own graph reaches what the visited nodes saved.
    """
    if not request.creates:
        return state.tensor(request.call)
    inputs: list[NodeId] = []
    leaves: set[Leaf] = set()
    for number in visited:
        node = state.graph[number]
        leaves.update(leaf for leaf, _ in node.saved_leaves)
        if not _saves_for_weight_alone(node, request):
            inputs += node.saved_inputs
        if node.saves_own or node.saves is MAYBE:
            inputs.append(number)
    for handle in state.handles(given.get("grad_outputs")):
        if isinstance(handle, int):
            inputs.append(handle)
        else:
            leaves.add(handle)
    if not inputs and not leaves:
        return state.tensor(request.call)
    node_id = state.record(
        request.call,
        "gradient",
        tuple(dict.fromkeys(inputs)),
        frozenset(leaves),
        YES,
        saved_leaves=frozenset(leaves),
        saved_inputs=tuple(dict.fromkeys(inputs)),
    )
    return state.tensor(request.call, node_id)


def _saves_for_weight_alone(node: Node, request: Request) -> bool:
    """Whether a node saved its input for the gradient of a weight, which a pass doesn't want.

    That is so of matrix products alone: the gradient of every other layer leads to the layer's
    input, even that of a convolution, where it counts for nothing (torch 2.13,
    `tools/autograd/derivatives.yaml`).
    """
    if node.op != "linear" or len(node.inputs) != 1 or request.leaves is None:
        return False
    return not node.leaves & request.leaves
