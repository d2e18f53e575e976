"""Count the nodes that live: each carries a token that dies with it."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

KEY = "graphlint-token"


@dataclass
class Population:
    """How many nodes live."""

    living: int = 0

    def settled(self) -> int:
        """Return how many nodes live that no garbage refers to."""
        gc.collect()
        return self.living


class _Token:
    def __init__(self, population: Population) -> None:
        self.population = population
        population.living += 1

    def __del__(self) -> None:
        self.population.living -= 1


class _Marking(TorchFunctionMode):
    """Give the node of each result a token."""

    def __init__(self, population: Population) -> None:
        super().__init__()
        self.population = population

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Iterable[type],
        args: Any = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        for value in result if isinstance(result, (tuple, list)) else (result,):
            node = value.grad_fn if isinstance(value, torch.Tensor) else None
            if node is not None and KEY not in node.metadata:
                node.metadata[KEY] = _Token(self.population)
        return result


@contextlib.contextmanager
def counted(population: Population) -> Iterator[None]:
    """Count the nodes that are made inside; what was there before is no garbage to look for."""
    gc.freeze()
    try:
        with _Marking(population):
            yield
    finally:
        gc.unfreeze()
