"""A count of the graphs that are alive in a process, whoever holds them and whether or not a pass
ever visited them.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass
from itertools import pairwise

import torch

from graphlint.runtime.nodes import TOUCH_LIMIT, kind_of, roots_of, walk
from graphlint.runtime.sizes import measure_nodes


@dataclass(frozen=True, slots=True)
class Census:
    """The graphs that are alive at one moment.

    Attributes:
        nodes: their backward nodes, without those that accumulate into leaves.
        bytes: the storages that these save, each once.
        truncated: there are more than were counted.
    """

    nodes: int
    bytes: int
    truncated: bool = False


def take_census(limit: int = TOUCH_LIMIT) -> Census:
    """Count the graphs behind all tensors that Python knows of.

    This collects garbage and looks at every object that the collector tracks: it takes some tens
    of milliseconds, and is for tests. Objects are told by their type alone, so that no code of
    theirs runs.

    Args:
        limit: after how many nodes to stop, see Note [Touched nodes].
    """
    gc.collect()
    tensors = [each for each in gc.get_objects() if issubclass(type(each), torch.Tensor)]
    walked = walk(roots_of(tensors), limit)
    del tensors
    inner = sum(not kind_of(node).leaf for node in walked.nodes)
    size = measure_nodes(walked.nodes, truncated=walked.truncated)
    return Census(inner, size.total_bytes, walked.truncated)


def growth(counts: list[Census]) -> Census | None:
    """Return how much the graphs grow from one count to the next, if they grow every time.

    Args:
        counts: the censuses, in order; at least two.
    """
    pairs = list(pairwise(counts))
    nodes = [after.nodes - before.nodes for before, after in pairs]
    sizes = [after.bytes - before.bytes for before, after in pairs]
    if not pairs or (min(nodes) <= 0 and min(sizes) <= 0):
        return None
    count = len(pairs)
    truncated = any(census.truncated for census in counts)
    return Census(round(sum(nodes) / count), round(sum(sizes) / count), truncated)
