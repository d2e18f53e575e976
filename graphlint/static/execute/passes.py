"""Backward passes: what they visit, keep, free and meet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.branches import truth
from graphlint.static.execute.frames import Frame
from graphlint.static.execute.gradients import note_gradient, note_pass, note_root
from graphlint.static.execute.graph import (
    Freed,
    Leaf,
    Node,
    between,
    plainly_reachable,
    reachable,
    surely_reachable,
)
from graphlint.static.execute.holds import note_start, note_visit
from graphlint.static.execute.numbers import comes_from_caller, depends_on_position
from graphlint.static.execute.records import site_of
from graphlint.static.execute.state import Pending, State
from graphlint.static.execute.values import (
    NONE,
    Const,
    List,
    NodeId,
    Ref,
    Sym,
    Tensor,
    Tuple,
    Value,
)
from graphlint.static.knowledge.facts import MAYBE, NO, YES
from graphlint.trace import Broken, Clash, Confidence, Doubt, Form, Reuse, Site

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
FOREIGN_OP = "foreign"
FOREIGN = Doubt(Confidence.POSSIBLE, "the graph comes from outside the analysed code")
MIXED = Doubt(Confidence.LIKELY, "part of the graph comes from code that is not known")
NO_GRAPH = frozenset((FOREIGN,))
"""What is differentiated seems to have no graph: there is more to it than is known."""
HANDED = Doubt(Confidence.LIKELY, "code that is not known was handed a part of the graph")
FLAG_FOREIGN = Doubt(Confidence.POSSIBLE, "whether the graph is kept can't be told here")
FLAG_UNKNOWN = Doubt(Confidence.LIKELY, "whether the graph is kept depends on a setting")


@dataclass(frozen=True, slots=True)
class Request:
    """One backward pass, with its flags decided.

    Attributes:
        call, site, form: who asks.
        roots: the nodes that it starts from.
        nodes, leaves: what gradients are wanted for; None means everything.
        retains, creates: the flags; asked: `retain_graph` itself was passed and true.
        flag: the value passed for it, if any; create: that of `create_graph`.
        some_inputs: gradients are wanted for some inputs only, whichever these are.
    """

    call: ir.Call
    site: Site
    form: Form
    roots: tuple[NodeId, ...]
    nodes: frozenset[NodeId] | None
    leaves: frozenset[Leaf] | None
    retains: bool
    creates: bool
    asked: bool
    flag: Value | None
    doubts: frozenset[Doubt] = frozenset()
    create: Value | None = None
    some_inputs: bool = False


def run_pass(
    ex: Executor,
    call: ir.Call,
    state: State,
    form: Form,
    args: Sequence[Value],
    keywords: Mapping[str, Value],
) -> Results:
    """Run a backward pass: one outcome for every way its flags can turn out."""
    given = {**dict(zip(PARAMETERS[form], args, strict=False)), **keywords}
    root = given.get(PARAMETERS[form][0], NONE)
    roots = pass_roots(ex, call, state, root)
    site = site_of(call, state.frame)
    ex.records.visit(site)
    wanted = given.get("inputs")
    nodes, leaves = _targets(state, wanted)
    results: Results = []
    for request_state, asked, retains, creates, doubts in _flags(state, given):
        request = Request(
            call,
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
        )
        note_root(ex, request_state, site, root)
        visited = visit(ex, request_state, request)
        note_pass(ex, request_state, request, visited)
        value: Value = NONE
        if form is Form.AUTOGRAD_GRAD:
            value = gradients(ex, request_state, request, visited, wanted, given)
        results.append((request_state, value))
    return results


def pass_roots(ex: Executor, call: ir.Call, state: State, root: Value) -> tuple[NodeId, ...]:
    """Return the nodes that a pass starts from; an unknown value stands for an unknown graph."""
    roots = state.nodes(root)
    note_start(state, call, root)
    if not roots and isinstance(root, Sym):
        roots = [foreign_node(state, call, root)]
    return tuple(roots)


def foreign_node(state: State, place: ir.Node, value: Sym) -> NodeId:
    """Return the node that stands for the graph behind an unknown value."""
    if value.node is not None:
        return value.node
    number = state.frames.name("foreign", value.name)
    if number not in state.graph:
        state.graph[number] = Node(
            FOREIGN_OP, (), frozenset(), MAYBE, (), (), False, place, None, True, True
        )
    return number


def _targets(
    state: State, wanted: Value | None
) -> tuple[frozenset[NodeId] | None, frozenset[Leaf] | None]:
    if wanted is None or isinstance(wanted, Sym) or wanted == NONE:
        return None, None
    handles = list(state.handles(wanted))
    if not handles or _has_unknown(state, wanted):
        return None, None
    nodes = frozenset(h for h in handles if isinstance(h, int))
    return nodes, frozenset(h for h in handles if not isinstance(h, int))


def _has_unknown(state: State, wanted: Value) -> bool:
    found = state.get(wanted, List)
    items = found.items if found else wanted.items if isinstance(wanted, Tuple) else ()
    return any(isinstance(item, Sym) and item.node is None for item in items)


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
    return decided


def _unknown(flag: Value | None) -> frozenset[Doubt]:
    """Say how unsure it is that a flag is ever off."""
    if isinstance(flag, Sym):
        foreign = comes_from_caller(flag) or depends_on_position(flag)
        return frozenset((FLAG_FOREIGN if foreign else FLAG_UNKNOWN,))
    assumed = isinstance(flag, Const) and flag.assumed
    return frozenset((FLAG_FOREIGN,)) if assumed else frozenset()


# --------------------------------------------------------------------------------- the visit
def visit(ex: Executor, state: State, request: Request) -> list[NodeId]:
    """Visit the nodes of a pass: report clashes, link reuses, then keep or free."""
    if request.nodes is None:
        visited = reachable(state.graph, request.roots)
    else:
        leaves = set(request.leaves or ())
        visited = between(state.graph, request.roots, set(request.nodes), leaves)
    sure = surely_reachable(state.graph, request.roots)
    carried = Carried(state, visited)
    freed = _report_freed(ex, state, request, visited, sure, carried)
    if not freed:
        _report_modified(ex, state, request, [n for n in visited if n in sure])
    chain = _link_reuses(state, request, visited, carried)
    saving = [node for node in visited if state.graph[node].saves is not NO]
    if request.retains:
        _keep(state, request, visited, saving, chain, bool(ex.running_callbacks))
        for node in visited:
            state.freed.pop(node, None)
    else:
        if request.creates and saving:
            ex.records.overrule(request.site)
        for node in saving:
            state.freed[node] = Freed(request.call, request.site, request.doubts)
            state.kept.pop(node, None)
    if request.form is not Form.AUTOGRAD_GRAD:
        reached = (state.graph[node].leaves for node in visited)
        state.graded = state.graded.union(*reached)
    note_visit(ex, state, request.roots, visited)
    state.passes += 1
    return visited


class Carried:
    """Tells which visited nodes travelled round a loop: earlier iterations' versions of others.

    A node that was built in an earlier iteration, and whose syntax built another visited node in a
    later one, is part of a graph that grows from iteration to iteration. One that was built in an
    earlier iteration once and for all (a cached property) is not.
    """

    def __init__(self, state: State, visited: Iterable[NodeId]) -> None:
        self._state = state
        self._latest: dict[ir.Node, list[Frame]] = {}
        for number in visited:
            node = state.graph[number]
            if node.frame is not None:
                self._latest.setdefault(node.place, []).append(node.frame)

    def __contains__(self, node: Node) -> bool:
        frame = node.frame
        if frame is None or not frame.precedes(self._state.frame):
            return False
        return any(frame.precedes(other) for other in self._latest.get(node.place, ()))


def _report_freed(
    ex: Executor,
    state: State,
    request: Request,
    visited: Iterable[NodeId],
    sure: set[NodeId],
    carried: Carried,
) -> list[NodeId]:
    """Report nodes whose buffers an earlier pass freed, then go on as if it had kept them."""
    freed = [n for n in visited if n in state.freed and state.graph[n].saves is not NO]
    by_pass: dict[Site, list[NodeId]] = {}
    for node in freed:
        if state.graph[node].saves is YES and node in sure:
            by_pass.setdefault(state.freed[node].site, []).append(node)
    for earlier, nodes in by_pass.items():
        travels = any(state.graph[n] in carried for n in nodes)
        first = state.graph[min(nodes)]
        doubts = state.freed[nodes[0]].doubts
        built = site_of(first.place, first.frame)
        clash = Clash(Broken.FREED, earlier, request.site, built, travels, None, doubts)
        ex.records.clash(clash)
    for node in freed:
        del state.freed[node]
    return freed


def _report_modified(
    ex: Executor, state: State, request: Request, visited: Iterable[NodeId]
) -> None:
    """Report nodes that saved a tensor which was changed in place since."""
    for number in visited:
        node = state.graph[number]
        leaf = state.stale(node) if node.saves is YES else None
        if leaf is not None:
            keepers = [state.pending[p] for p in state.kept.get(number, ()) if p in state.pending]
            earlier = keepers[-1].site if keepers else None
            built = site_of(node.place, node.frame)
            step = state.changed.get(leaf)
            clash = Clash(Broken.MODIFIED, earlier, request.site, built, False, step)
            ex.records.clash(clash)
            return


def _link_reuses(
    state: State,
    request: Request,
    visited: Iterable[NodeId],
    carried: Carried,
) -> int | None:
    """Tell the passes that kept visited nodes; return the chain that this pass goes on with."""
    reused: dict[int, tuple[bool, bool]] = {}
    plain = plainly_reachable(state.graph, request.roots)
    for number in visited:
        node = state.graph[number]
        if node.saves is NO:
            continue
        for keeper in state.kept.get(number, ()):
            travels, certain = reused.get(keeper, (False, False))
            certain = certain or (number in plain and (node.saves is YES or node.opaque))
            reused[keeper] = (travels or node in carried, certain)
    chains = []
    for keeper, (travels, certain) in reused.items():
        pending = state.pending.get(keeper)
        if pending is not None:
            reuse = Reuse(request.site, travels, certain)
            if reuse not in pending.reuses:
                state.pending[keeper] = replace(pending, reuses=(*pending.reuses, reuse))
            if pending.site == request.site and pending.origin == _origin(request):
                chains.append(pending.chain)
    if not chains:
        return None
    first = min(chains)
    for number, pending in state.pending.items():
        if pending.chain in chains and pending.chain != first:
            state.pending[number] = replace(pending, chain=first)
    return first


def _origin(request: Request) -> Site | None:
    flag = request.flag
    origin = flag.origin if isinstance(flag, (Const, Sym)) else None
    if origin is None or origin[0] is request.call:
        return None
    return site_of(*origin)


def _keep(
    state: State,
    request: Request,
    visited: Sequence[NodeId],
    saving: Sequence[NodeId],
    chain: int | None,
    open_ended: bool,
) -> None:
    number = state.frames.name(state.frame, request.call, "pass", state.passes)
    nodes = [state.graph[n] for n in visited]
    own = [node for node in nodes if node.op != FOREIGN_OP]
    built = site_of(own[0].place, own[0].frame) if own else None
    state.pending[number] = Pending(
        call=request.call,
        site=request.site,
        form=request.form,
        frame=state.frame,
        order=state.passes,
        chain=number if chain is None else chain,
        asked=request.asked,
        creates=request.creates,
        origin=_origin(request),
        built=built,
        doubts=(_doubts(nodes, own) if request.roots else NO_GRAPH) | _handed(state, visited),
        open_ended=open_ended,
    )
    for node in saving:
        state.kept[node] = (*state.kept.get(node, ()), number)


def _handed(state: State, visited: Sequence[NodeId]) -> frozenset[Doubt]:
    """Say whether unknown code has got hold of a part of the graph: it may visit it later."""
    return frozenset() if state.handed.isdisjoint(visited) else frozenset((HANDED,))


def _doubts(nodes: Sequence[Node], own: Sequence[Node]) -> frozenset[Doubt]:
    if len(own) == len(nodes):
        return frozenset((MIXED,)) if any(node.unknown for node in nodes) else frozenset()
    has_leaf = any(node.leaves for node in nodes)
    return frozenset((MIXED if own and has_leaf else FOREIGN,))


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
        note_gradient(ex, state, request, gradient)
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

    The gradient's own graph reaches what the visited nodes saved: a layer's weight, and its input
    too if a gradient for the weight is wanted.
    """
    if not request.creates:
        return state.tensor(request.call)
    inputs: list[NodeId] = []
    leaves: set[Leaf] = set()
    for number in visited:
        node = state.graph[number]
        leaves.update(leaf for leaf, _ in node.saved_leaves)
        if node.op != "layer" or request.leaves is None or node.leaves & request.leaves:
            inputs += node.saved_inputs
        if node.saves_output or node.saves is MAYBE:
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
