"""Names that a user can call on tensors, and the names of their parameters."""

from __future__ import annotations

import inspect
import re
from functools import cache
from typing import Any


def spaces() -> list[Any]:
    """Return the modules and classes whose callables a user meets, the most common first."""
    import torch

    functional = torch.nn.functional
    return [torch, functional, torch.Tensor, torch.linalg, torch.fft, torch.special]


@cache
def parameters(name: str) -> tuple[str, ...]:
    """Return the names of a function's positional parameters, the receiver first."""
    last = name.rpartition(".")[2]
    for space in spaces():
        function = getattr(space, last, None)
        if function is None or not callable(function):
            continue
        found = _inspected(function) or _documented(function, last)
        if found:
            # Tensor methods are documented without their receiver.
            method = inspect.isclass(space) and found[0] not in ("self", "input")
            return ("input", *found) if method else found
    return ()


def _inspected(function: Any) -> tuple[str, ...]:
    try:
        found = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return ()
    return tuple(p.name for p in found if p.kind in (p.POSITIONAL_OR_KEYWORD, p.POSITIONAL_ONLY))


def _documented(function: Any, last: str) -> tuple[str, ...]:
    """Read the parameters from a docstring such as `mul(input, other, *, out=None) -> Tensor`."""
    pattern = rf"\b{re.escape(last)}\(([^()]*(?:\([^()]*\)[^()]*)*)\)"
    match = re.search(pattern, function.__doc__ or "")
    if match is None:
        return ()
    words = re.sub(r"\([^()]*\)", "", match[1]).split(",")
    names = [word.split("=")[0].split(":")[0].strip(" *\\") or "*" for word in words]
    return tuple(name for name in names if name.isidentifier())


def uncovered(known: set[str]) -> list[str]:
    """Return the public callables that a table does not mention."""
    missing = set()
    for space in spaces():
        for name in dir(space):
            value = getattr(space, name, None)
            plain = not name.startswith("_") and callable(value) and not inspect.isclass(value)
            base = name.rstrip("_")
            if plain and name[0].islower() and not {name, base} & known:
                missing.add(name)
    return sorted(missing)
