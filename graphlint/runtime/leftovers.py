"""Gradients with graphs that passes leave in leaves: whether anybody throws them away.

A pass with `create_graph` that accumulates ties a leaf and its gradient into a cycle: see RG301. A
few of the leaves are watched by weak references until the same call is about to run such a pass
again, or the program is over: a leaf that still has the very same gradient by then, and that one
its graph, has had nothing thrown away.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import torch

_WATCHED = 8  # leaves of one pass


class Leftovers:
    """The gradients with graphs that the passes of one call leave in leaves.

    Attributes:
        passes: how many passes left any.
        cleared: those of one of them were thrown away, or went away with their leaves.
    """

    __slots__ = ("_watched", "cleared", "passes")

    def __init__(self) -> None:
        """Begin with nothing left."""
        self.passes = 0
        self.cleared = False
        self._watched: list[tuple[weakref.ref[Any], weakref.ref[Any]]] = []

    def leave(self, leaves: Iterable[Any]) -> None:
        """Take in which leaves a pass has accumulated gradients in."""
        found = []
        for leaf in leaves:
            gradient = _gradient(leaf)
            if gradient is not None and _has_graph(gradient):
                found.append((weakref.ref(leaf), weakref.ref(gradient)))
                if len(found) >= _WATCHED:
                    break
        self._watched = found
        self.passes += bool(found)

    @property
    def remain(self) -> bool:
        """Whether there were any, and nobody has thrown any away up to now."""
        left = [_is_left(*each) for each in self._watched]
        return bool(left) and all(left) and not self.cleared

    def look(self) -> None:
        """See what has become of the gradients that the last pass left."""
        watched, self._watched = self._watched, []
        self.cleared |= any(not _is_left(*each) for each in watched)


def _is_left(leaf: weakref.ref[Any], gradient: weakref.ref[Any]) -> bool:
    """Whether a leaf is alive, and has the same gradient with a graph still."""
    owner, left = leaf(), gradient()
    if owner is None or left is None:
        return False
    return _gradient(owner) is left and _has_graph(left)


def _gradient(leaf: Any) -> Any:
    return torch._C.TensorBase.grad.__get__(leaf)


def _has_graph(tensor: Any) -> bool:
    return torch._C.TensorBase.grad_fn.__get__(tensor) is not None
