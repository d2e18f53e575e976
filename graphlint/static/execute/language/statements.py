"""Running statements that have no blocks of their own, and blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.gradients import note_discarded
from graphlint.static.execute.autograd.hooks import note_handle_dropped
from graphlint.static.execute.autograd.merge import (
    BREAK,
    CONTINUE,
    NEXT,
    RAISE,
    Flow,
    Outcome,
    merge,
)
from graphlint.static.execute.paths.branches import truth
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import NONE, Env

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor


PLAIN = (ir.ExprStmt, ir.Assign, ir.AugAssign, ir.Import, ir.FunctionDef, ir.Scope, ir.Delete)


def run_block(ex: Executor, block: Sequence[ir.Stmt], state: State) -> list[Outcome]:
    """Run statements one after the other; states that end alike meet where paths part or join.

    After a plain statement that did not branch, states that differed before it still do.
    """
    running = [state]
    done: list[Outcome] = []
    for statement in block:
        following: list[Outcome] = []
        for before in running:
            for after, flow in ex.exec(statement, before):
                (following if flow is NEXT else done).append((after, flow))
        if len(following) > len(running) or not isinstance(statement, PLAIN):
            following = merge(ex, following)
        running = [after for after, _ in following]
        if not running:
            break
    return [*((after, NEXT) for after in running), *done]


def expr_stmt(ex: Executor, node: ir.ExprStmt, state: State) -> list[Outcome]:
    """Evaluate an expression for its effect."""
    results = ex.eval(node.value, state)
    for after, _ in results:
        note_discarded(ex, after, node.value)
        note_handle_dropped(after, node.value)
    return [(after, NEXT) for after, _ in results]


def delete_stmt(ex: Executor, node: ir.Delete, state: State) -> list[Outcome]:
    """Run `del`."""
    from graphlint.static.execute.language.targets import delete

    states = [state]
    for target in node.targets:
        states = [done for s in states for done in delete(ex, s, target)]
    return [(after, NEXT) for after in states]


def return_stmt(ex: Executor, node: ir.Return, state: State) -> list[Outcome]:
    """Run `return`."""
    if node.value is None:
        return [(state, Flow("return", NONE))]
    return [(after, Flow("return", value)) for after, value in ex.eval(node.value, state)]


def raise_stmt(ex: Executor, node: ir.Raise, state: State) -> list[Outcome]:
    """Run `raise`: what is raised may carry graphs to who catches it."""
    if node.value is None:
        return [(state, RAISE)]
    return [
        (after, Flow("raise", value) if any(after.nodes(value)) else RAISE)
        for after, value in ex.eval(node.value, state)
    ]


def assert_stmt(ex: Executor, node: ir.Assert, state: State) -> list[Outcome]:
    """Run `assert`: paths on which it fails end here."""
    outcomes: list[Outcome] = []
    for after, value in ex.eval(node.test, state):
        ways = truth(after, value)
        outcomes += [(s, NEXT if way or len(ways) == 1 else RAISE) for s, way in ways]
    return outcomes


def break_stmt(ex: Executor, node: ir.Break, state: State) -> list[Outcome]:
    """Run `break`."""
    return [(state, BREAK)]


def continue_stmt(ex: Executor, node: ir.Continue, state: State) -> list[Outcome]:
    """Run `continue`."""
    return [(state, CONTINUE)]


def scope_stmt(ex: Executor, node: ir.Scope, state: State) -> list[Outcome]:
    """Run `global` or `nonlocal`."""
    env = state.heap[state.env]
    assert isinstance(env, Env)
    names = frozenset(node.names)
    if node.is_global:
        state.heap[state.env] = replace(env, globals=env.globals | names)
    else:
        state.heap[state.env] = replace(env, nonlocals=env.nonlocals | names)
    return [(state, NEXT)]


RUN_SIMPLE: dict[type, Callable[..., list[Outcome]]] = {
    ir.ExprStmt: expr_stmt,
    ir.Delete: delete_stmt,
    ir.Return: return_stmt,
    ir.Raise: raise_stmt,
    ir.Assert: assert_stmt,
    ir.Break: break_stmt,
    ir.Continue: continue_stmt,
    ir.Scope: scope_stmt,
}
