"""What a backward pass is about to visit: the nodes that save tensors, and which are stale."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch

Node = Any
STALE = ("modified by an inplace operation", "detached in-place")
FREED = "backward through the graph a second time"


def visited(roots: Iterable[torch.Tensor], inputs: Sequence[torch.Tensor] | None) -> list[Node]:
    """Return the nodes that a pass from these roots, down to these inputs, executes."""
    order = _reachable([root.grad_fn for root in roots if root.grad_fn is not None])
    if inputs is None:
        return order
    targets = {id(tensor.grad_fn) if tensor.grad_fn else id(tensor) for tensor in inputs}
    leads: dict[int, bool] = {}
    for node in reversed(order):
        leads[id(node)] = any(
            leads.get(id(below), False) or _key(below) in targets for below in _below(node)
        )
    return [node for node in order if leads[id(node)]]


def _reachable(roots: list[Node]) -> list[Node]:
    """Return all nodes in topological order, those nearest to the roots first."""
    finished: list[Node] = []
    seen: set[int] = set()
    stack: list[tuple[Node, bool]] = [(root, False) for root in roots]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            finished.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((below, False) for below in _below(node))
    return finished[::-1]


def _below(node: Node) -> list[Node]:
    return [below for below, _ in node.next_functions if below is not None]


def _key(node: Node) -> int:
    """Identify a leaf's node by its leaf, any other by itself."""
    variable = getattr(node, "variable", None)
    return id(node) if variable is None else id(variable)


def saves(node: Node) -> tuple[bool, bool]:
    """Tell whether a node saves tensors, and whether one of them was changed since."""
    kept = stale = False
    for name in dir(node):
        if name.startswith("_saved_") or name == "saved_tensors":
            if _packed(node, name):
                kept = True
                continue
            try:
                kept |= _has_tensor(getattr(node, name))
            except RuntimeError as error:
                kept = True
                stale |= is_stale(error)
    return kept, stale


def _packed(node: Node, name: str) -> bool:
    """Tell whether hooks have packed what is saved: to look at it would unpack it."""
    raw = getattr(node, "_raw" + name, None)
    listed = raw if isinstance(raw, (tuple, list)) else [raw]
    return any(getattr(saved, "unpack_hook", None) is not None for saved in listed)


def is_stale(error: RuntimeError) -> bool:
    """Tell whether torch complains about a saved tensor that has changed since."""
    return any(message in str(error) for message in STALE)


def _has_tensor(value: object) -> bool:
    if isinstance(value, (tuple, list)):
        return any(_has_tensor(item) for item in value)
    return isinstance(value, torch.Tensor)
