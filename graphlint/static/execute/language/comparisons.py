"""Comparisons of values; `numbers` knows those that are neither containers nor tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.grad_reads import note_compared
from graphlint.static.execute.language.operators import own_comparison
from graphlint.static.execute.library.ops import is_tensor
from graphlint.static.execute.paths.branches import negate
from graphlint.static.execute.paths.numbers import arithmetic, compare, is_exact
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    FALSE,
    NONE,
    TRUE,
    Const,
    Dict,
    External,
    List,
    Range,
    Ref,
    Sym,
    Tuple,
    Value,
)

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

TYPES = frozenset("bool int float complex str bytes list tuple dict set torch.Tensor".split())
"""Classes that differ where their names do."""


def comparison(ex: Executor, node: ir.Compare, state: State) -> Results:
    """Evaluate `left op right`."""
    results: Results = []
    for after, (left, right) in ex.eval_each((node.left, node.right), state):
        note_compared(ex, after, left, right)
        own = own_comparison(ex, after, node, node.op, left, right)
        results += [(after, _compared(after, node, left, right))] if own is None else own
    return results


def _compared(state: State, node: ir.Compare, left: Value, right: Value) -> Value:
    identity = node.op in ("Is", "IsNot")
    if node.op in ("In", "NotIn"):
        return _contains(state, node.op, left, right)
    if not identity and (is_tensor(state, left) or is_tensor(state, right)):
        return state.tensor(node)
    if identity or node.op in ("Eq", "NotEq"):
        same = _same(left, right, identity)
        if same is None and not identity:
            same = _same_lists(state, left, right)
        if same is not None:
            return TRUE if same == (node.op in ("Is", "Eq")) else FALSE
    return compare(state, node.op, left, right)


def _same(left: Value, right: Value, identity: bool) -> bool | None:
    """Whether two values are the same object, or equal, None where that can't be told."""
    if isinstance(left, (Sym, Const)) and isinstance(right, (Sym, Const)):
        return _same_as_none(left, right)
    if isinstance(left, Ref) and isinstance(right, Ref):
        return left.address == right.address or (False if identity else None)
    if isinstance(left, Sym) or isinstance(right, Sym):
        return None
    if isinstance(left, External) and isinstance(right, External):
        return left == right if {left.name, right.name} <= TYPES else None
    if isinstance(left, Const) or isinstance(right, Const):
        return False
    if isinstance(left, Tuple) and isinstance(right, Tuple) and _differ(left, right):
        return False
    return True if left == right else None


def _same_lists(state: State, left: Value, right: Value) -> bool | None:
    """Whether two lists are equal, as far as their lengths tell."""
    first, second = state.get(left, List), state.get(right, List)
    if not first or not second or first.length or second.length:
        return None
    if not {left, right}.isdisjoint(map(Ref, state.grown)):
        return None
    if len(first.items) != len(second.items):
        return False
    return None if first.items else True


def _differ(left: Tuple, right: Tuple) -> bool:
    """Whether two tuples surely are different: in length, or in a constant."""
    pairs = zip(left.items, right.items, strict=False)
    known = [(a, b) for a, b in pairs if is_exact(a) and is_exact(b)]
    return len(left.items) != len(right.items) or any(a.value != b.value for a, b in known)


def _same_as_none(left: Sym | Const, right: Sym | Const) -> bool | None:
    for one, other in ((left, right), (right, left)):
        if one == NONE and isinstance(other, Sym) and other.node is not None:
            return False
    return None


def _in_range(state: State, op: str, left: Value, right: Range) -> Value:
    """Tell whether a number is one of a range's, where that counts by ones."""
    end = arithmetic("Add", right.start, right.count)
    if end is None or right.step != 1:
        return compare(state, op, left, right)
    ways = [compare(state, "LtE", right.start, left), compare(state, "Lt", left, end)]
    unknown = [way for way in ways if way not in (TRUE, FALSE)]
    if FALSE not in ways and len(unknown) == 2:
        return compare(state, op, left, right)
    found = FALSE if FALSE in ways else unknown[0] if unknown else TRUE
    if op == "In":
        return found
    return negate(found) if isinstance(found, Sym) else Const(found == FALSE)


def _items(state: State, value: Value) -> tuple[Value, ...] | None:
    """Return all items of a tuple or list, None where it may have others."""
    if isinstance(value, Tuple):
        return value.items
    found = state.get(value, List)
    grown = isinstance(value, Ref) and value.address in state.grown
    whole = found is not None and found.length is None and not found.abridged and not grown
    return found.items if found and whole else None


def _contains(state: State, op: str, left: Value, right: Value) -> Value:
    if isinstance(right, Range):
        return _in_range(state, op, left, right)
    found = None
    if is_exact(left):
        mapping = state.get(right, Dict)
        if mapping and not mapping.open:
            found = left.value in mapping.items
        items = _items(state, right)
        if items is not None and all(map(is_exact, items)):
            found = left.value in [item.value for item in items if isinstance(item, Const)]
    if found is not None:
        return TRUE if found == (op == "In") else FALSE
    return compare(state, op, left, right)
