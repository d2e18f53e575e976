"""Conditions that follow from others: `n < 2` fails where `n > 3` holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from graphlint.static.execute.paths.values import Const, Key, Tuple

NUMBERS: dict[str, Callable[[str], float]] = {"int": int, "float": float}
MIRRORED = {"Eq": "Eq", "Lt": "Gt", "LtE": "GtE"}
NEGATED = {"Lt": "GtE", "LtE": "Gt", "Gt": "LtE", "GtE": "Lt"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """An unknown compared with a constant: `name relation value`, or that it isn't so."""

    name: Key
    relation: str
    value: Any


@dataclass(frozen=True, slots=True)
class Span:
    """The numbers that an unknown may be."""

    low: float = -math.inf
    low_open: bool = False
    high: float = math.inf
    high_open: bool = False

    def within(self, relation: str, value: float) -> Span:
        """Return the numbers of the span for which a relation holds."""
        low, high = (self.low, self.low_open), (self.high, self.high_open)
        if relation in ("Gt", "GtE", "Eq"):
            low = max(low, (value, relation == "Gt"))
        if relation in ("Lt", "LtE", "Eq"):
            bound = min((self.high, not self.high_open), (value, relation != "Lt"))
            high = bound[0], not bound[1]
        return Span(*low, *high)

    @property
    def empty(self) -> bool:
        """Whether no number is in the span."""
        return self.low > self.high or (self.low == self.high and (self.low_open or self.high_open))


def implied(conds: dict[Key, bool], condition: Key) -> bool | None:
    """Tell which way a condition goes by those that are decided, None where it may go either."""
    asked = _comparison(condition)
    if asked is None:
        return _membership(conds, condition)
    facts = list(_facts(conds, asked.name))
    for fact, holds in facts:
        if fact.relation == "Eq" and holds and asked.relation == "Eq":
            return bool(fact.value == asked.value)
    if not _is_number(asked.value):
        return None
    span = Span()
    for fact, holds in facts:
        relation = fact.relation if holds else NEGATED.get(fact.relation)
        if relation is not None and _is_number(fact.value):
            span = span.within(relation, fact.value)
    if span == Span():
        return None
    if span.within(asked.relation, asked.value).empty:
        return False
    opposite = NEGATED.get(asked.relation)
    return True if opposite and span.within(opposite, asked.value).empty else None


def _membership(conds: dict[Key, bool], condition: Key) -> bool | None:
    """Decide `name in (constants)` where it is known what the name equals."""
    if condition[:2] != ("compare", "In") or not isinstance(condition[3], Tuple):
        return None
    items = condition[3].items
    for fact, holds in _facts(conds, condition[2]):
        if fact.relation == "Eq" and holds and all(isinstance(item, Const) for item in items):
            constants = [i.value for i in items if isinstance(i, Const)]
            return any(fact.value == _value("const", type(c).__name__, repr(c)) for c in constants)
    return None


def _facts(conds: dict[Key, bool], name: Key) -> Iterator[tuple[Comparison, bool]]:
    for condition, holds in conds.items():
        if condition[0] == "compare":
            known = _comparison(condition)
            if known is not None and known.name == name:
                yield known, holds


def _comparison(condition: Key) -> Comparison | None:
    """Read a condition as the comparison of an unknown with a constant."""
    if condition[0] != "compare":
        return None
    relation, left, right = condition[1:]
    relation = "Eq" if relation == "Is" else relation
    if relation not in MIRRORED:
        return None
    if _is_constant(left):
        left, right, relation = right, left, MIRRORED[relation]
    if not _is_constant(right) or _is_constant(left) or not isinstance(left, tuple):
        return None
    value = _value(*right)
    if left[0] == "plus" and _is_number(value):
        return Comparison(left[1], relation, value - left[2])
    return Comparison(left, relation, value)


def _value(word: str, kind: str, text: str) -> Any:
    """Return a constant's number, or a name that equals those of equal constants."""
    return NUMBERS[kind](text) if kind in NUMBERS else (word, kind, text)


def _is_constant(name: Any) -> bool:
    return isinstance(name, tuple) and len(name) == 3 and name[0] == "const"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_weighed(conds: dict[Key, bool], name: Key) -> bool:
    """Whether a path has compared an unknown with a number, as one does with weights and counts."""
    return any(_is_number(fact.value) for fact, _ in _facts(conds, name))
