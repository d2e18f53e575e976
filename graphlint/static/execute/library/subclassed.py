"""Objects of classes that inherit from a list or a dictionary: their items are kept apart."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static.execute.paths.classes import CONTENTS, contents
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    NONE,
    Dict,
    Instance,
    List,
    Method,
    Ref,
)

if TYPE_CHECKING:
    from graphlint.static import ir
    from graphlint.static.execute.executor import Executor, Results

DATA = "data"
"""The attribute by which `UserDict` and `UserList` give their items away."""


def give_contents(state: State, node: ir.Node, owner: Ref, kind: str) -> None:
    """Give a new object the container that has its items."""
    found = state.get(owner, Instance)
    assert found is not None
    kept = state.new(node, Dict({}) if kind == "dict" else List(()))
    state.put(owner, replace(found, attrs={**found.attrs, CONTENTS: kept, DATA: kept}))


def fill_contents(ex: Executor, state: State, call: Invocation, owner: Ref) -> list[State]:
    """Do what the container's own `__init__` does: take over the items that it is given."""
    kept = contents(state, owner)
    if kept is None or not call.values:
        return [state]
    name = "update" if state.get(kept, Dict) else "extend"
    return [after for after, _ in ex.invoke(state, call, Method(kept, name))]


def call_inherited(
    ex: Executor, state: State, call: Invocation, owner: Ref, name: str
) -> Results | None:
    """Call a method that an object inherits from a container, None if it inherits from none."""
    kept = contents(state, owner)
    if kept is None:
        return None
    if name == "__init__":
        return [(after, NONE) for after in fill_contents(ex, state, call, owner)]
    return ex.invoke(state, call, Method(kept, name))
