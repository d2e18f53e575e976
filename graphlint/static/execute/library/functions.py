"""Custom functions (`autograd.Function`): the node that each makes, and what it keeps on `ctx`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.library.ops import is_tensor
from graphlint.static.execute.paths.classes import find_member, members, resolution_order
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    Address,
    External,
    Func,
    FunctionContext,
    Ref,
    Sym,
    Tensor,
    Tuple,
    Value,
)
from graphlint.static.knowledge.facts import MAYBE, NO, YES, Ternary
from graphlint.trace import ContextTensor, Role

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

MOST_NESTED = 8
"""How deep the stack may be for a function's forward to be looked at."""


def is_custom_function(state: State, cls: Address) -> bool:
    """Whether a class is a custom function of autograd's."""
    bases = resolution_order(state, cls)
    return any(isinstance(base, External) and base.name.endswith("Function") for base in bases)


def apply_function(ex: Executor, state: State, call: Invocation, owner: Ref) -> Value:
    """Apply a custom `autograd.Function`.

    What it hands to `save_for_backward` is freed by a pass; what it keeps on `ctx` is not.
    """
    run_forward(ex, state, call.node, owner, call.args)
    handles = list(dict.fromkeys(h for value in call.args for h in state.handles(value)))
    if not state.grad or not handles:
        return state.tensor(call.node)
    nodes = tuple(h for h in handles if isinstance(h, int))
    leaves = frozenset(h for h in handles if not isinstance(h, int))
    saves = _function_saves(state, owner)
    made = state.record(call.node, "custom", nodes, leaves, saves, saved_inputs=nodes)
    return state.tensor(call.node, made)


def _function_saves(state: State, owner: Ref) -> Ternary:
    for cls in members(state, owner.address):
        written = [cls.members.get(name) for name in ("forward", "setup_context")]
        functions = [value.function for value in written if isinstance(value, Func)]
        if functions:
            saving = any("save_for_backward" in f.mentions.calls for f in functions)
            return YES if saving else NO
    return MAYBE


# -------------------------------------------------------------------------- what stays on ctx
def run_forward(
    ex: Executor, state: State, node: ir.Node, owner: Ref, args: Sequence[Value] | None = None
) -> None:
    """Run a custom function's forward, for what it keeps on its context.

    It runs in a state of its own, once for each way in which arguments are tensors; arguments of
    None stand for a call that is not known.
    """
    forward, setup = (_static(state, owner, name) for name in ("forward", "setup_context"))
    if forward is None or len(state.stack) >= MOST_NESTED:
        return
    args = _known_arguments(state, forward.function.parameters[setup is None :], args)
    kinds = tuple([is_tensor(state, value) for value in args])
    if (forward.function, kinds) in ex.records.forwards:
        return
    ex.records.forwards.add((forward.function, kinds))
    aside = state.fork()
    aside.grad = False
    context = aside.new(node, FunctionContext())
    with ex.aside():
        for after, value in _run(ex, aside, Invocation(node, args), context, forward, setup):
            _note_kept(ex, after, owner, context, args, value)


def _known_arguments(
    state: State, parameters: Sequence[ir.Parameter], args: Sequence[Value] | None
) -> list[Value]:
    """Return a call's arguments; what is not known to be a tensor or not is unknown."""
    unknown: list[Value] = [Sym(("parameter", state.frame, each.name)) for each in parameters]
    if args is None:
        return unknown
    return [
        unknown[index] if index < len(unknown) and _is_guess(state, value) else value
        for index, value in enumerate(args)
    ]


def _is_guess(state: State, value: Value) -> bool:
    """Whether something is taken for a tensor because code that is not known returned it."""
    found = state.get(value, Tensor)
    return found is not None and found.node is not None and state.graph[found.node].unknown


def _has_own_graph(state: State, value: Value) -> bool:
    """Whether a tensor has a graph or wants gradients: no `save_for_backward` is meant for it."""
    found = state.get(value, Tensor)
    return found is not None and (found.node is not None or found.leaf is not None)


def _static(state: State, owner: Ref, name: str) -> Func | None:
    found = find_member(state, owner.address, name)
    return found if isinstance(found, Func) and found.kind == "static" else None


def _run(
    ex: Executor, state: State, call: Invocation, context: Ref, forward: Func, setup: Func | None
) -> Results:
    if setup is None:
        return ex.invoke(state, Invocation(call.node, (context, *call.args)), forward)
    results: Results = []
    for after, value in ex.invoke(state, Invocation(call.node, call.args), forward):
        done = ex.invoke(
            after, Invocation(call.node, (context, Tuple(tuple(call.args)), value)), setup
        )
        results += [(ended, value) for ended, _ in done]
    return results


def _note_kept(
    ex: Executor, state: State, owner: Ref, context: Ref, args: Sequence[Value], returned: Value
) -> None:
    found = state.get(context, FunctionContext)
    assert found is not None
    outputs = returned.items if isinstance(returned, Tuple) else (returned,)
    for name, value in found.attrs.items():
        known = isinstance(value, Sym) and ("tensor", value.name) in state.facts
        if value not in args and _has_own_graph(state, value):
            continue
        if (is_tensor(state, value) or known) and name not in _dropped(state, owner):
            role = Role.OUTPUT if value in outputs else Role.OTHER
            role = Role.INPUT if value in args or _is_parameter(value) else role
            ex.records.contexts[ContextTensor(found.places[name], name, role)] = None


def _is_parameter(value: Value) -> bool:
    return isinstance(value, Sym) and value.name[0] == "parameter"


def _dropped(state: State, owner: Ref) -> set[str]:
    """Return the attributes that a class deletes or sets to None, so that they are freed early."""
    functions = [
        value.function
        for cls in members(state, owner.address)
        for value in cls.members.values()
        if isinstance(value, Func)
    ]
    return {name for f in functions for part in ir.walk(f) for name in _dropped_by(part)}


def _dropped_by(node: ir.Node) -> Iterator[str]:
    if isinstance(node, ir.Delete) or (isinstance(node, ir.Assign) and _is_none(node.value)):
        yield from (target.name for target in node.targets if isinstance(target, ir.Attribute))


def _is_none(node: ir.Expr) -> bool:
    return isinstance(node, ir.Const) and node.value is None
