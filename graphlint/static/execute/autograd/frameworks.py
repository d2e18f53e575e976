"""Passes that a framework runs over what a program's methods return."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.passes import run_unseen_pass
from graphlint.static.execute.paths.classes import find_method, library_bases
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.values import Dict, Func, Instance, Ref, Value
from graphlint.static.knowledge.frameworks import LOSS_KEY, MANUAL, PASS, STEPS, SWITCH

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor
    from graphlint.static.execute.paths.state import State


def differentiate_step(
    ex: Executor, state: State, method: Func, owner: Value, returned: Value
) -> list[State]:
    """Run the pass over what a method returned, if a framework does so.

    It does not where the class runs its passes itself, or says that it may. A class may say how the
    pass is run, by a method of its own.
    """
    listed = state.get(returned, Dict)
    loss = listed.items.get(LOSS_KEY) if listed else returned
    if loss is None or not isinstance(owner, Ref) or not is_differentiated(state, method, owner):
        return [state]
    own = find_method(state, owner, PASS)
    if own is not None:
        given = Invocation(_call_of(method.function), (loss,))
        return [after for after, _ in ex.invoke(state, given, own)]
    run_unseen_pass(ex, state, _call_of(method.function), loss)
    return [state]


def is_differentiated(state: State, method: Func, owner: Value) -> bool:
    """Whether a framework differentiates what a method returns, and has no more use for it."""
    base = STEPS.get(method.function.name)
    if base is None or not isinstance(owner, Ref) or not inherits(state, owner, base):
        return False
    found = state.get(owner, Instance)
    switched = found is not None and SWITCH in found.attrs
    switched = switched or find_method(state, owner, SWITCH) is not None
    return not switched and MANUAL.isdisjoint(method.function.mentions.calls)


def inherits(state: State, owner: Ref, base: str) -> bool:
    """Whether the one class outside of the program that an object's class inherits from is this."""
    found = state.get(owner, Instance)
    names = library_bases(state, found.cls) if found else ()
    return {name.rpartition(".")[2] for name in names} == {base}


def is_called_by_framework(state: State, owner: Ref, name: str) -> bool:
    """Whether a method of an object is called with what another one returns."""
    steps = [step for step, base in STEPS.items() if inherits(state, owner, base)]
    return name == PASS and any(find_method(state, owner, step) for step in steps)


@lru_cache(maxsize=64)
def _call_of(function: ir.Function) -> ir.Call:
    """Return the framework's own call of a pass, which stands in no file: one for each function."""
    name = ir.Attribute(function.span, ir.Name(function.span, LOSS_KEY), "backward")
    return ir.Call(function.span, name, (), ())
