"""Look-ups in the table of layers, and the modules that only hold or wrap others."""

from __future__ import annotations

from typing import Final

from graphlint.static.knowledge.facts import Layer
from graphlint.static.knowledge.layertable import LAYERS

# Calling `Sequential` calls its members in order; the others are not called themselves.
CONTAINERS: Final[frozenset[str]] = frozenset(
    "Sequential ModuleList ModuleDict ParameterList ParameterDict".split()
)

# Calling them calls the module they were given.
WRAPPERS: Final[frozenset[str]] = frozenset(
    "DataParallel DistributedDataParallel FullyShardedDataParallel AveragedModel "
    "OptimizedModule".split()
)


def find_layer(name: str) -> Layer | None:
    """Return a layer's row by a name such as "Linear" or "torch.nn.Linear"."""
    return LAYERS.get(name.rpartition(".")[2])
