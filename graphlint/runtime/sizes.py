"""How many bytes a graph keeps, and how many of them are its alone.

*Total* bytes are those of every storage that the nodes save, whoever else uses it. *Exclusive*
bytes are those that would be given back if the graph let go of them now: what a backward pass that
does not retain would free. They are found by counting. A tensor is the graph's alone if it has no
reference but those that the graph is known to have; a storage is, if no tensor uses it but such.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import _disable_current_modes

from graphlint.runtime.calibration import Baselines, calibrate, own_tensors
from graphlint.runtime.forwards import Operation, Origin
from graphlint.runtime.holdings import Holding, Holdings
from graphlint.runtime.nodes import TOUCH_LIMIT, Node, roots_of, walk
from graphlint.runtime.releases import Watched


@dataclass(frozen=True, slots=True)
class Holder:
    """What one saved attribute of one kind of node holds alone: bytes and storages.

    Attributes:
        op: the name of the node's type.
        attribute: what the node calls the saved tensor.
        bytes: the bytes.
        count: the number of storages.
        device: the device that they are on.
        module: the path of the module that ran the operations, where known.
        origin: where to look for the line that ran them.
    """

    op: str
    attribute: str
    bytes: int
    count: int
    device: str = "cpu"
    module: str | None = None
    origin: Origin | None = None


class Part(NamedTuple):
    """One storage that is a graph's alone.

    Attributes:
        node: the index of the node that it is attributed to.
        attribute: what the node calls it.
        device: the device that it is on.
        bytes: its bytes.
    """

    node: int
    attribute: str
    device: str
    bytes: int


@dataclass(frozen=True, slots=True)
class GraphSize:
    """The size of a graph.

    Attributes:
        nodes: number of nodes, those that accumulate into leaves too.
        storages: number of storages that the graph saves.
        total_bytes: their bytes.
        exclusive_bytes: the bytes of those that are the graph's alone.
        parts: the storages that are the graph's alone.
        opaque_nodes: nodes whose saved tensors can't be seen (C++ functions).
        hidden_bytes: bytes in storages that are either an opaque node's too or somebody else's.
        truncated: the graph was not walked to its end.
        calibrated: reference counts could be read; otherwise `exclusive_bytes` is 0.
        node_bytes: exclusive bytes by the index of the node that they are attributed to.
        saves: for each node whether it saves anything.
        watched: the storages that are the graph's alone, where they are to be watched.
    """

    nodes: int
    storages: int
    total_bytes: int
    exclusive_bytes: int
    parts: tuple[Part, ...]
    opaque_nodes: int
    hidden_bytes: int
    truncated: bool
    calibrated: bool
    node_bytes: dict[int, int]
    saves: list[bool]
    watched: Watched | None = None

    @property
    def lower_bound(self) -> bool:
        """Whether there may be more exclusive bytes than were counted."""
        return self.truncated or self.opaque_nodes > 0 or not self.calibrated

    def holders(
        self,
        nodes: Sequence[Node],
        modules: Sequence[str | None],
        origins: Mapping[Operation, Origin],
    ) -> tuple[Holder, ...]:
        """Return what holds the exclusive bytes, largest first.

        Args:
            nodes: the nodes that were measured.
            modules: for each node the path of the module that ran its operation, where known.
            origins: where to look for the lines that ran operations.
        """
        sums: dict[tuple[str, str, str, str | None], list[int]] = {}
        for part in self.parts:
            place = nodes[part.node].name(), part.attribute, part.device, modules[part.node]
            counts = sums.setdefault(place, [0, 0])
            counts[0] += part.bytes
            counts[1] += 1
        holders = (
            Holder(op, attribute, size, count, device, module, origins.get((op, module)))
            for (op, attribute, device, module), (size, count) in sums.items()
        )
        return tuple(sorted(holders, key=lambda h: (-h.bytes, h.op, h.attribute, h.module or "")))


def measure(outputs: Any, *, until_drop: bool = False, limit: int = TOUCH_LIMIT) -> GraphSize:
    """Measure the graph behind some outputs, as it is now.

    Args:
        outputs: a tensor, or several, or gradient edges.
        until_drop: count what is freed when the last reference to the graph goes away, not what a
            pass frees: the attributes of custom functions' contexts too.
        limit: the number of nodes after which to stop, see Note [Touched nodes].
    """
    several = isinstance(outputs, (tuple, list))
    walked = walk(roots_of(outputs if several else (outputs,)), limit)
    return measure_nodes(walked.nodes, truncated=walked.truncated, until_drop=until_drop)


def measure_nodes(
    nodes: Sequence[Node],
    *,
    truncated: bool = False,
    until_drop: bool = False,
    kept: Sequence[Any] = (),
    watch: bool = False,
) -> GraphSize:
    """Measure the graph that consists of some nodes, which the caller keeps alive.

    Nothing of the user's runs meanwhile: no hook, no `__torch_function__`, no dispatch mode.

    Args:
        nodes: the nodes.
        truncated: there are more nodes behind these.
        until_drop: count what is freed when the last reference to the graph goes away.
        kept: tensors that go away with the graph, each of which has one reference from here and one
            from whatever keeps it.
        watch: watch the storages that are the graph's alone.
    """
    with torch._C.DisableTorchFunction():
        if torch._C._len_torch_dispatch_stack():
            with _disable_current_modes():
                return _measure(nodes, truncated, until_drop, kept, watch)
        return _measure(nodes, truncated, until_drop, kept, watch)


def _measure(
    nodes: Sequence[Node], truncated: bool, until_drop: bool, kept: Sequence[Any], watch: bool
) -> GraphSize:
    baselines = _trusted_baselines()
    holdings = Holdings(nodes, until_drop, kept)
    if baselines is not None:
        _find_exclusive(holdings.all, baselines)
    storages = _storages(holdings.all)
    if baselines is not None:
        _count_sparse_components(holdings.all, storages)
        for storage in storages.values():
            storage.count_others(baselines)
    size = _summarise(nodes, holdings, list(storages.values()), truncated, baselines is not None)
    if not watch:
        return size
    alone = (storage.held for storage in storages.values() if storage.exclusive)
    return replace(size, watched=Watched(alone))


@cache
def _trusted_baselines() -> Baselines | None:
    """Calibrate once, and believe the result only if a graph of known size comes out right."""
    baselines = calibrate()
    if baselines is None:
        return None
    with own_tensors():
        weight = torch.zeros(64, device="cpu", dtype=torch.float32, requires_grad=True)
        kept = weight.neg()
        loss = (kept.exp().sin()[:32] * kept[:32]).sum()
        nodes = walk(roots_of((loss,))).nodes
        holdings = Holdings(nodes)
        _find_exclusive(holdings.all, baselines)
        storages = _storages(holdings.all)
        for storage in storages.values():
            storage.count_others(baselines)
        # `exp`'s result and `sin`'s are the graph's alone; `kept` is ours too.
        alone = sum(storage.bytes for storage in storages.values() if storage.exclusive)
    return baselines if alone == 2 * 64 * 4 else None


def _find_exclusive(holdings: Iterable[Holding], baselines: Baselines) -> None:
    """Mark the tensors that nobody but the graph refers to.

    What an exclusive tensor refers to is held by the graph through it, so that its base may turn
    out to be exclusive in its turn.
    """
    pending = list(holdings)
    while pending:
        holding = pending.pop()
        if holding.exclusive or not _is_exclusive(holding, baselines):
            continue
        holding.exclusive = True
        for base in holding.bases:
            base.by_graph += 1
        for attribute in holding.attributes:
            attribute.by_python += 1
        pending += holding.bases
        pending += holding.attributes


def _is_exclusive(holding: Holding, baselines: Baselines) -> bool:
    # One use is that of the tensor's own Python object.
    uses = holding.held._use_count() - 1
    if uses != holding.by_graph:
        return False
    references = sys.getrefcount(holding.held) - baselines.tensor
    return references - (baselines.tensor_owned if uses > 0 else 0) == holding.by_python


class _Storage:
    """A storage, the tensors of the graph that use it, and how many others do."""

    __slots__ = ("bytes", "exclusive", "held", "key", "owner", "shared", "users", "users_alone")

    def __init__(self, held: Any, holding: Holding) -> None:
        self.held = held
        self.key: int = held._cdata
        self.bytes: int = held.nbytes()
        self.owner = holding.owner
        self.users = 0
        self.users_alone = 0
        self.exclusive = False
        self.shared = True

    def count_others(self, baselines: Baselines) -> None:
        """Find out whether anybody but the graph uses the storage."""
        uses = torch._C._storage_Use_Count(self.key) - 1  # one is that of its Python object
        references = sys.getrefcount(self.held) - baselines.storage
        if references - (baselines.storage_owned if uses > 0 else 0) > 0:
            return  # somebody has the storage object itself
        self.exclusive = uses == self.users_alone
        self.shared = not self.exclusive and self.users != self.users_alone


def _storages(holdings: Iterable[Holding]) -> dict[int, _Storage]:
    storages: dict[int, _Storage] = {}
    for holding in holdings:
        if not holding.has_storage:
            continue
        try:
            held = holding.held.untyped_storage()
        except (NotImplementedError, RuntimeError):  # an opaque tensor, a functional wrapper
            continue
        storage = storages.get(held._cdata)
        if storage is None:
            storage = storages[held._cdata] = _Storage(held, holding)
        storage.users += 1
        storage.users_alone += holding.exclusive
    return storages


def _count_sparse_components(holdings: Iterable[Holding], storages: dict[int, _Storage]) -> None:
    """Count the components inside sparse tensors as users of their storages.

    Asking a sparse tensor for its indices gives an alias; the tensor inside can't be seen, and
    copies of the sparse tensor share it. It is the graph's alone if all of those copies are.
    """
    components: dict[int, tuple[Holding, list[int]]] = {}
    for holding in holdings:
        if holding.sparse is not None and holding.has_storage:
            entry = components.setdefault(id(holding.sparse), (holding.sparse, []))
            entry[1].append(holding.held.untyped_storage()._cdata)
    copies: dict[tuple[int, ...], list[Holding]] = {}
    for sparse, keys in components.values():
        copies.setdefault(tuple(keys), []).append(sparse)
    for shared_keys, tensors in copies.items():
        for key in shared_keys:
            storages[key].users += 1
            storages[key].users_alone += all(tensor.exclusive for tensor in tensors)


def _summarise(
    nodes: Sequence[Node],
    holdings: Holdings,
    storages: list[_Storage],
    truncated: bool,
    calibrated: bool,
) -> GraphSize:
    devices: dict[Any, str] = {}
    parts = []
    for storage in storages:
        if storage.exclusive:
            device = storage.held.device
            name = devices.get(device) or devices.setdefault(device, str(device))
            parts.append(Part(*storage.owner, name, storage.bytes))
    node_bytes: dict[int, int] = {}
    for part in parts:
        node_bytes[part.node] = node_bytes.get(part.node, 0) + part.bytes
    hidden = sum(s.bytes for s in storages if not s.exclusive and not s.shared)
    return GraphSize(
        nodes=len(nodes),
        storages=len(storages),
        total_bytes=sum(storage.bytes for storage in storages),
        exclusive_bytes=sum(node_bytes.values()),
        parts=tuple(parts),
        opaque_nodes=holdings.opaque,
        hidden_bytes=hidden if holdings.opaque else 0,
        truncated=truncated,
        calibrated=calibrated,
        node_bytes=node_bytes,
        saves=holdings.saves,
    )
