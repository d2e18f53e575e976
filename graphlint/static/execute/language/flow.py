"""Statements with blocks: branches, `with` and `try`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.evaluations import (
    forget_unknown_context,
    note_unknown_context,
)
from graphlint.static.execute.autograd.merge import BREAK, CONTINUE, NEXT, Flow, Outcome, merge
from graphlint.static.execute.language.ahead import lead_ahead
from graphlint.static.execute.language.loops import for_stmt, while_stmt
from graphlint.static.execute.language.matching import match_stmt
from graphlint.static.execute.language.reporting import only_reports
from graphlint.static.execute.language.statements import run_block
from graphlint.static.execute.language.targets import assign
from graphlint.static.execute.library.contexts import STACK, unwind
from graphlint.static.execute.library.membership import never_lacks
from graphlint.static.execute.paths.branches import truth
from graphlint.static.execute.paths.classes import find_method
from graphlint.static.execute.paths.generators import MANAGED, offer, restore
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.suppositions import note_supposition
from graphlint.static.execute.paths.values import (
    NONE,
    Const,
    Context,
    Func,
    List,
    Ref,
    Tuple,
    Value,
)

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results


def if_stmt(ex: Executor, node: ir.If, state: State) -> list[Outcome]:
    """Run `if`: where its body only reports, on one path, as both ways lead to the same."""
    outcomes: list[Outcome] = []
    for after, test in ex.eval(node.test, state):
        ways = truth(after, test)
        if len(ways) > 1 and only_reports(node):
            undecided = ways[0][0]
            _forget_unlike(undecided, ways[1][0])
            outcomes += run_block(ex, node.body, undecided)
            continue
        for decided, way in lead_ahead(ex, node, test, ways):
            note_supposition(decided, node.test, test, way)
            outcomes += run_block(ex, node.body if way else node.orelse, decided)
    return merge(ex, outcomes)


def _forget_unlike(state: State, other: State) -> None:
    """Forget what one of two paths assumed, and the other did not."""
    state.conds = {k: v for k, v in state.conds.items() if other.conds.get(k) == v}


# ------------------------------------------------------------------------------------- with
def with_stmt(ex: Executor, node: ir.With, state: State) -> list[Outcome]:
    """Run `with`, from its outermost context manager inwards."""
    return merge(ex, _with_items(ex, node, node.items, state))


def _with_items(
    ex: Executor, node: ir.With, items: Sequence[ir.WithItem], state: State
) -> list[Outcome]:
    if not items:
        return run_block(ex, node.body, state)
    item, *inner = items
    before, outer = state.grad, state.managed

    def run(inside: State, value: Value) -> list[Outcome]:
        """Run the body, given what entering the manager yields."""
        target = item.target
        bound = [inside] if target is None else assign(ex, inside, target, value, item)
        return [outcome for each in bound for outcome in _with_items(ex, node, inner, each)]

    managed = offer(state, item.context, run)
    outcomes: list[Outcome] = []
    for after, manager in ex.eval(item.context, state):
        after.managed = outer
        if isinstance(manager, Context) and manager.kind == MANAGED:
            outcomes.append((after, _flow_of(manager)))
            continue
        for inside, value in _enter(ex, after, item, manager):
            inside.temps = (*inside.temps, manager)
            for done, flow in run(inside, value):
                done.temps = done.temps[:-1]
                outcomes += _exit(ex, done, flow, item, manager, before)
    for after, flow in managed.raised:
        after.grad = before
        outcomes.append((after, flow))
    return outcomes


def _flow_of(manager: Context) -> Flow:
    """Return how the body ended that was run within a manager (`generators`)."""
    assert isinstance(manager.argument, Tuple)
    kind, value = manager.argument.items
    flow = Flow(kind.value if isinstance(kind, Const) else NEXT.kind)
    if flow.kind == "return":
        return Flow(flow.kind, value)
    return next((each for each in (NEXT, BREAK, CONTINUE) if each == flow), NEXT)


def _enter(ex: Executor, state: State, item: ir.WithItem, manager: Value) -> Results:
    if isinstance(manager, Context):
        if manager.kind in ("no_grad", "enable_grad"):
            state.grad = manager.kind == "enable_grad"
        if manager.frozen is not None:
            inside, outside = manager.frozen
            state.frozen = state.frozen - outside | inside
        return [(state, manager.argument or manager)]
    if isinstance(manager, Ref):
        method = find_method(state, manager, "__enter__")
        if isinstance(method, Func):
            return ex.invoke(state, Invocation(item), method)
        yielded = state.get(manager, List)
        if yielded and yielded.items:
            return [(state, yielded.items[0])]
    note_unknown_context(state, item)
    return [(state, manager)]


def _exit(
    ex: Executor, state: State, flow: Flow, item: ir.WithItem, manager: Value, before: bool
) -> list[Outcome]:
    """Leave a context manager: a known one brings the grad mode back that was before it."""
    method = find_method(state, manager, "__exit__") if isinstance(manager, Ref) else None
    if isinstance(method, Func):
        temps = state.temps
        state.temps = (*temps, flow.value) if flow.value is not None else temps
        outcomes: list[Outcome] = []
        for after, _ in ex.invoke(state, Invocation(item, (NONE, NONE, NONE)), method):
            after.temps = temps
            outcomes.append((after, flow))
        return outcomes
    if isinstance(manager, Context):
        state.grad = before
        if manager.frozen is not None:
            inside, outside = manager.frozen
            state.frozen = state.frozen - inside | outside
        restore(state, manager)
        if manager.kind == STACK:
            return [(after, flow) for after in unwind(ex, state, item, manager.argument)]
    forget_unknown_context(state, item)
    return [(state, flow)]


# ------------------------------------------------------------------------------------- try
def try_stmt(ex: Executor, node: ir.Try, state: State) -> list[Outcome]:
    """Run `try`: handlers run for what the body raises, and for what it might have raised.

    Anything in the body may raise. One more path therefore runs each handler from the state before
    the body, unless all that a handler does is to raise again, or the body raises nothing of what
    it catches.
    """
    outcomes: list[Outcome] = []
    may_raise = bool(node.handlers) and not never_lacks(state, node.body, node.handlers)
    aside = state.fork() if may_raise else None
    for after, flow in run_block(ex, node.body, state):
        if flow.kind == "raise" and node.handlers:
            outcomes += _handle(ex, node, after, flow.value)
        elif flow is NEXT:
            outcomes += run_block(ex, node.orelse, after)
        else:
            outcomes.append((after, flow))
    if aside is not None:
        outcomes += [o for o in _handle(ex, node, aside) if o[1].kind != "raise"]
    return merge(ex, _finally(ex, node, merge(ex, outcomes)))


def _handle(ex: Executor, node: ir.Try, state: State, caught: Value | None = None) -> list[Outcome]:
    outcomes: list[Outcome] = []
    states = [state, *(state.fork() for _ in node.handlers[1:])]
    for handler, each in zip(node.handlers, states, strict=True):
        if handler.name is not None:
            each.bind(handler.name, caught or each.sym(handler, "exception"))
        outcomes += run_block(ex, handler.body, each)
    return outcomes


def _finally(ex: Executor, node: ir.Try, outcomes: list[Outcome]) -> list[Outcome]:
    if not node.final:
        return outcomes
    ended: list[Outcome] = []
    for state, flow in outcomes:
        temps = state.temps
        state.temps = (*temps, *([flow.value] if flow.value is not None else []))
        for after, last in run_block(ex, node.final, state):
            after.temps = temps
            ended.append((after, flow if last is NEXT else last))
    return ended


RUN_FLOW: dict[type, Callable[..., list[Outcome]]] = {
    ir.If: if_stmt,
    ir.For: for_stmt,
    ir.While: while_stmt,
    ir.With: with_stmt,
    ir.Try: try_stmt,
    ir.Match: match_stmt,
}
