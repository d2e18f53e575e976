"""Tensors inside what saved-tensor hooks packed, and inside checkpoints.

A hooked saved tensor gives access to the packed object, whatever that is. Nothing here unpacks:
that would run the user's hook, or recompute a checkpointed forward pass.
"""

from __future__ import annotations

import types
import weakref
from collections.abc import Iterator
from typing import Any

import torch
from torch._C._autograd import SavedTensor
from torch.utils import checkpoint as _checkpoint

_DEPTH = 4
_ATOMS = (
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    type,
    types.ModuleType,
    types.FunctionType,
    torch.device,
    torch.dtype,
    torch.nn.Module,
)
_Frame: Any = getattr(_checkpoint, "_CheckpointFrame", None)


def tensors_in(value: Any, depth: int = _DEPTH, seen: set[int] | None = None) -> Iterator[Any]:
    """Yield the tensors that an object refers to through containers and attributes.

    Args:
        value: the object; functions, modules and plain values are not looked into.
        depth: how many containers deep to look.
        seen: the identities of objects that were looked into.
    """
    if isinstance(value, torch.Tensor):
        yield value
        return
    seen = set() if seen is None else seen
    if depth == 0 or value is None or isinstance(value, _ATOMS) or id(value) in seen:
        return
    seen.add(id(value))
    for part in _parts(value):
        yield from tensors_in(part, depth - 1, seen)


def _parts(value: Any) -> list[Any]:
    if isinstance(value, SavedTensor):
        return [_data(value)]
    if isinstance(value, (dict, weakref.WeakKeyDictionary)):
        return list(value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    return list(getattr(value, "__dict__", {}).values())


def _data(saved: Any) -> Any:
    """Return what a saved tensor holds; torch's own stub does not know the attribute."""
    return saved.data


def closure_values(function: Any) -> Iterator[Any]:
    """Yield what a function's closure refers to."""
    for cell in getattr(function, "__closure__", None) or ():
        try:
            yield cell.cell_contents
        except ValueError:  # an empty cell: its variable is not bound yet, or was deleted
            continue


def checkpoint_frames(unpack_hook: Any) -> Iterator[Any]:
    """Yield the frames of a non-reentrant checkpoint that a hook unpacks from.

    What such a checkpoint saves is an empty holder; its inputs stand in the frame, which only the
    hook's closure refers to (torch/utils/checkpoint.py, `_checkpoint_hook`).
    """
    if _Frame is not None:
        for value in closure_values(unpack_hook):
            if isinstance(value, _Frame):
                yield value


def held_by_frame(frame: Any) -> Iterator[tuple[str, Any, bool]]:
    """Yield what a checkpoint's frame holds: a name, a tensor, whether Python refers to it."""
    for saved in getattr(frame, "saved_args", None) or ():
        data = _data(saved) if isinstance(saved, SavedTensor) else saved
        if isinstance(data, torch.Tensor):
            yield "checkpoint_input", data, not isinstance(saved, SavedTensor)
    for value in closure_values(frame.recompute_fn):
        if isinstance(value, torch.Tensor):
            yield "checkpoint_rng_state", value, True
    for recomputed in list(frame.recomputed.values()):
        for value in recomputed.values():
            if isinstance(value, torch.Tensor):
                yield "checkpoint_recomputed", value, True
