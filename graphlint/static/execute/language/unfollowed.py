"""Calls of functions of the program that are not followed: what they may do all the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.library import modules, unknown
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.skipping import made_of, skip_call
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    Address,
    Class,
    Env,
    Func,
    Method,
    Ref,
    Value,
)

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results


def give_up(ex: Executor, state: State, call: Invocation, func: Func) -> Results:
    """Take a function that is too long to be followed for code that is not known.

    One that can reach a pass may visit what it shares with its surroundings, too.
    """
    given = list(call.args) if func.bound is None else [func.bound, *call.args]
    if ex.reaches(func.function):
        shared = [*given, *_shared(state, func)]
        unknown.hand_over(state, shared, func.function.name, risky=True)
    called = func if func.bound is None else Method(func.bound, func.function.name)
    grad, state.grad = state.grad, state.grad if func.grad is None else func.grad
    results = unknown.call_unknown(ex, state, call, called)
    for after, value in results:
        after.grad = grad
        skip_call(after, call.node, func, value)
        if func.function.name == "__init__":
            made_of(after, func, value)
    return results


def _shared(state: State, func: Func) -> list[Value]:
    """Return the variables around a function that its body names."""
    names = {
        node.id
        for statement in func.function.body
        for node in ir.walk(statement)
        if isinstance(node, ir.Name)
    }
    values: list[Value] = []
    address: Address | None = func.env
    while address is not None:
        env = state.heap[address]
        assert isinstance(env, Env)
        values += [value for name, value in env.vars.items() if name in names]
        names -= env.vars.keys()
        address = env.parent
    return values


def can_be_skipped(ex: Executor, state: State, func: Func, given: Sequence[Value]) -> bool:
    """Whether a call can't matter to a pass: it runs none, is handed no graph, sets nothing.

    What makes an object may leave the setting to that of a base class, and a function that makes
    one returns it: it may be a model.
    """
    mentions = func.function.mentions
    if mentions.writes or func.function.name == "__init__" or ex.reaches(func.function):
        return False
    called = _called(state, func)
    if any(isinstance(value, Ref) and state.get(value, Class) is not None for value in called):
        return False
    return not any(_bears_graphs(state, value) for value in (func.bound, *given, *called))


def _called(state: State, func: Func) -> list[Value | None]:
    """Return what the names stand for, around a function, that it calls."""
    env = state.heap[func.env]
    names = func.function.mentions.calls
    return [env.vars.get(name) for name in names] if isinstance(env, Env) else []


def _bears_graphs(state: State, value: Value | None) -> bool:
    """Whether a value has a graph, or parameters that graphs are made with."""
    if isinstance(value, Ref) and modules.has_parameters(state, value):
        return True
    return next(state.handles(value), None) is not None
