"""Measure what autograd saves when a call is recorded, on real tensors.

Two measurements are made of every call, for every choice of the inputs that require grad:
whether a second pass over its nodes raises (the definition of "saves"), and which tensors its
nodes hold, told by their storages. Torch is imported inside the functions.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

MOST_SLOTS = 4


@dataclass(frozen=True, slots=True)
class Call:
    """A call to measure: slots are positions (`0`, `1`, …) and keyword names."""

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    differentiable: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """What one execution showed.

    Attributes:
        on: the slots whose tensors required grad.
        tensors: the slots that hold tensors.
        recorded: the call made a node (an identity and a cut make none).
        raises: a second pass raised.
        holds: a node held some tensor.
        saved: the slots whose own tensors were held.
        output: a result of the call was held.
        curved: a gradient of the call has a graph itself, if asked for one.
        results: for each tensor returned, whether it carries a graph.
        shape: `one`, `tuple` or `list`.
    """

    on: frozenset[str]
    tensors: frozenset[str]
    recorded: bool
    raises: bool
    holds: bool
    saved: frozenset[str]
    output: bool
    curved: bool
    results: tuple[bool, ...]
    shape: str


def observe(call: Call) -> Iterator[Observation]:
    """Run a call once for every choice of inputs that require grad."""
    slots = differentiable_slots(call)
    if len(slots) > MOST_SLOTS:
        choices = [tuple(slots), *[(slot,) for slot in slots]]
    else:
        sizes = range(len(slots), 0, -1)
        choices = [choice for size in sizes for choice in combinations(slots, size)]
    for choice in choices:
        seen = _run(call, frozenset(choice))
        if seen is not None:
            yield seen


def differentiable_slots(call: Call) -> list[str]:
    """Return the slots that hold floating-point tensors."""
    found = []
    for slot, value in _slots(call.args, call.kwargs):
        floating = any(t.is_floating_point() or t.is_complex() for t in _tensors(value))
        if floating and (call.differentiable is None or slot in call.differentiable):
            found.append(slot)
    return found


def _slots(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from ((str(i), value) for i, value in enumerate(args))
    yield from kwargs.items()


def _tensors(value: Any) -> list[Any]:
    import torch
    from torch.utils import _pytree as pytree

    return [leaf for leaf in pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def _fresh(value: Any, on: bool) -> Any:
    """Copy a slot's value; its tensors become leaves that require grad or not."""
    import torch
    from torch.utils import _pytree as pytree

    def copy(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        new = leaf.detach().clone()
        return new.requires_grad_() if on and (new.is_floating_point() or new.is_complex()) else new

    return pytree.tree_map(copy, value)


def _run(call: Call, on: frozenset[str]) -> Observation | None:
    """Run a call with one choice of inputs; None if it, or its first pass, is not possible."""
    args = tuple(_fresh(value, str(i) in on) for i, value in enumerate(call.args))
    kwargs = {key: _fresh(value, key in on) for key, value in call.kwargs.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            returned = call.function(*args, **kwargs)
            return _look(returned, args, kwargs, on)
        except _REFUSALS:
            return None


_REFUSALS = (
    RuntimeError, ValueError, TypeError, NotImplementedError, IndexError, AttributeError,
    AssertionError,
)  # fmt: skip


def _look(
    returned: Any, args: tuple[Any, ...], kwargs: dict[str, Any], on: frozenset[str]
) -> Observation:
    results = _tensors(returned)
    inputs = {slot: _tensors(value) for slot, value in _slots(args, kwargs)}
    inputs = {slot: tensors for slot, tensors in inputs.items() if tensors}
    same = {id(t) for tensors in inputs.values() for t in tensors}
    graphs = [t for t in results if t.requires_grad and id(t) not in same]
    kept = {each for t in graphs for each in held(t.grad_fn)}
    ours = {slot: {storage(t) for t in tensors} - {0} for slot, tensors in inputs.items()}
    theirs = set().union(*ours.values()) if ours else set()
    fresh = {storage(t) for t in graphs} - theirs - {0}
    leaves = [t for slot in on for t in inputs[slot] if t.requires_grad]
    # Before the pass that frees what the nodes hold.
    curved = bool(graphs) and gradients_have_graphs(graphs, leaves)
    return Observation(
        on=on,
        tensors=frozenset(inputs),
        recorded=bool(graphs),
        raises=bool(graphs) and second_pass_raises(graphs, leaves),
        holds=bool(kept),
        saved=frozenset(slot for slot, storages in ours.items() if storages & kept),
        output=bool(fresh & kept),
        curved=curved,
        results=tuple(t.requires_grad for t in results),
        shape=_shape(returned),
    )


def _shape(returned: Any) -> str:
    import torch

    if isinstance(returned, torch.Tensor):
        return "one"
    return "list" if isinstance(returned, list) else "tuple"


def storage(tensor: Any) -> int:
    """Return a storage's identity, 0 for tensors without elements or without a storage."""
    try:
        return int(tensor.untyped_storage()._cdata) if tensor.numel() else 0
    except (RuntimeError, NotImplementedError):
        return 0


def held(root: Any) -> Iterator[int]:
    """Yield the storages of all tensors that a graph's nodes hold."""
    stack, seen = [root], set()
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        yield from _held_by(node)
        stack.extend(parent for parent, _ in node.next_functions)


def _held_by(node: Any) -> Iterator[int]:
    """Yield the storages of the tensors that one node holds; see `SavedVariable.data`."""
    for name in dir(node):
        if not name.startswith("_raw_saved_"):
            continue
        raw = getattr(node, name)
        for saved in raw if isinstance(raw, (list, tuple)) else (raw,):
            # A number that was wrapped into a tensor counts; an absent optional is None.
            if saved is not None and saved.data is not None:
                yield storage(saved.data)


def gradients_have_graphs(graphs: list[Any], leaves: list[Any]) -> bool:
    """Tell whether a gradient depends on what its op was called on, so that it has a graph."""
    import torch

    zeros = [torch.zeros_like(t) for t in graphs]
    try:
        made = torch.autograd.grad(graphs, leaves, zeros, create_graph=True, allow_unused=True)
    except RuntimeError:  # its gradient can't be differentiated
        return False
    return any(gradient is not None and gradient.requires_grad for gradient in made)


def second_pass_raises(graphs: list[Any], leaves: list[Any]) -> bool:
    """Run two passes that differ in nothing and tell whether the second one raises."""
    import torch

    # Zeros, as some decompositions refuse gradients that depend on a free phase.
    zeros = [torch.zeros_like(t) for t in graphs]
    torch.autograd.grad(graphs, leaves, zeros, allow_unused=True)
    try:
        torch.autograd.grad(graphs, leaves, zeros, allow_unused=True)
    except RuntimeError as error:
        if "second time" not in str(error):
            raise
        return True
    return False
