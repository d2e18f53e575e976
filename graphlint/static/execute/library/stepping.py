"""Which calls of a method `step` change parameters: those of optimizers, and of what wraps one.

Schedulers, environments and profilers have a method of that name as well. It is told by the text
where the object is not known: an optimizer is given nothing, or a closure.
"""

from __future__ import annotations

from graphlint.static import ir
from graphlint.static.execute.autograd.holders import last_name, written
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import Func, Optimizer, Ref, Scaler, Value

OTHERS = ("sched", "env", "prof", "anneal", "warm")
"""Parts of the names of what steps but is no optimizer."""


def steps_parameters(state: State, call: Invocation, owner: Value) -> bool:
    """Whether a call of a method `step` is that of an optimizer, as far as it can be told."""
    found = state.object(owner) if isinstance(owner, Ref) else None
    if isinstance(found, (Optimizer, Scaler)):
        return True
    func = call.node.func if isinstance(call.node, ir.Call) else None
    name = last_name(written(func.value)).lower() if isinstance(func, ir.Attribute) else ""
    if any(part in name for part in OTHERS):
        return False
    return all(isinstance(v, Func) or state.get(v, Optimizer) for v in call.values) or "opt" in name
