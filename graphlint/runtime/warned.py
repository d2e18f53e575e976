"""Gradients that were read of tensors that have none, from the warnings that torch gave.

# Note [Warnings that were given]
Torch warns when `.grad` is read of a tensor that is no leaf and retains none
(aten/src/ATen/core/TensorBody.h, `Tensor::grad`), and Python notes in the registry of the module
that read it which warnings were given in which line, so as not to repeat them. Reading the
registries afterwards costs the program nothing, and changes nothing. They hold nothing of warnings
that a filter ignores, shows always or turns into errors, nor of those before filters were changed
last.
"""

from __future__ import annotations

import ast
import sys
import types
from collections.abc import Iterator
from typing import NamedTuple

from graphlint.runtime.places import Whose, classify

_REGISTRY = "__warningregistry__"
_MESSAGE = "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed."


class Warned(NamedTuple):
    """A line that read a gradient which is not there.

    Attributes:
        filename: the file.
        row: the line.
    """

    filename: str
    row: int


def lines_warned_of() -> frozenset[Warned]:
    """Return the user's lines that torch warned of: see Note [Warnings that were given]."""
    return frozenset(
        Warned(filename, key[2])
        for filename, registry in _registries()
        for key in list(registry)
        if type(key) is tuple and len(key) == 3 and str(key[0]).startswith(_MESSAGE)
    )


def _registries() -> Iterator[tuple[str, dict[object, object]]]:
    for module in list(sys.modules.values()):
        if type(module) is types.ModuleType:
            names = vars(module)
            filename, registry = names.get("__file__"), names.get(_REGISTRY)
            if type(filename) is str and type(registry) is dict:
                if classify(filename) is Whose.USER:
                    yield filename, registry


def read_in(row: int, tree: ast.Module) -> ast.Attribute | None:
    """Find the expression in a line that read a gradient to use it.

    Args:
        row: the line.
        tree: the file.

    Returns:
        None where several may have, where the line asks whether there is a gradient, and where it
        stands in a loop or comprehension over tensors, some of which may well have one.
    """
    reads = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr == "grad"
        and node.lineno <= row <= (node.end_lineno or row)
    ]
    if len(reads) != 1 or _is_asked_for(reads[0], tree) or _is_of_many(reads[0], tree):
        return None
    return reads[0]


def _is_asked_for(read: ast.Attribute, tree: ast.Module) -> bool:
    """Whether the expression stands in a condition."""
    for node in ast.walk(tree):
        match node:
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
                asking: list[ast.expr] = [test]
            case ast.Assert(test=test):
                asking = [test]
            case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                asking = [node]
            case _:
                continue
        if any(part is read for each in asking for part in ast.walk(each)):
            return True
    return False


def _is_of_many(read: ast.Attribute, tree: ast.Module) -> bool:
    """Whether the tensor is the variable of a loop."""
    names = {node.id for node in ast.walk(read) if isinstance(node, ast.Name)}
    return any(
        isinstance(part, ast.Name) and part.id in names
        for node in ast.walk(tree)
        if isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension))
        for part in ast.walk(node.target)
    )
