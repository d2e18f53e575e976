"""Look-ups in the tables of ops, by the names that stand in a program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from graphlint.static.knowledge.facts import Op
from graphlint.static.knowledge.inplace import INPLACE, InPlace, derived
from graphlint.static.knowledge.optable import CUTS, FACTORIES, OPS

OPERATORS: Final[Mapping[str, str]] = {
    "+": "add",
    "-": "sub",
    "*": "mul",
    "/": "div",
    "//": "floor_divide",
    "%": "remainder",
    "**": "pow",
    "@": "matmul",
    "&": "bitwise_and",
    "|": "bitwise_or",
    "^": "bitwise_xor",
    "<<": "bitwise_left_shift",
    ">>": "bitwise_right_shift",
    "==": "eq",
    "!=": "ne",
    "<": "lt",
    "<=": "le",
    ">": "gt",
    ">=": "ge",
}


def find_op(name: str) -> Op | None:
    """Return an op's row by a name such as "mul", "torch.linalg.norm" or "softmax"."""
    parts = name.split(".")
    return OPS.get(".".join(parts[-2:])) or OPS.get(parts[-1])


def find_inplace(name: str) -> InPlace | None:
    """Return what an in-place method such as "relu_" does, None if it is no in-place op."""
    last = name.rpartition(".")[2]
    if not last.endswith("_") or last.endswith("__"):
        return None
    special = INPLACE.get(last)
    if special is not None:
        return special
    op = OPS.get(last[:-1])
    if op is None:
        return InPlace() if last[:-1] in CUTS else None
    return derived(op)


def cuts(name: str) -> bool:
    """Tell whether a call's results carry no graph whatever it is called on."""
    return name.rpartition(".")[2] in CUTS


def makes(name: str) -> bool:
    """Tell whether a call makes tensors out of nothing."""
    return name.rpartition(".")[2] in FACTORIES
