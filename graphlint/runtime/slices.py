"""The node inside a `CopySlices`: what an in-place change of a view saves.

# Note [Looking into CopySlices]
An in-place change of a view puts a `CopySlices` node on the base, with the operation's own node
inside (torch/csrc/autograd/functions/tensor.h, `CopySlices::fn`). Nothing in Python leads to that
node, so that what it saves can't be seen: no attribute, no edge, and running the outer node would
run the hooks of saved tensors. But torch exports the function that makes a node's Python wrapper,
which takes the address of a pointer to the node. The member's offset is a constant of the build. It
is found, once, in two graphs of our own: the one word in a `CopySlices` that points to an object of
the inner node's C++ class, told by its table of virtual functions, which another node of that class
shows. That search reads memory through the kernel, so that a word that is no address does no harm.
Where anything of this comes out otherwise than expected, `CopySlices` stays opaque.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from graphlint.runtime.calibration import own_tensors
from graphlint.runtime.nodes import Node

_NAMESPACE = "_ZN5torch8autograd18functionToPyObject"
# The exported name by the kind of pointer that nodes are held by, and a wrapper's size with it.
_WRAPPERS = {
    "ERKN3c1013intrusive_ptrINS0_4NodeENS1_6detail34intrusive_target_default_null_typeIS3_EEEE": 24,
    "ERKSt10shared_ptrINS0_4NodeEE": 32,
}
_WORD = ctypes.sizeof(ctypes.c_void_p)
_HEADER: int = object.__basicsize__
_FURTHEST = 1024


def node_inside(slices: Node) -> Node | None:
    """Return the node inside a `CopySlices`, which the caller keeps alive.

    Returns:
        the node; None where a pass has freed it, or where it can't be had: see `can_look_inside`.
    """
    view = _view()
    return view.node_inside(slices) if view else None


def can_look_inside() -> bool:
    """Say whether this build of torch lets one look into a `CopySlices`."""
    return _view() is not None


@dataclass(frozen=True, slots=True)
class _View:
    """How to look into a `CopySlices`: torch's function, and where in the node to point it."""

    wrap: Callable[[int], Node | None]
    offset: int

    def node_inside(self, slices: Node) -> Node | None:
        return self.wrap(_address(slices) + self.offset)


@cache
def _view() -> _View | None:
    """Find the way into a `CopySlices`, and believe it only if it leads where it should."""
    wrap = _exported_function()
    if wrap is None:
        return None
    with own_tensors():
        samples = _samples()
        try:
            offsets = [_offsets(slices, inside) for slices, inside, _ in samples]
        except (OSError, ValueError):  # no such file here
            return None
        common = set.intersection(*offsets)
        if any(found != common for found in offsets) or len(common) != 1:
            return None
        view = _View(wrap, common.pop())
        right = all(_is_right(view.node_inside(slices), *rest) for slices, *rest in samples)
    return view if right else None


def _exported_function() -> Callable[[int], Node | None] | None:
    """Return torch's function that wraps a node, given the address of a pointer to it."""
    library = Path(torch.__file__).parent / "lib" / "libtorch_python.so"
    size = torch._C._functions.CopySlices.__basicsize__
    try:
        symbols: Any = ctypes.PyDLL(str(library))
    except OSError:
        return None
    for name, expected in _WRAPPERS.items():
        function = getattr(symbols, _NAMESPACE + name, None)
        if function is not None and size == expected:
            function.restype, function.argtypes = ctypes.py_object, [ctypes.c_void_p]
            wrap: Callable[[int], Node | None] = function
            return wrap
    return None


def _samples() -> list[tuple[Node, Node, torch.Tensor]]:
    """Make some `CopySlices`: with each a node like that inside, and what that one saves."""
    leaf = torch.ones(4, device="cpu", dtype=torch.float32, requires_grad=True)
    factor = torch.full((2,), 3.0, device="cpu", dtype=torch.float32, requires_grad=True)
    scaled, squashed = leaf.clone(), leaf.clone()
    scaled[:2].mul_(factor)
    squashed[:2].sigmoid_()
    return [
        (scaled.grad_fn, (factor * factor).grad_fn, factor),
        (squashed.grad_fn, factor.sigmoid().grad_fn, squashed[:2]),
    ]


def _is_right(found: Node | None, like: Node, saved: torch.Tensor) -> bool:
    if type(found) is not type(like):
        return False
    raw = "_raw_saved_other" if hasattr(found, "_raw_saved_other") else "_raw_saved_result"
    return bool(getattr(found, raw).data.data_ptr() == saved.data_ptr())


def _offsets(slices: Node, like: Node) -> set[int]:
    """Find the words in a node that point to an object of the same C++ class as another node."""
    start, found = _address(slices), set()
    memory = os.open("/proc/self/mem", os.O_RDONLY)
    try:
        table = _word(memory, _address(like))
        for offset in range(_WORD, _FURTHEST, _WORD):
            target = _word(memory, start + offset)
            if target and target % _WORD == 0 and _word(memory, target) == table:
                found.add(offset)
    finally:
        os.close(memory)
    return found


def _word(memory: int, address: int) -> int | None:
    """Read a word of memory; None where none is mapped."""
    try:
        return int.from_bytes(os.pread(memory, _WORD, address), "little")
    except (OSError, OverflowError):
        return None


def _address(node: Node) -> int:
    """Return the address of a node: its wrapper has nothing but a pointer to it."""
    return ctypes.c_void_p.from_address(id(node) + _HEADER).value or 0
