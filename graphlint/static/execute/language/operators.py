"""Operators of the program's own classes: `a @ b` calls `a.__matmul__(b)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.paths.classes import find_method
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import Ref, Value

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

ARITHMETIC = {
    "Add": "add",
    "Sub": "sub",
    "Mult": "mul",
    "MatMult": "matmul",
    "Div": "truediv",
    "FloorDiv": "floordiv",
    "Mod": "mod",
    "Pow": "pow",
    "LShift": "lshift",
    "RShift": "rshift",
    "BitAnd": "and",
    "BitOr": "or",
    "BitXor": "xor",
}
COMPARISONS = {"Lt": "lt", "LtE": "le", "Gt": "gt", "GtE": "ge", "Eq": "eq", "NotEq": "ne"}
MIRRORED = {"Lt": "gt", "LtE": "ge", "Gt": "lt", "GtE": "le", "Eq": "eq", "NotEq": "ne"}
UNARY = {"USub": "neg", "UAdd": "pos", "Invert": "invert"}


def own_arithmetic(
    ex: Executor, state: State, node: ir.Node, op: str, left: Value, right: Value, own: str = ""
) -> Results | None:
    """Compute `left op right` by a method of either; `own` is "i" where `left` takes it in."""
    name = ARITHMETIC.get(op, "")
    ways = [(left, f"__{own}{name}__", right)] if own else []
    ways += [(left, f"__{name}__", right), (right, f"__r{name}__", left)]
    return _first(ex, state, node, ways)


def own_comparison(
    ex: Executor, state: State, node: ir.Node, op: str, left: Value, right: Value
) -> Results | None:
    """Compare two values by a method of either; `in` is not among them."""
    if op not in COMPARISONS:
        return None
    ways = [(left, f"__{COMPARISONS[op]}__", right), (right, f"__{MIRRORED[op]}__", left)]
    return _first(ex, state, node, ways)


def own_sign(ex: Executor, state: State, node: ir.Node, op: str, value: Value) -> Results | None:
    """Compute `-value` and the like by a method of the value."""
    method = _method(state, value, f"__{UNARY.get(op)}__")
    return None if method is None else ex.invoke(state, Invocation(node), method)


def _first(
    ex: Executor, state: State, node: ir.Node, ways: list[tuple[Value, str, Value]]
) -> Results | None:
    """Call the first method that there is, of those that Python asks for in this order."""
    for owner, name, other in ways:
        method = _method(state, owner, name)
        if method is not None:
            return ex.invoke(state, Invocation(node, (other,)), method)
    return None


def _method(state: State, owner: Value, name: str) -> Value | None:
    return find_method(state, owner, name) if isinstance(owner, Ref) else None
