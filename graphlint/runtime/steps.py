"""The optimizer step between two passes: which optimizers there were, and where one was asked to.

When torch refuses a pass because a tensor was changed in place, nothing has recorded the change.
But the variables of the frame that runs the pass lead to the optimizers of the graph's parameters,
and the source says whether one of these takes a step between the two passes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any

import torch

from graphlint.runtime.contents import own_dictionary
from graphlint.runtime.frames import variables
from graphlint.runtime.nodes import Node, kind_of
from graphlint.runtime.sites import SiteRecord


def optimizers_of(nodes: Iterable[Node], frame: FrameType) -> tuple[str, ...]:
    """Name the optimizers of a graph's parameters, as a frame's variables and attributes do.

    Args:
        nodes: the nodes of the graph.
        frame: the frame that runs a pass over it.
    """
    leaves = {id(node.variable) for node in nodes if kind_of(node).leaf}
    return tuple(
        sorted(
            {
                name
                for name, value in _named(frame)
                if issubclass(type(value), torch.optim.Optimizer)
                and not leaves.isdisjoint(map(id, _parameters(value)))
            }
        )
    )


def _named(frame: FrameType) -> Iterator[tuple[str, Any]]:
    for namespace in (variables(frame), frame.f_globals):
        for name, value in list(namespace.items()):
            yield name, value
            yield from list(own_dictionary(value).items())


def _parameters(optimizer: Any) -> Iterator[Any]:
    for group in own_dictionary(optimizer).get("param_groups", ()):
        yield from group.get("params", ())


def step_between(
    earlier: SiteRecord, later: SiteRecord, optimizers: Iterable[str], tree: ast.Module
) -> ast.Expr | None:
    """Find the one step that an optimizer takes between two passes of a function.

    Args:
        earlier: the call whose pass comes first.
        later: the call whose pass raises; above the other where both are in a loop.
        optimizers: the names of the optimizers.
        tree: the file that both are in.

    Returns:
        None where there is no such statement in sight, or more than one.
    """
    if (earlier.filename, earlier.function) != (later.filename, later.function):
        return None
    first, last = earlier.span.row, later.span.row
    names = frozenset(optimizers)
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        and (first < node.lineno < last if first < last else not last <= node.lineno <= first)
        and _is_step(node.value, names)
    ]
    return found[0] if len(found) == 1 else None


def clears_gradients(tree: ast.Module) -> bool:
    """Say whether anything in a file throws gradients away."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="zero_grad")):
                return True
            case ast.Assign(value=ast.Constant(value=None), targets=targets):
                cleared: list[ast.expr] = targets
            case ast.Delete(targets=targets):
                cleared = targets
            case _:
                continue
        if any(isinstance(each, ast.Attribute) and each.attr == "grad" for each in cleared):
            return True
    return False


def _is_step(value: ast.expr, optimizers: frozenset[str]) -> bool:
    """Whether a call is `optimizer.step()`, or a gradient scaler's `scaler.step(optimizer)`."""
    if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute)):
        return False
    stepping = [value.func.value, *value.args]
    return value.func.attr == "step" and any(_last_name(each) in optimizers for each in stepping)


def _last_name(value: ast.expr) -> str:
    if isinstance(value, ast.Attribute):
        return value.attr
    return value.id if isinstance(value, ast.Name) else ""
