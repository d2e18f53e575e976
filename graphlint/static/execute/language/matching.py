"""`match`: which of its cases run, and what their patterns bind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.merge import NEXT, Outcome, merge
from graphlint.static.execute.language.statements import run_block
from graphlint.static.execute.library.attributes import get_attribute
from graphlint.static.execute.library.kinds import is_a
from graphlint.static.execute.library.subscripts import get_item
from graphlint.static.execute.paths.branches import truth
from graphlint.static.execute.paths.classes import members
from graphlint.static.execute.paths.numbers import compare, name_of
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    Const,
    External,
    Instance,
    List,
    Sym,
    Tuple,
    Value,
)

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results


def match_stmt(ex: Executor, node: ir.Match, state: State) -> list[Outcome]:
    """Run `match`: a pattern that compares with values is a condition, another may match or not."""
    outcomes: list[Outcome] = []
    for after, subject in ex.eval(node.subject, state):
        open_paths = [after]
        for case in node.cases:
            following: list[State] = []
            for path in open_paths:
                for decided, way in _matches(ex, case, path, subject):
                    if way:
                        outcomes += run_block(ex, case.body, decided)
                    else:
                        following.append(decided)
            open_paths = following
        outcomes += [(path, NEXT) for path in open_paths]
    return merge(ex, outcomes)


def _matches(ex: Executor, case: ir.Case, state: State, subject: Value) -> list[tuple[State, bool]]:
    paths = _pattern_matches(ex, case, state, subject)
    results = [(path, False) for path, way in paths if not way]
    for path in [path for path, way in paths if way]:
        for bound in _bound(ex, case, path, subject):
            if case.guard is None:
                results.append((bound, True))
                continue
            for after, value in ex.eval(case.guard, bound):
                results += truth(after, value)
    return results


def _bound(ex: Executor, case: ir.Case, state: State, subject: Value) -> list[State]:
    """Bind the names of a pattern that matches."""
    states = [state]
    for capture in case.names:
        found = [r for each in states for r in _followed(ex, capture, each, subject)]
        for after, value in found:
            after.bind(capture.name, value)
        states = [after for after, _ in found]
    return states


def _followed(ex: Executor, capture: ir.Capture, state: State, subject: Value) -> Results:
    """Go the way from the subject of a `match` to what a name is bound to."""
    results: Results = [(state, subject)]
    for how, what in capture.steps:
        results = [
            result
            for each, value in results
            for result in _step(ex, each, capture, value, how, what)
        ]
    return results


def _step(
    ex: Executor, state: State, place: ir.Node, value: Value, how: str, what: int | str | None
) -> Results:
    if how == "item" and _has_item(state, value, what):
        return get_item(ex, state, place, value, Const(what))
    if how == "field":
        found = state.get(value, Instance)
        names = [n for cls in members(state, found.cls) for n in cls.fields] if found else []
        known = isinstance(what, int) and what < len(names)
        how, what = ("attribute", names[what]) if known and isinstance(what, int) else (how, None)
    if how == "attribute" and isinstance(what, str):
        return get_attribute(ex, state, place, value, what)
    node = next(iter(state.nodes(value)), None)
    return [(state, Sym(("subscript", name_of(value), f"{how} {what}"), node))]


def _has_item(state: State, value: Value, key: int | str | None) -> bool:
    """Whether a pattern that asks for an item can match: reading one that is missing raises."""
    items = value.items if isinstance(value, Tuple) else ()
    found = state.get(value, List)
    items = found.items if found is not None else items
    if isinstance(value, Tuple) or found is not None:
        return isinstance(key, int) and -len(items) <= key < len(items)
    return True


def _pattern_matches(
    ex: Executor, case: ir.Case, state: State, subject: Value
) -> list[tuple[State, bool]]:
    if case.always:
        return [(state, True)]
    if case.kind is not None:
        return _kind_matches(ex, case, case.kind, state, subject)
    if case.shape and is_a(state, subject, External(case.shape)) is False:
        return [(state, False)]
    if not case.tests:
        return truth(state, state.sym(case, "match"))
    results: list[tuple[State, bool]] = []
    open_paths = [state]
    for test in case.tests:
        following: list[State] = []
        for path in open_paths:
            for after, value in ex.eval(test, path):
                for decided, way in truth(after, compare(after, "Eq", subject, value)):
                    if way:
                        results.append((decided, True))
                    else:
                        following.append(decided)
        open_paths = following
    return [*results, *((path, False) for path in open_paths)]


def _kind_matches(
    ex: Executor, case: ir.Case, kind: ir.Expr, state: State, subject: Value
) -> list[tuple[State, bool]]:
    """Tell whether the subject is of a pattern's class, as far as that is known."""
    results: list[tuple[State, bool]] = []
    for after, cls in ex.eval(kind, state):
        known = is_a(after, subject, cls)
        if known is False or (known and case.kind_alone):
            results.append((after, known))
        else:
            results += truth(after, after.sym(case, "match"))
    return results
