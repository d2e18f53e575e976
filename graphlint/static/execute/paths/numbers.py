"""Arithmetic and comparison of values that may be unknown, such as `i < n - 1`.

# Note [Linear values]
An unknown number `n` and its neighbours `n - 1`, `n + 2` are one name and an offset. A loop over an
unknown `range(n)` runs for its first and its last item, `0` and `n - 1`, and assumes that `n` is
two at least; so `i < n - 1` holds for the first and fails for the last, and a flag that is off on
the last iteration is seen to be off. The length of a container is the same unknown each time it is
asked.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

from graphlint.static.execute.paths.branches import negate
from graphlint.static.execute.paths.classes import value_of_member
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    FALSE,
    TRUE,
    Const,
    External,
    Key,
    Some,
    Sym,
    Value,
)

SOME = "some"
ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mult": operator.mul,
    "Div": operator.truediv,
    "FloorDiv": operator.floordiv,
    "Mod": operator.mod,
    "Pow": operator.pow,
    "BitAnd": operator.and_,
    "BitOr": operator.or_,
    "BitXor": operator.xor,
}
COMPARISON: Mapping[str, Callable[[Any, Any], Any]] = {
    "Eq": operator.eq,
    "NotEq": operator.ne,
    "Lt": operator.lt,
    "LtE": operator.le,
    "Gt": operator.gt,
    "GtE": operator.ge,
    "Is": operator.is_,
    "IsNot": operator.is_not,
    "In": lambda item, items: item in items,
    "NotIn": lambda item, items: item not in items,
}
MIRRORED_ORDER = {"Lt": "Gt", "LtE": "GtE", "Gt": "Lt", "GtE": "LtE"}
LARGEST = frozenset("math.inf numpy.inf numpy.Inf torch.inf sys.maxsize".split())
"""Numbers of libraries that no other is larger than."""
OPPOSITE = {"NotEq": "Eq", "IsNot": "Is", "NotIn": "In", "GtE": "Lt", "Gt": "LtE"}


def is_number(value: Value) -> bool:
    """Whether a value is a known number, not a boolean."""
    return (
        isinstance(value, Const)
        and isinstance(value.value, (int, float))
        and not isinstance(value.value, bool)
    )


def linear(value: Value) -> tuple[Key | None, float] | None:
    """Split a value into an unknown and an offset (Note [Linear values])."""
    if isinstance(value, Some):
        return (value.about, value.offset) if is_number(value) else None
    if isinstance(value, Const):
        return (None, value.value) if is_number(value) else None
    if isinstance(value, Sym) and value.node is None:
        return (value.name[1], value.name[2]) if value.name[0] == "plus" else (value.name, 0)
    return None


def from_linear(name: Key | None, offset: float) -> Value:
    """Put an unknown and an offset together."""
    if name is None:
        return Const(offset)
    if name[0] == SOME:
        return Some(name[-1] + offset, about=name, offset=offset)
    return Sym(name) if offset == 0 else Sym(("plus", name, offset))


def some(value: float, key: Key, low: float = -math.inf, high: float = math.inf) -> Some:
    """Return a number that stands for all from `low` to `high`; `key` tells it from others."""
    return Some(value, about=(SOME, key, low, high, value))


def arithmetic(op: str, left: Value, right: Value) -> Value | None:
    """Compute `left op right` where it is known, or known up to an unknown; else None."""
    if is_exact(left) and is_exact(right):
        return _constant(op, left.value, right.value)
    if op == "Add" and is_text(left) and is_text(right):
        return join_text((left, right))
    if op in ("Add", "Sub"):
        first, second = linear(left), linear(right)
        if first and second:
            if second[0] is None:
                return from_linear(first[0], ARITHMETIC[op](first[1], second[1]))
            if first[0] is None and op == "Add":
                return from_linear(second[0], first[1] + second[1])
            if first[0] == second[0] and op == "Sub":
                return Const(first[1] - second[1])
            if isinstance(right, Some) and first[0] is None:
                return less(first[1], right)
    return None


def less(number: float, by: Some) -> Some:
    """Return a number less one that stands for others."""
    key = ("less", number, by.about, by.offset)
    return some(number - by.value, key, number - by.most, number - by.least)


def is_text(value: Value) -> TypeGuard[Const]:
    """Whether a value is a known text."""
    return isinstance(value, Const) and isinstance(value.value, str)


def join_text(parts: Sequence[Const]) -> Const:
    """Join what some values look like to a text, which stands for others if one of them does."""
    text = "".join(str(part.value) for part in parts)
    if all(map(is_exact, parts)):
        return Const(text)
    return Some(text, about=(SOME, ("text", *map(name_of, parts)), -math.inf, math.inf, text))


def is_exact(value: Value) -> TypeGuard[Const]:
    """Whether a value is known, and stands for no other."""
    return isinstance(value, Const) and not isinstance(value, Some)


def _constant(op: str, left: Any, right: Any) -> Value | None:
    if op not in ARITHMETIC or _large(op, left, right):
        return None
    try:
        return Const(ARITHMETIC[op](left, right))
    except (TypeError, ValueError, ArithmeticError):
        return None


def _large(op: str, left: Any, right: Any) -> bool:
    """Whether a result could be too large to be worth computing."""
    if op == "Pow":
        return not isinstance(right, (int, float)) or abs(right) > 64
    if op == "Mult":
        return any(isinstance(side, (str, bytes)) for side in (left, right))
    return False


def compare(state: State, op: str, left: Value, right: Value) -> Value:
    """Compare two values that are neither tensors nor containers."""
    first, second = value_of_member(left), value_of_member(right)
    if first is not None and second is not None:
        op, left, right = {"Is": "Eq", "IsNot": "NotEq"}.get(op, op), first, second
    if is_exact(left) and is_exact(right):
        try:
            return Const(bool(COMPARISON[op](left.value, right.value)))
        except TypeError:
            return Sym(("compare", op, *_names(left, right)))
    if op not in ("Is", "IsNot", "In", "NotIn"):
        decided = _with_largest(op, left, right)
        if decided is None:
            decided = _by_bounds(state, op, left, right)
        if decided is not None:
            return TRUE if decided else FALSE
    if op in ("Eq", "Is", "NotEq", "IsNot") and isinstance(left, Sym) and left == right:
        return TRUE if op in ("Eq", "Is") else FALSE
    if op in ("Eq", "NotEq") and _different_items(left, right):
        return FALSE if op == "Eq" else TRUE
    if op in OPPOSITE:
        return negate(Sym(("compare", OPPOSITE[op], *_names(left, right))))
    return Sym(("compare", op, *_names(left, right)))


def _different_items(left: Value, right: Value) -> bool:
    """Whether two values are the first and the last item of one iteration."""
    return (
        isinstance(left, Sym)
        and isinstance(right, Sym)
        and left.name[0] == right.name[0] == "item"
        and left.name[1] == right.name[1]
        and left.name != right.name
    )


def _names(left: Value, right: Value) -> tuple[Any, Any]:
    return name_of(left), name_of(right)


def name_of(value: Value) -> Any:
    """Return a hashable name for a value, for use in the name of an unknown."""
    if isinstance(value, Sym):
        return value.name
    if isinstance(value, Some):
        return ("plus", value.about, value.offset) if value.offset else value.about
    if isinstance(value, Const):
        return ("const", type(value.value).__name__, repr(value.value))
    return value


POSITIONS = frozenset(("length", "index", "last", "plus", "item", "number", "truth", SOME))


def depends_on_position(value: Sym) -> bool:
    """Whether a condition says where in a loop the program is, or what its data are like.

    Such conditions hold on some iterations and fail on others, or always hold for a reason that
    can't be seen: that one of them fails now can't be assumed apart from the rest, as it can for a
    switch.
    """
    todo: list[Any] = [value.name]
    while todo:
        name = todo.pop()
        if isinstance(name, tuple):
            if name and name[0] in POSITIONS:
                return True
            todo.extend(name)
    return False


def comes_from_caller(value: Sym) -> bool:
    """Whether an unknown value is, or is a part of, a parameter of the code's entry point."""
    name: Any = value.name
    while isinstance(name, tuple) and name:
        if name[0] == "parameter":
            return True
        name = name[1] if len(name) > 1 else None
    return False


