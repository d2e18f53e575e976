"""Forward hooks of modules: functions that are run with what a module is given and returns.

# Note [Where forward hooks are kept]
As torch does, a module keeps its hooks in an attribute, each with the handle that removes it. Those
of a module that is not known, such as a layer of a pretrained model, are kept with the value that
it is a part of: whoever calls that may run them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    NONE,
    TRUE,
    Const,
    Dict,
    Instance,
    Layer,
    Ref,
    Sym,
    Tuple,
    Value,
    source,
)

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

ATTRIBUTE = "_forward_hooks"
HANDLE = "forward hook"
BEFORE, AFTER = "register_forward_pre_hook", "register_forward_hook"
REGISTERING = frozenset((BEFORE, AFTER))


@dataclass(frozen=True, slots=True)
class Hook:
    """A hook: its handle, whether it is run before or after the module, and what it is given."""

    handle: Sym
    kind: str
    function: Value
    with_keywords: bool


def register(state: State, call: Invocation, owner: Value, kind: str) -> Value:
    """Register a forward hook, and return its handle."""
    function = call.argument(0, "hook")
    if function is None:
        return state.sym(call.node, "handle")
    whole = owner if isinstance(owner, Ref) else _whole(owner)
    handle = Sym((HANDLE, whole, state.sym(call.node, "handle").name))
    kept = Tuple(
        (handle, Const(kind), function, Const(call.keywords.get("with_kwargs") == TRUE)),
    )
    _keep(state, whole, (*_kept(state, whole), kept))
    return handle


def remove(state: State, handle: Sym) -> None:
    """Remove a hook by its handle."""
    owner = handle.name[1]
    _keep(state, owner, tuple(h for h in _kept(state, owner) if _hook(h).handle != handle))


def has_hooks(state: State, module: Value) -> bool:
    """Whether something is registered on a module, or on a part of one that is not known."""
    return bool(_kept(state, module if isinstance(module, Ref) else _whole(module)))


def run_before(
    ex: Executor, state: State, call: Invocation, module: Value
) -> list[tuple[State, Invocation]]:
    """Run the hooks that see a module's inputs first, and may return others."""
    ways = [(state, call)]
    for hook in _hooks(state, module, BEFORE):
        ways = [
            (after, _replaced(given, value))
            for before, given in ways
            for after, value in _run(ex, before, given, hook, module)
        ]
    return ways


def run_after(
    ex: Executor, state: State, call: Invocation, module: Value, output: Value
) -> Results:
    """Run the hooks that see what a module returns, and may return something else."""
    results: Results = [(state, output)]
    for hook in _hooks(state, module, AFTER):
        results = [
            (after, made if value == NONE else value)
            for before, made in results
            for after, value in _run(ex, before, call, hook, module, made)
        ]
    return results


def _run(
    ex: Executor, state: State, call: Invocation, hook: Hook, module: Value, *output: Value
) -> Results:
    given: tuple[Value, ...] = (module, Tuple(tuple(call.args)))
    if hook.with_keywords:
        given = (*given, state.new(call.node, Dict(dict(call.keywords))))
    return ex.invoke(state, Invocation(call.node, (*given, *output)), hook.function)


def _replaced(call: Invocation, value: Value) -> Invocation:
    if value == NONE:
        return call
    return replace(call, args=value.items if isinstance(value, Tuple) else (value,))


# ---------------------------------------------------------------------------------- keeping
def _whole(module: Value) -> Value:
    """Return the unknown value that a module which is not known is a part of."""
    made = source(module.name) if isinstance(module, Sym) else None
    return Sym(made) if isinstance(made, tuple) else module


def _kept(state: State, owner: Value) -> tuple[Value, ...]:
    """Return what is registered on a module."""
    kept: Value | None = None
    if isinstance(owner, Sym):
        kept = state.attrs.get(("attribute", owner.name, ATTRIBUTE))
    elif isinstance(owner, Ref):
        found = state.object(owner)
        kept = found.attrs.get(ATTRIBUTE) if isinstance(found, (Layer, Instance)) else None
    return kept.items if isinstance(kept, Tuple) else ()


def _keep(state: State, owner: Value, kept: tuple[Value, ...]) -> None:
    if isinstance(owner, Sym):
        state.attrs["attribute", owner.name, ATTRIBUTE] = Tuple(kept)
    elif isinstance(owner, Ref):
        found = state.object(owner)
        if isinstance(found, (Layer, Instance)):
            state.put(owner, replace(found, attrs={**found.attrs, ATTRIBUTE: Tuple(kept)}))


def _hooks(state: State, module: Value, kind: str) -> Iterator[Hook]:
    owner = module if isinstance(module, Ref) else _whole(module)
    for kept in _kept(state, owner):
        hook = _hook(kept)
        if hook.kind == kind:
            yield hook


def _hook(kept: Value) -> Hook:
    assert isinstance(kept, Tuple)
    handle, kind, function, with_keywords = kept.items
    assert isinstance(handle, Sym)
    assert isinstance(kind, Const)
    return Hook(handle, kind.value, function, with_keywords == TRUE)
