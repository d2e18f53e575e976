"""Context variables and exit stacks: lists of values, and of what is to be done at the end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static.execute.paths.classes import find_method
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    NONE,
    Context,
    List,
    Partial,
    Ref,
    Value,
)

if TYPE_CHECKING:
    from graphlint.static import ir
    from graphlint.static.execute.executor import Executor, Results

VARIABLE = "context variable"
STACK = "exit stack"
STACKS = frozenset(("ExitStack", "AsyncExitStack"))
ENTERING = frozenset(("enter_context", "enter_async_context"))
NOTHING_RAISED = (NONE, NONE, NONE)


# ---------------------------------------------------------------------------------- variables
def make_variable(ex: Executor, state: State, call: Invocation) -> Results:
    """Make a context variable: a list of its values, each put over the one before."""
    default = call.keywords.get("default")
    return [
        (state, state.new(call.node, List(() if default is None else (default,), kind=VARIABLE)))
    ]


def call_variable(state: State, call: Invocation, owner: Ref, found: List, name: str) -> Value:
    """Call a method of a context variable."""
    items = found.items
    if name == "get":
        default = call.args[0] if call.args else state.sym(call.node)
        return items[-1] if items else default
    if name == "set" and call.args:
        state.put(owner, replace(found, items=(*items, call.args[0])))
    elif name == "reset":
        state.put(owner, replace(found, items=items[:-1]))
    return state.sym(call.node, "token")


# ------------------------------------------------------------------------------------- stacks
def make_stack(state: State, node: ir.Node) -> Value:
    """Make an exit stack: a context manager with a list of functions."""
    return Context(STACK, state.new(node, List((), kind=STACK)))


def call_stack(
    ex: Executor, state: State, call: Invocation, owner: Ref, found: List, name: str
) -> Results:
    """Call a method of an exit stack."""
    args = call.args
    if name == "close":
        return [(after, NONE) for after in unwind(ex, state, call.node, owner)]
    if not args:
        return [(state, state.sym(call.node))]
    if name in ENTERING:
        return _enter(ex, state, call, owner, args[0])
    if name == "callback":
        later: Value | None = Partial(args[0], tuple(args[1:]), tuple(call.keywords.items()))
    else:
        leaving = _method(state, args[0], "__exit__") or args[0]
        later = Partial(leaving, NOTHING_RAISED, ()) if name == "push" else None
    if later is not None:
        state.put(owner, replace(found, items=(*found.items, later)))
    return [(state, args[0])]


def _enter(ex: Executor, state: State, call: Invocation, owner: Ref, manager: Value) -> Results:
    """Enter a context manager, to be left with the stack."""
    if isinstance(manager, Context):
        if manager.kind in ("no_grad", "enable_grad"):
            state.grad = manager.kind == "enable_grad"
        return [(state, manager.argument or manager)]
    entering = _method(state, manager, "__enter__")
    if entering is None:
        return [(state, manager)]
    results = ex.invoke(state, Invocation(call.node), entering)
    for after, _ in results:
        found, leaving = after.get(owner, List), _method(after, manager, "__exit__")
        if found is not None and leaving is not None:
            later = Partial(leaving, NOTHING_RAISED, ())
            after.put(owner, replace(found, items=(*found.items, later)))
    return results


def unwind(ex: Executor, state: State, node: ir.Node, owner: Value | None) -> list[State]:
    """Do what an exit stack has to do when it is left, the last first."""
    found = state.get(owner, List)
    if found is None or not isinstance(owner, Ref):
        return [state]
    state.put(owner, replace(found, items=()))
    states = [state]
    for later in reversed(found.items):
        states = [after for s in states for after, _ in ex.invoke(s, Invocation(node), later)]
    return states


def _method(state: State, owner: Value, name: str) -> Value | None:
    return find_method(state, owner, name) if isinstance(owner, Ref) else None