def _with_largest(op: str, left: Value, right: Value) -> bool | None:
    """Decide a comparison with the largest number there is, or the smallest: others lie between."""
    for number, order in ((left, op), (right, MIRRORED_ORDER.get(op))):
        other = right if number is left else left
        if order in MIRRORED_ORDER and isinstance(other, (Sym, Some)) and _is_infinite(number):
            sign = -1 if isinstance(number, Const) and number.value < 0 else 1
            return bool(COMPARISON[order](sign, 0))
    return None


def _is_infinite(value: Value) -> bool:
    if isinstance(value, External):
        return value.name in LARGEST
    return is_number(value) and isinstance(value, Const) and math.isinf(value.value)


def _by_bounds(state: State, op: str, left: Value, right: Value) -> bool | None:
    first, second = linear(left), linear(right)
    if not first or not second:
        return None
    apart = first[1] - second[1]
    if first[0] == second[0]:
        return _decide(op, apart, apart)
    (low, high), (least, most) = _bounds(state, first[0]), _bounds(state, second[0])
    return _decide(op, low - most + apart, high - least + apart)


def _bounds(state: State, name: Key | None) -> tuple[float, float]:
    """Return the least and the most that an unknown may be, an infinity where that is not known."""
    if name is None:
        return 0, 0
    if name[0] == SOME:
        return name[2], name[3]
    return state.bounds.get(name, -math.inf), math.inf


def _decide(op: str, low: float, high: float) -> bool | None:
    """Decide `difference op 0` for a difference between two bounds, None where it may be either."""
    if op in ("NotEq", "GtE", "Gt"):
        opposite = _decide({"NotEq": "Eq", "GtE": "Lt", "Gt": "LtE"}[op], low, high)
        return None if opposite is None else not opposite
    if op == "Lt":
        return True if high < 0 else False if low >= 0 else None
    if op == "LtE":
        return True if high <= 0 else False if low > 0 else None
    if op == "Eq":
        return True if low == high == 0 else False if low > 0 or high < 0 else None
    return None
