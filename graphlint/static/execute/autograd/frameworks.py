"""Passes that a framework runs over what a program's methods return."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.passes import run_unseen_pass
from graphlint.static.execute.paths.classes import find_method, resolution_order
from graphlint.static.execute.paths.values import Dict, External, Func, Instance, Ref, Sym, Value
from graphlint.static.knowledge.frameworks import LOSS_KEY, MANUAL, STEPS, SWITCH

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor
    from graphlint.static.execute.paths.state import State


def differentiate_step(
    ex: Executor, state: State, method: Func, owner: Value, returned: Value
) -> None:
    """Run the pass over what a method returned, if a framework does so.

    It does not where the class runs its passes itself, or says that it may.
    """
    base = STEPS.get(method.function.name)
    found = state.get(owner, Instance)
    if base is None or found is None or not isinstance(owner, Ref):
        return
    bases = resolution_order(state, found.cls)
    external = [each for each in bases if isinstance(each, External)]
    known = external and all(each.name.rpartition(".")[2] == base for each in external)
    if not known or any(isinstance(each, Sym) for each in bases):
        return
    switched = SWITCH in found.attrs or find_method(state, owner, SWITCH) is not None
    if switched or not MANUAL.isdisjoint(method.function.mentions.calls):
        return
    listed = state.get(returned, Dict)
    loss = listed.items.get(LOSS_KEY) if listed else returned
    if loss is not None:
        run_unseen_pass(ex, state, _call_of(method.function), loss)


@lru_cache(maxsize=64)
def _call_of(function: ir.Function) -> ir.Call:
    """Return the framework's own call of a pass, which stands in no file: one for each function."""
    name = ir.Attribute(function.span, ir.Name(function.span, LOSS_KEY), "backward")
    return ir.Call(function.span, name, (), ())
