"""Which tensors and models the user's variables lead to, found without running the user's code.

# Note [Looking through variables]
The way leads from the variables of the frames on the stack, innermost first, and from the user's
modules, breadth first, through containers, attributes, closures, hooks, suspended generators and
the tracebacks of errors (`contents.py`). There are programs with millions of objects: a search ends
after a number of objects, or after a while. What it saw of the depth that it was at then is a part
only.
"""

from __future__ import annotations

import math
import sys
import time
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from inspect import CO_ASYNC_GENERATOR, CO_GENERATOR
from itertools import chain
from types import FrameType
from typing import Any, NamedTuple

import torch

from graphlint.runtime.contents import (
    ATOMS,
    PASSED_OVER,
    Child,
    children,
    frame_variables,
    is_tensor,
    node_of,
)
from graphlint.runtime.frames import NOWHERE, Place, is_function, user_frames
from graphlint.runtime.places import Whose, classify
from graphlint.runtime.trails import Trail, Via

BUDGET = 50_000
_DEEPEST = 12
_PACE = 128  # objects between two looks at the clock


@dataclass(slots=True)
class Found:
    """A tensor with a graph.

    Attributes:
        tensor: the tensor; nothing else in a search refers to it.
        trail: the way to it.
        cut: the search ended at this depth: there may be more beside it.
    """

    tensor: Any
    trail: Trail
    cut: bool = False


class Search(NamedTuple):
    """What a search found.

    Attributes:
        found: the tensors with graphs.
        models: the modules of networks, those inside of others too, each with the way to it.
        complete: it came to its end within its budget.
    """

    found: list[Found]
    models: list[Child]
    complete: bool


def search(frames: Iterable[FrameType], budget: int = BUDGET, seconds: float = math.inf) -> Search:
    """Look for tensors with graphs, and for models: see Note [Looking through variables].

    Args:
        frames: the innermost frames of the threads to look at.
        budget: how many objects to look at.
        seconds: how much CPU time that may take.
    """
    deadline = time.thread_time() + seconds
    found: list[Found] = []
    models: list[Child] = []
    seen: dict[int, Any] = {}
    level: Iterable[Child] = _roots(frames)
    for _ in range(_DEEPEST):
        following: list[Child] = []
        above = len(found)
        for value, trail in level:
            if type(value) in ATOMS or id(value) in seen:
                continue
            if len(seen) >= budget or (not len(seen) % _PACE and time.thread_time() > deadline):
                for each in found[above:]:
                    each.cut = True
                return Search(found, models, complete=False)
            # What was seen must live on, for its identity to be its own. Tensors live in `found`,
            # or without a graph in the user's variables, and have nobody else refer to them here.
            seen[id(value)] = None if is_tensor(value) else value
            if is_tensor(value) and node_of(value) is not None:
                found.append(Found(value, trail))
            elif issubclass(type(value), torch.nn.Module):
                models.append((value, trail))
            following.extend(children(value, trail))
        level = following
    return Search(found, models, complete=True)


# --- where to begin ----------------------------------------------------------------------------


def _roots(frames: Iterable[FrameType]) -> Iterator[Child]:
    """Yield the variables of the frames, then those of the user's modules."""
    namespaces: dict[str, dict[str, Any]] = {}
    for frame in chain.from_iterable(map(user_frames, frames)):
        if is_function(frame):
            generates = frame.f_code.co_flags & (CO_GENERATOR | CO_ASYNC_GENERATOR)
            yield from frame_variables(frame, None, Via.GENERATOR if generates else Via.LOCAL)
        namespaces.setdefault(frame.f_code.co_filename, frame.f_globals)
    yield from _errors()
    for filename, namespace in chain(namespaces.items(), _modules(namespaces)):
        place = Place(filename, "", 1)
        for name, value in list(namespace.items()):
            yield value, Trail(None, Via.GLOBAL, str(name), place)


def _modules(known: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the files and the variables of the user's modules, but of those that are known."""
    for name, module in list(sys.modules.items()):
        if type(module) is not types.ModuleType or name.startswith(PASSED_OVER):
            continue
        namespace = vars(module)
        filename = namespace.get("__file__")
        if type(filename) is str and filename not in known and classify(filename) is Whose.USER:
            yield filename, namespace


def _errors() -> Iterator[Child]:
    """Yield the error that is being handled, and the one that an interactive session shows."""
    for name, error in (
        ("sys.exception()", sys.exc_info()[1]),
        ("sys.last_value", getattr(sys, "last_value", None)),
    ):
        if error is not None:
            yield error, Trail(None, Via.GLOBAL, name, NOWHERE)
