"""What training frameworks hand back: models in wrappers, and the optimizers of a module."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.accumulated import note_used
from graphlint.static.execute.autograd.frameworks import inherits
from graphlint.static.execute.autograd.holders import written
from graphlint.static.execute.library.items import every
from graphlint.static.execute.library.unknown import call_unknown
from graphlint.static.execute.paths.classes import find_method
from graphlint.static.execute.paths.graph import Leaf
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.numbers import name_of
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    NONE,
    Dict,
    External,
    Instance,
    Layer,
    List,
    Object,
    Optimizer,
    Ref,
    Sym,
    Tuple,
    Value,
)
from graphlint.static.knowledge.frameworks import (
    FRAMEWORKS,
    LENT,
    MADE_BY,
    MODULE,
    OPTIMIZER_KEY,
    QUIET,
    WRAPS,
)

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results


def make_framework(ex: Executor, state: State, call: Invocation, name: str) -> Results:
    """Make the object of a framework that wraps models."""
    results = call_unknown(ex, state, call, External(name))
    for after, made in results:
        after.facts["framework", name_of(made)] = True
    return results


def wrapped(state: State, call: Invocation, owner: Sym, name: str) -> Value | None:
    """Return what a framework wraps: what is given, as the wrappers do the same.

    None where nothing says that it is a framework.
    """
    args = tuple(call.args)
    said = written(call.node.func).lower() if isinstance(call.node, ir.Call) else ""
    named = any(part in said for part in FRAMEWORKS)
    if name not in WRAPS or not (named or ("framework", owner.name) in state.facts):
        return None
    wraps = (Layer, Instance, Optimizer)
    if not any(isinstance(state.get(value, Object), wraps) for value in args):
        return None
    return args[0] if len(args) == 1 else Tuple(args)


def call_framework_module(
    ex: Executor, state: State, call: Invocation, owner: Ref, name: str
) -> Results | None:
    """Call a method that a module has of its framework, None where it is none."""
    if (name not in QUIET and name not in LENT) or not inherits(state, owner, MODULE):
        return None
    if name in QUIET:
        return [(state, NONE)]
    optimizers = _optimizers(ex, state, call, owner)
    if optimizers is None:
        return None
    if name == "optimizers":
        lent = optimizers[0] if len(optimizers) == 1 else state.new(call.node, List(optimizers))
        return [(state, lent)]
    if name == "clip_gradients":
        note_used(ex, state, _leaves(state, call.args[:1]))
        return [(state, NONE)]
    _toggle(state, optimizers, call.args, name)
    return [(state, NONE)]


def _toggle(state: State, optimizers: Sequence[Value], chosen: Sequence[Value], name: str) -> None:
    """Turn gradients off for what other optimizers train, or on again."""
    others = _leaves(state, optimizers) - _leaves(state, chosen)
    state.frozen = state.frozen - others if name.startswith("un") else state.frozen | others


def _leaves(state: State, optimizers: Iterable[Value]) -> frozenset[Leaf]:
    known = [state.get(each, Optimizer) for each in optimizers]
    return frozenset[Leaf]().union(*(found.leaves for found in known if found))


def _optimizers(
    ex: Executor, state: State, call: Invocation, owner: Ref
) -> tuple[Value, ...] | None:
    """Return the optimizers that a module's `configure_optimizers` makes, the same ones each time.

    None where these are not known.
    """
    found = state.get(owner, Instance)
    if found is not None and LENT_AS in found.attrs:
        return _listed(ex, state, call, found.attrs[LENT_AS])
    method = find_method(state, owner, MADE_BY)
    results = ex.invoke(state, Invocation(call.node), method) if method else []
    if len(results) != 1 or results[0][0] is not state:
        return None
    optimizers = tuple(_made(ex, state, call, results[0][1]))
    if not optimizers or not all(state.get(each, Optimizer) for each in optimizers):
        return None
    found = state.get(owner, Instance)
    if found is not None:
        kept = {**found.attrs, LENT_AS: state.new(call.node, List(optimizers))}
        state.put(owner, replace(found, attrs=kept))
    return optimizers


LENT_AS = "<optimizers>"
"""Where a module keeps them: no program can write such a name."""


def _made(ex: Executor, state: State, call: Invocation, made: Value) -> Iterator[Value]:
    """Walk the optimizers among what is returned, in dictionaries or with schedulers or not."""
    entry = state.get(made, Dict)
    if entry is not None:
        yield entry.items.get(OPTIMIZER_KEY, NONE)
        return
    items = _listed(ex, state, call, made)
    if items is None:
        yield made
        return
    first = _listed(ex, state, call, items[0]) if items else None
    for item in items if first is None else first:
        yield from _made(ex, state, call, item)


def _listed(ex: Executor, state: State, call: Invocation, value: Value) -> tuple[Value, ...] | None:
    if not isinstance(value, Tuple) and state.get(value, List) is None:
        return None
    return every(ex, state, value, call.node).values
