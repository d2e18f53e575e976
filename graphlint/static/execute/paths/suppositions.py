"""Conditions that only the last iteration of a loop is likely to meet.

`if i + 1 != self.tasks` tells the last of some losses from the others. Where it can't be told that
the loop goes over as many, it may be assumed to fail on the first iteration, as if that were the
last. A path that assumes so is no proof that a later pass raises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.paths.values import Sym, Value

if TYPE_CHECKING:
    from graphlint.static.execute.paths.state import State

SUPPOSED = "supposed"


def note_supposition(state: State, test: ir.Expr, value: Value, way: bool) -> None:
    """Note that a loop's first item is assumed to be the one of a number that is not known."""
    if not isinstance(value, Sym) or not isinstance(test, ir.Compare):
        return
    if test.op not in ("Eq", "NotEq") or way != (test.op == "Eq"):
        return
    names = frozenset(_names(test))
    for (outer, place), index in state.frame.loops.items():
        if index == 0 and isinstance(place, ir.For) and not names.isdisjoint(_names(place.target)):
            state.conds[SUPPOSED, (outer, place)] = True


def supposes(state: State) -> bool:
    """Whether such an assumption was made in an iteration that still runs."""
    return any(
        condition[0] == SUPPOSED and state.frame.loops.get(condition[1]) == 0
        for condition in state.conds
    )


def _names(node: ir.Node) -> list[str]:
    return [inner.id for inner in ir.walk(node) if isinstance(inner, ir.Name)]
