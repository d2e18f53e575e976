"""Optimizers that a program writes itself, and the groups of parameters that all of them have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.library.items import every
from graphlint.static.execute.library.modules import call_optimizer, leaf_tensors, make_optimizer
from graphlint.static.execute.paths.classes import library_bases
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    NONE,
    Dict,
    Instance,
    List,
    Optimizer,
    Ref,
    Value,
)

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

OPTIMIZER = "<optimizer>"
GROUPS = "param_groups"
PARAMS = "params"
BASE = "Optimizer"


def optimizer_of(state: State, owner: Value) -> str:
    """Return which optimizer an object's class inherits from, empty where it is none."""
    found = state.get(owner, Instance)
    names = library_bases(state, found.cls) if found else ()
    known = [name for name in names if name.startswith("torch.optim.")]
    return known[0].rpartition(".")[2] if len(known) == 1 else ""


def give_optimizer(ex: Executor, state: State, call: Invocation, owner: Ref) -> bool:
    """Do what an optimizer's own `__init__` does; tell whether an object inherits from one."""
    name = optimizer_of(state, owner)
    if not name:
        return False
    made = make_optimizer(ex, state, call, name)
    given = call.argument(0, PARAMS) or NONE
    defaults = (call.argument(1, "defaults") if name == BASE else None) or state.sym(call.node)
    groups = state.new(call.node, List(tuple(_groups(ex, state, call.node, given, defaults))))
    found = state.get(owner, Instance)
    assert found is not None
    kept = {OPTIMIZER: made, GROUPS: groups, "defaults": defaults}
    state.put(owner, replace(found, attrs={**found.attrs, **kept}))
    return True


def _groups(
    ex: Executor, state: State, node: ir.Node, given: Value, defaults: Value
) -> Iterator[Value]:
    """Make the groups of the parameters that an optimizer is given: one where they are none yet."""
    settings = state.get(defaults, Dict) or Dict({}, True)
    listed = every(ex, state, given, node).values if state.get(given, List) else ()
    for group in [state.get(item, Dict) for item in listed]:
        if group is not None:
            items = {**settings.items, **group.items}
            yield state.new(node, Dict(items, settings.open or group.open))
            listed = ()
    if listed or not state.get(given, List):
        yield state.new(node, Dict({**settings.items, PARAMS: given}, settings.open))


def groups_of(state: State, node: ir.Node, found: Optimizer) -> Value:
    """Return the groups of an optimizer: one that stands for all."""
    leaves = sorted(found.leaves, key=str)
    group = state.new(node, Dict({PARAMS: leaf_tensors(state, node, leaves)}, True))
    return state.new(node, List((group,)))


def call_inherited_step(
    ex: Executor, state: State, call: Invocation, owner: Value, name: str
) -> Results | None:
    """Call a method that an object has of an optimizer, None if it inherits from none."""
    found = state.get(owner, Instance)
    made = state.get(found.attrs.get(OPTIMIZER), Optimizer) if found else None
    if made is None or (name == "step" and made.name == BASE):
        return None
    if name not in ("zero_grad", "step", "add_param_group", "state_dict", "load_state_dict"):
        return None
    return call_optimizer(ex, state, call, made, name)
