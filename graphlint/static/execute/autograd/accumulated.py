"""Gradients that passes leave in leaves: who uses them, and who throws them away.

# Note [Gradients in leaves]
A backward pass adds to the gradients of the leaves that it reaches. They are *used* where an
optimizer steps on them, where somebody reads `.grad`, or where unknown code gets hold of whoever
owns them, and *thrown away* where they are cleared before that. `State.left` says which pass left
gradients in which leaves that neither has happened to yet, `State.untouched` since which passes
nothing has been done to the gradients that they added to. Neither tells states apart: where two
equal states meet, gradients may have been left by either, and were left alone only if both did so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.constants import note_gone
from graphlint.static.execute.autograd.gradients import in_entry
from graphlint.static.execute.paths.frames import Frame
from graphlint.static.execute.paths.graph import Leaf
from graphlint.static.execute.paths.values import (
    Func,
    Instance,
    Layer,
    Method,
    Optimizer,
    Partial,
    Ref,
    Sym,
    Tuple,
    Value,
)
from graphlint.static.execute.records.meetings import Route
from graphlint.trace import Site

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor
    from graphlint.static.execute.paths.state import State


def route_of(frame: Frame, call: ir.Node) -> Route:
    """Return the calls that lead to a pass, whichever iteration of its loops it is."""
    return (call, *(outer.place for outer in frame.chain() if outer.kind == "call"))


def leave(state: State, route: Route, leaves: frozenset[Leaf]) -> None:
    """Note in which leaves a pass leaves gradients."""
    state.left[route] = state.left.get(route, frozenset()) | leaves
    state.facts.pop(("met", route), None)


def set_apart(state: State, leaves: frozenset[Leaf] | None = None) -> None:
    """Note that something is done to gradients, so that passes before and after are no one pass.

    Those that added to none of them can still wait: they are of some leaves, None for all.
    """
    if leaves is None or any(leaf[0] == "unknown" for leaf in leaves):
        state.untouched = frozenset()
        return
    state.untouched = frozenset(
        number
        for number in state.untouched
        if leaves.isdisjoint(state.past[number].leaves)
        and not any(leaf[0] == "unknown" for leaf in state.past[number].leaves)
    )


def note_used(ex: Executor, state: State, leaves: Iterable[Leaf] | None = None) -> None:
    """Note that somebody uses the gradients of some leaves, of all where it is not known which."""
    wanted = None if leaves is None else frozenset(leaves)
    set_apart(state, wanted)
    for route, mine in _taken(state, wanted):
        ex.records.meetings.used.update((route, leaf) for leaf in mine)


def note_thrown_away(ex: Executor, state: State, leaves: Iterable[Leaf], site: Site) -> None:
    """Note that the gradients of some leaves are cleared."""
    gone = frozenset(leaves)
    set_apart(state, gone)
    note_gone(state, gone)
    for route, mine in _taken(state, gone):
        for leaf in mine:
            ex.records.meetings.cleared.setdefault((route, leaf), site)
            if ("met", route) in state.facts:
                ex.records.meetings.cleared_later.setdefault((route, leaf), site)


def _taken(state: State, leaves: frozenset[Leaf] | None) -> list[tuple[Route, frozenset[Leaf]]]:
    """Take the gradients out of leaves: which pass had left them in which."""
    taken = []
    for route, mine in state.left.items():
        hit = mine if leaves is None else mine & leaves
        if hit:
            taken.append((route, hit))
    for route, hit in taken:
        state.left[route] -= hit
    return taken


def note_left(ex: Executor, state: State, incomplete: bool) -> None:
    """Note what becomes of gradients at the end of a path: a caller may use them."""
    if incomplete or in_entry(state):
        note_used(ex, state)


def note_strangers(
    ex: Executor, state: State, func: Value, values: Sequence[Value], risky: bool
) -> None:
    """Note a call of unknown code: it uses all gradients where it may get at them.

    It gets at them through a model, an optimizer, a parameter or a function of the program; one
    that is handed data or losses alone is a forward pass, a loss or a metric.
    """
    if not state.left and not state.untouched:
        return
    alone = isinstance(func, Sym) and not values
    if risky or alone or any(_leads_to_gradients(state, value) for value in values):
        note_used(ex, state)


def _leads_to_gradients(state: State, value: Value) -> bool:
    if isinstance(value, (Func, Partial, Method)):
        return True
    if isinstance(value, Sym):
        return _has_gradients(state, ("unknown", value.name))
    if isinstance(value, Tuple):
        return any(_leads_to_gradients(state, item) for item in value.items)
    if not isinstance(value, Ref):
        return False
    if isinstance(state.object(value), (Instance, Layer, Optimizer)):
        return True
    leaves = (handle for handle in state.handles(value) if not isinstance(handle, int))
    return any(_has_gradients(state, leaf) for leaf in leaves)


def _has_gradients(state: State, leaf: Leaf) -> bool:
    return any(leaf in leaves for leaves in state.left.values())
