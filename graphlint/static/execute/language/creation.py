"""What happens when a class has been made: its members, base classes and metaclass are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.paths.classes import find_member, find_method
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    CLASS_BODY,
    Class,
    Const,
    Dict,
    Func,
    Ref,
    Tuple,
    Value,
)

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor

Named = Mapping[str, Value]


def metaclass(state: State, bases: Sequence[Value], named: Named) -> Ref | None:
    """Return the metaclass of a class that is being made, None for `type` and its like."""
    given = named.get("metaclass")
    if given is not None:
        return given if isinstance(given, Ref) and state.get(given, Class) else None
    found = [state.get(base, Class) for base in bases]
    return next((base.meta for base in found if base and base.meta), None)


def introduce(
    ex: Executor, state: State, node: ir.ClassDef, made: Ref, named: Named
) -> list[State]:
    """Run `__set_name__` of a class's members, `__init_subclass__` of its bases, its metaclass."""
    found = state.get(made, Class)
    assert found is not None
    states = [state]
    for name, value in found.members.items():
        method = find_method(state, value, "__set_name__") if isinstance(value, Ref) else None
        states = _after(ex, states, Invocation(node, (made, Const(name))), method)
    options = {name: value for name, value in named.items() if name != "metaclass"}
    hook = find_member(state, made.address, "__init_subclass__", after=made.address)
    if isinstance(hook, Func):
        states = _after(ex, states, Invocation(node, (), options), replace(hook, bound=made))
    return [after for each in states for after in _tell_metaclass(ex, each, node, made, options)]


def _tell_metaclass(
    ex: Executor, state: State, node: ir.ClassDef, made: Ref, options: Named
) -> list[State]:
    """Run `__new__` and `__init__` of a class's metaclass."""
    found = state.get(made, Class)
    if found is None or found.meta is None:
        return [state]
    states = [state]
    for name, first in (("__new__", found.meta), ("__init__", made)):
        method = find_member(state, found.meta.address, name)
        body = state.new((node, name), Dict(found.members))
        state.facts[CLASS_BODY, body.address] = made
        given = (first, Const(found.name), Tuple(found.bases), body)
        states = _after(ex, states, Invocation(node, given, options), method)
    return states


def _after(
    ex: Executor, states: list[State], call: Invocation, method: Value | None
) -> list[State]:
    if method is None:
        return states
    return [after for state in states for after, _ in ex.invoke(state, call, method)]
