"""Branches on the way to a pass that is looked for: the other ways lead past it.

A long function that does another thing for each setting uses up its steps before it gets to the
last of them. Where it is run for one pass alone, a condition that decides whether this is run goes
one way. It has to be a setting, which is the same in all iterations: the iterations of a loop that
go another way may visit what the pass has kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.paths.frames import Frame
from graphlint.static.execute.paths.values import Sym, Value
from graphlint.static.execute.records.records import site_of

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor
    from graphlint.static.execute.paths.state import State

SETTINGS = frozenset(
    ("attribute", "compare", "const", "global", "not", "parameter", "subscript", "truth")
)
"""Kinds of unknown values that are the same in all iterations of a loop."""


def lead_ahead(
    ex: Executor, node: ir.If, test: Value, ways: Sequence[tuple[State, bool]]
) -> Sequence[tuple[State, bool]]:
    """Leave out the way of a branch that leads past the pass that is looked for."""
    if ex.ahead is None or len(ways) < 2 or not isinstance(test, Sym):
        return ways
    if site_of(node, ways[0][0].frame).filename != ex.ahead.site.filename:
        return ways
    leads, frame = ex.ahead.way(node), ways[0][0].frame
    if leads is None or _is_called_again(frame):
        return ways
    if _is_in_loop(frame) and not _is_setting(test.name):
        return ways
    return [(state, way) for state, way in ways if way is leads]


def _is_in_loop(frame: Frame) -> bool:
    """Whether a loop of the program is under way."""
    loops = (outer for outer in frame.chain() if outer.kind == "loop")
    return any(isinstance(loop.place, (ir.Stmt, ir.Expr)) for loop in loops)


def _is_called_again(frame: Frame) -> bool:
    """Whether an entry point is run for the second time: it may go another way now."""
    loops = (outer for outer in frame.chain() if outer.kind == "loop")
    return any(loop.index and not isinstance(loop.place, (ir.Stmt, ir.Expr)) for loop in loops)


def _is_setting(name: object) -> bool:
    """Whether an unknown value is made of nothing but settings and constants."""
    if not isinstance(name, tuple) or not name or not isinstance(name[0], str):
        return True
    if name[0] not in SETTINGS:
        return False
    return name[0] in ("const", "parameter") or all(map(_is_setting, name[1:]))
