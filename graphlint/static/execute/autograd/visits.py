"""What a backward pass does to the nodes that it visits: clashes, reuses, keeping, freeing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.carried import Carried
from graphlint.static.execute.autograd.foreign import FOREIGN, FOREIGN_OP, MIXED, data_among
from graphlint.static.execute.autograd.holds import note_visit
from graphlint.static.execute.autograd.meetings import remember
from graphlint.static.execute.autograd.origins import TESTED, graph_doubts, made_for_a_test
from graphlint.static.execute.autograd.telling import told
from graphlint.static.execute.autograd.wanted import leads_to, leaves_of, misses
from graphlint.static.execute.paths.branches import is_guess
from graphlint.static.execute.paths.compiled import COMPILED_OP
from graphlint.static.execute.paths.frames import Frame, Loop
from graphlint.static.execute.paths.graph import (
    Freed,
    Leaf,
    Node,
    between,
    handed_reachable,
    plainly_reachable,
    reachable,
    surely_reachable,
)
from graphlint.static.execute.paths.state import Pending, State
from graphlint.static.execute.paths.suppositions import (
    goes_past_second,
    just_once,
    picked_among,
    renewed_in_turns,
    supposed_between,
)
from graphlint.static.execute.paths.values import (
    Const,
    NodeId,
    Sym,
    Value,
)
from graphlint.static.execute.records.records import JOINED_CLASH, site_of
from graphlint.static.knowledge.facts import NO, YES
from graphlint.trace import Broken, Clash, Confidence, Doubt, Form, Reuse, Site

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor

UNKNOWN_PATHS = Doubt(
    Confidence.POSSIBLE, "how the graph leads to what gradients are wanted for can't be told"
)
CALLED_AGAIN = Doubt(Confidence.LIKELY, "no call is known that runs the method a second time")
RENEWED = Doubt(
    Confidence.POSSIBLE, "another method may renew what this one keeps before it runs again"
)


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
        weighted: the caller says what the roots' own gradients are.
        allows_unused: gradients may be wanted for what the roots don't come from.
        paths: doubts about the graph, where what gradients are wanted for is not known to be in it.
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
    weighted: bool = False
    allows_unused: bool = False
    paths: frozenset[Doubt] = frozenset()

    @property
    def origin(self) -> Site | None:
        """The call that wrote the flag, where a caller handed it to this one."""
        flag = self.flag
        origin = flag.origin if isinstance(flag, (Const, Sym)) else None
        return None if origin is None or origin[0] is self.call else site_of(*origin)

    @property
    def at(self) -> Site:
        """The call that wrote the flag."""
        return self.origin or self.site


def visit(ex: Executor, state: State, request: Request) -> list[NodeId]:
    """Visit the nodes of a pass: report clashes, link reuses, then keep or free."""
    visited = reachable(state.graph, request.roots)
    sure = surely_reachable(state.graph, request.roots)
    if request.nodes is not None and leads_to(state, visited, request):
        leaves = set(request.leaves or ())
        visited = between(state.graph, request.roots, set(request.nodes), leaves)
    elif request.nodes is not None:
        sure = set()
        if misses(state, visited, request):
            request = replace(request, paths=frozenset((UNKNOWN_PATHS,)))
    carried = Carried(state, visited)
    if ex.records.telling:
        ex.records.tell(told(state, request.site, request.retains, request.creates, visited))
    data = data_among(state, visited)
    shared = [node for node in visited if node not in data]
    number = remember(ex, state, request, visited, shared)
    freed = _report_freed(ex, state, request, visited, sure, carried)
    if not freed:
        _report_modified(ex, state, request, [n for n in visited if n in sure])
    chain = _link_reuses(ex, state, request, shared, carried)
    saving = [node for node in visited if state.graph[node].saves is not NO]
    if request.asked and not request.creates:
        ex.records.keep_alone(request.at)
    if request.retains and request.roots:
        _keep(state, request, number, visited, chain, bool(ex.running_callbacks))
        for node in visited:
            state.freed.pop(node, None)
    else:
        if request.creates and saving:
            ex.records.overrule(request.site)
        for node in saving:
            state.freed[node] = Freed(request.call, request.site, number, request.doubts)
            state.kept.pop(node, None)
    if request.form is not Form.AUTOGRAD_GRAD:
        reached = leaves_of(state, visited)
        state.graded = state.graded | (reached - state.frozen)  # a frozen leaf accumulates nothing
    note_visit(ex, state, request.roots, visited)
    state.passes += 1
    return visited


def _report_freed(
    ex: Executor,
    state: State,
    request: Request,
    visited: Sequence[NodeId],
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
        past = state.past.get(state.freed[nodes[0]].number)
        frame = past.frame if past is not None else first.frame
        doubts = state.freed[nodes[0]].doubts | _called_again(ex, state, frame)
        doubts |= supposed_between(state, frame, state.freed[nodes[0]].call)
        doubts |= picked_among(state, visited)
        doubts |= renewed_in_turns(state, first) | _blurred(state)
        built = site_of(first.place, first.frame)
        clash = Clash(Broken.FREED, earlier, request.site, built, travels, None, doubts)
        ex.records.clash(clash)
    for node in freed:
        del state.freed[node]
    return freed


def _blurred(state: State) -> frozenset[Doubt]:
    """Say that what a setting made and what it decides may not go together, on joined paths."""
    return frozenset((JOINED_CLASH,)) if is_guess(state) else frozenset()


def _called_again(ex: Executor, state: State, earlier: Frame | None) -> frozenset[Doubt]:
    """Say what speaks against a claim about two calls of a method that nothing calls."""
    if earlier is None or not earlier.called_again(state.frame):
        return frozenset()
    return frozenset((RENEWED if ex.renewed else CALLED_AGAIN,))


def _report_modified(
    ex: Executor, state: State, request: Request, visited: Sequence[NodeId]
) -> None:
    """Report nodes that saved a tensor which was changed in place since: one for each keeper."""
    told: set[Site | None] = set()
    for number in visited:
        node = state.graph[number]
        leaf = state.stale(node) if node.saves is YES else None
        if leaf is None:
            continue
        keepers = [state.pending[p] for p in state.kept.get(number, ()) if p in state.pending]
        earlier = keepers[-1].site if keepers else None
        if earlier not in told:
            told.add(earlier)
            built = site_of(node.place, node.frame)
            step = state.changed.get(leaf)
            doubts = _called_again(ex, state, node.frame) | picked_among(state, visited)
            doubts |= _blurred(state)
            clash = Clash(Broken.MODIFIED, earlier, request.site, built, False, step, doubts)
            ex.records.clash(clash)


def _link_reuses(
    ex: Executor,
    state: State,
    request: Request,
    visited: Sequence[NodeId],
    carried: Carried,
) -> int | None:
    """Tell the passes that kept visited nodes; return the chain that this pass goes on with."""
    others = any(_is_own(state.graph[number]) for number in visited)
    plain = plainly_reachable(state.graph, request.roots)
    handed = handed_reachable(state.graph, request.roots)
    picked = bool(picked_among(state, visited))
    chains = []
    for keeper, numbers in _kept_by(state, visited).items():
        pending = state.pending.get(keeper)
        if pending is not None:
            nodes = [state.graph[number] for number in numbers]
            travels = [n for n in numbers if state.graph[n] in carried]
            guessed = bool(travels) and handed.isdisjoint(travels)
            seen = [state.graph[number] for number in numbers if number in plain and not picked]
            followed = not goes_past_second(state, pending.frame)
            certain = followed and any(_surely_saves(node, others) for node in seen)
            given = numbers if followed else ()
            prebuilt = not picked and _starts_before(state, request.roots, given, pending.frame)
            apart = pending.call is request.call and not pending.frame.precedes(state.frame)
            restarted = not _innermost_loop_is_around(state.frame, pending.frame, request)
            over = pending.frame.innermost_loop not in (None, *state.frame.loops)
            how = (bool(travels), certain, prebuilt, apart, restarted, guessed, over)
            reuse = Reuse(request.site, *how)
            if reuse not in pending.reuses:
                loops = frozenset[Loop]().union(*(node.frame.loops for node in nodes if node.frame))
                around = pending.within | (loops & pending.frame.loops.keys())
                pending = replace(pending, reuses=(*pending.reuses, reuse), within=around)
                state.pending[keeper] = pending
                ex.records.reuse(pending)
            if pending.site == request.site and pending.origin == request.origin:
                chains.append(pending.chain)
                if certain:
                    state.pending[keeper] = replace(pending, handed=frozenset())
    if not chains:
        return None
    first = min(chains)
    for number, pending in state.pending.items():
        if pending.chain in chains:
            state.pending[number] = replace(pending, chain=first, doubts=_in_chain(pending))
    return first


def _innermost_loop_is_around(frame: Frame, earlier: Frame, request: Request) -> bool:
    """Whether the innermost loop around a pass is around an earlier one, and what says the flag."""
    flag, loop = request.flag, frame.innermost_loop
    handed = flag.origin if isinstance(flag, (Const, Sym)) else None
    return loop in earlier.loops and (handed is None or loop in handed[1].loops)


def _kept_by(state: State, visited: Sequence[NodeId]) -> dict[int, list[NodeId]]:
    """Sort the visited nodes that may save tensors by the earlier passes that kept them."""
    found: dict[int, list[NodeId]] = {}
    for number in visited:
        if state.graph[number].saves is not NO:
            for keeper in state.kept.get(number, ()):
                found.setdefault(keeper, []).append(number)
    return found


def _is_own(node: Node) -> bool:
    """Whether a node is of a graph that does not come from unknown values, and may save tensors."""
    made = node.opaque and node.op != FOREIGN_OP
    return node.saves is not NO and (made or not node.unknown)


def _surely_saves(node: Node, among_others: bool) -> bool:
    """Whether a node saves tensors, as far as it can be told.

    Where all that a pass visits comes from unknown values, these are graphs. Beside what calls and
    ops of the program made, an unknown value is data more often than not: weights and targets.
    """
    stands_alone = node.op != FOREIGN_OP or not among_others
    return node.saves is YES or (node.opaque and stands_alone)


def _starts_before(
    state: State, roots: Sequence[NodeId], shared: Sequence[NodeId], earlier: Frame
) -> bool:
    """Whether a pass starts from what was built before the loop over it and an earlier one.

    That may also be a tensor that each iteration hands to code which is not known, or an object,
    such as a distribution, which such code made of tensors then.
    """
    graph = state.graph
    saving = [n for n in shared if graph[n].saves is YES and not graph[n].unknown]
    made = [(n,) for n in shared if n in saving or ("of tensors", n) in state.facts]
    return any(_is_built_before(state, start, earlier) for start in (roots, *made))


def _is_built_before(state: State, roots: Iterable[NodeId], earlier: Frame) -> bool:
    """Whether nodes were built before the loop began that two passes are iterations of."""
    passed = [
        loop for loop, index in state.frame.loops.items() if earlier.loops.get(loop, index) != index
    ]
    frames = [state.graph[number].frame for number in roots]
    return bool(passed) and all(f is None or f.loops.keys().isdisjoint(passed) for f in frames)


def _in_chain(pending: Pending) -> frozenset[Doubt]:
    """Doubt less where a call visits again and again what its function built on a foreign graph.

    A graph that a test hands to the function is as foreign. Rows of a gradient or an output that a
    loop differentiates are what the loop is about; the loop may be that of a caller, who wrote the
    flag.
    """
    doubts, built = pending.doubts, pending.built
    callers = (pending.site, pending.origin or pending.site)
    here = built is not None and built.function in [site.function for site in callers]
    less = doubts - {FOREIGN, TESTED}
    return less | {MIXED} if here and less != doubts else doubts


def _keep(
    state: State,
    request: Request,
    number: int,
    visited: Sequence[NodeId],
    chain: int | None,
    open_ended: bool,
) -> None:
    nodes = [state.graph[n] for n in visited]
    own = [node for node in nodes if node.op != FOREIGN_OP]
    made = [node for node in own if node.frame is not None]
    built = site_of(made[0].place, made[0].frame) if made else None
    along = request.form is Form.AUTOGRAD_GRAD
    writer = request.origin or request.site
    doubts = graph_doubts(state, visited, along) | made_for_a_test(state, visited, writer)
    doubts |= just_once(state, visited)
    pending = Pending(
        call=request.call,
        site=request.site,
        form=request.form,
        frame=state.frame,
        order=state.passes,
        chain=number if chain is None else chain,
        asked=request.asked,
        creates=request.creates,
        origin=request.origin,
        built=built,
        doubts=doubts | request.paths | picked_among(state, visited, "picked again"),
        open_ended=open_ended,
        compiled=any(node.op == COMPILED_OP for node in nodes),
        behind=_behind(state, request.call) if chain is None else frozenset(),
        made=frozenset(loop for node in made if node.frame for loop in node.frame.loops),
    )
    if chain is not None:
        pending = replace(pending, doubts=_in_chain(pending))
    state.pending[number] = pending
    for node in visited:
        if state.graph[node].saves is not NO:
            state.kept[node] = (*state.kept.get(node, ()), number)


def _behind(state: State, call: ir.Call) -> frozenset[frozenset[Loop]]:
    """Return the loops that have gone on since each earlier pass of a call."""
    now = state.frame.loops
    past = (past.frame.loops for past in state.past.values() if past.call is call)
    return frozenset(
        frozenset(loop for loop, index in loops.items() if now.get(loop, index) > index)
        for loops in past
    )
