"""Calls of functions that the configuration names: they run a pass, or only log."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.holders import written
from graphlint.static.execute.autograd.passes import FLAGS, run_pass
from graphlint.static.execute.library.ops import is_tensor
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import External, Func, Method, Tuple, Value
from graphlint.trace import Form

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results


def call_configured(ex: Executor, state: State, call: Invocation, func: Value) -> Results | None:
    """Call a function that the configuration names, None where this is no such.

    It may be named as it is written where it is called, as it is imported, or as it is defined.
    """
    if not isinstance(call.node, ir.Call):
        return None
    names = (written(call.node.func), _defined(func))
    if any(ex.sinks.mean(name) for name in names):
        return [(state, state.sym(call.node))]
    if not any(ex.backward_functions.mean(name) for name in names):
        return None
    if isinstance(func, Func):
        ex.called.add(func.function)
    return run_pass(ex, state, _of_graphs(state, call, func), Form.WRAPPER)


def _defined(func: Value) -> str:
    """Return the name by which a function is defined or imported."""
    if isinstance(func, Func):
        return func.function.qualname
    return func.name if isinstance(func, (External, Method)) else ""


def _of_graphs(state: State, call: Invocation, func: Value) -> Invocation:
    """Return a call with what the pass starts from: all that has a graph, or the first argument."""
    given = [value for value in call.values if state.nodes(value)]
    owner = func.owner if isinstance(func, Method) else None
    if not given and owner is not None and (is_tensor(state, owner) or not call.args):
        given = [owner]
    given = given or list(call.args[:1])
    flags = {name: value for name, value in call.keywords.items() if name in FLAGS}
    root = given if len(given) < 2 else [Tuple(tuple(given))]
    return replace(call, args=root, keywords=flags)
