"""Truth: which way a condition goes, and the same way again when it is asked again."""

from __future__ import annotations

from graphlint.static.execute.paths.implied import implied
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    Const,
    Dict,
    Key,
    List,
    Ref,
    Some,
    Sym,
    Tensor,
    Tuple,
    Value,
)

BLURRED, GUESSED = "blurred", "guessed"
"""Mark conditions, in `State.facts`, that joined paths decided differently, or were asked again."""


def truth(state: State, value: Value) -> list[tuple[State, bool]]:
    """Return the ways in which a condition can go, each with its state."""
    if isinstance(value, Some) and value.least <= 0 <= value.most:
        return fork(state, ("truth", value.about, value.offset))
    if isinstance(value, Const):
        return [(state, bool(value.value))]
    if isinstance(value, Tuple):
        return [(state, bool(value.items))]
    if isinstance(value, Sym):
        name, negated = value.name, False
        while name[0] == "not":
            name, negated = name[1], not negated
        if _is_positive(state, name):
            return [(state, not negated)]
        return [(after, way != negated) for after, way in fork(state, name)]
    if isinstance(value, Ref):
        return _truth_of_object(state, value)
    return [(state, True)]


def _is_positive(state: State, name: Key) -> bool:
    """Whether an unknown is a number that is known to be larger than 0 (a count, or the last)."""
    unknown, offset = (name[1], name[2]) if name[0] == "plus" else (name, 0)
    return unknown in state.bounds and bool(state.bounds[unknown] + offset > 0)


def _truth_of_object(state: State, ref: Ref) -> list[tuple[State, bool]]:
    found = state.object(ref)
    if isinstance(found, Tensor):
        return fork(state, ("truth", ref.address))
    if isinstance(found, List) and found.length is None:
        return [(state, bool(found.items))]
    if isinstance(found, List) and isinstance(found.length, Some):
        return truth(state, found.length)
    if isinstance(found, Dict) and not found.open:
        return [(state, bool(found.items))]
    return [(state, True)]


def fork(state: State, condition: Key) -> list[tuple[State, bool]]:
    """Assume a condition both ways, unless it was decided before, or follows from what was."""
    decided = state.conds.get(condition)
    if decided is None:
        decided = implied(state.conds, condition)
    if decided is not None:
        return [(state, decided)]
    if (BLURRED, condition) in state.facts:
        state.facts[GUESSED, condition] = True
    other = state.fork()
    state.conds[condition] = True
    other.conds[condition] = False
    return [(state, True), (other, False)]


def note_blurred(state: State, other: State) -> None:
    """Note what two paths that are joined had decided each in another way.

    What they made of it is there in one form alone. Where the condition is asked again, one of the
    ways does not go with that form.
    """
    for condition, decided in state.conds.items():
        if other.conds.get(condition, decided) != decided:
            state.facts[BLURRED, condition] = True


def is_guess(state: State) -> bool:
    """Whether a condition was decided anew that paths which were joined had decided each."""
    return any(name == GUESSED for name, _ in state.facts)


def negate(value: Sym) -> Sym:
    """Return the name of a condition's opposite."""
    return Sym(value.name[1]) if value.name[0] == "not" else Sym(("not", value.name))
