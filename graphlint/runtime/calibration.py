"""How many references a tensor and a storage have when nobody but the recorder refers to them.

The counts differ between versions of Python and torch, so they are measured, at first use, on
tensors of our own; a small graph of known size then tells whether the arithmetic holds here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes


@dataclass(slots=True)
class Slot:
    """Refers to one object, as the records of a measurement do."""

    held: Any


@dataclass(frozen=True, slots=True)
class Baselines:
    """Reference counts as `sys.getrefcount(slot.held)` gives them.

    Attributes:
        tensor: of a tensor that only the slot refers to.
        tensor_owned: what is added where C++ refers to the tensor too.
        storage: of a storage object that only the slot refers to.
        storage_owned: what is added where a tensor uses the storage.
    """

    tensor: int
    tensor_owned: int
    storage: int
    storage_owned: int


@contextmanager
def own_tensors() -> Iterator[None]:
    """Let the recorder make tensors and graphs of its own, unseen by the user's modes."""
    with (
        _disable_current_modes(),
        torch._C.DisableTorchFunction(),
        torch.inference_mode(mode=False),
        torch.enable_grad(),
    ):
        yield


def calibrate() -> Baselines | None:
    """Measure the baselines; None where this torch gives no access to use counts."""
    if not (hasattr(torch.Tensor, "_use_count") and hasattr(torch._C, "_storage_Use_Count")):
        return None
    with own_tensors():
        tensor = Slot(torch.empty(1, device="cpu"))
        alone = sys.getrefcount(tensor.held)
        product = torch.empty(1, device="cpu", requires_grad=True) * tensor.held
        owned = sys.getrefcount(tensor.held) - alone
        storage = Slot(tensor.held.untyped_storage())
        used = sys.getrefcount(storage.held)
        lone = Slot(torch.UntypedStorage(1, device="cpu"))
        unused = sys.getrefcount(lone.held)
        del product
    return Baselines(alone, owned, unused, used - unused)
