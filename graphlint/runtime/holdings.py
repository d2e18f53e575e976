"""Which tensors a set of nodes holds, through which attribute, and how often.

A `Holding` counts the references that the graph itself has to a tensor, told apart by whether they
count as C++ references or as Python ones. Whatever else refers to it is somebody else's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch._C._autograd import SavedTensor
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from graphlint.runtime.nodes import Node, NodeKind, kind_of
from graphlint.runtime.packed import checkpoint_frames, held_by_frame, tensors_in
from graphlint.runtime.slices import can_look_inside, node_inside

# What AOTAutograd keeps beside the saved tensors, and clears after a pass that does not retain
# (torch/_functorch/_aot_autograd/runtime_wrappers.py).
_COMPILED = "_tensors_no_vc_check"
KEPT = "kept"
_PLAIN = (torch.Tensor, torch.nn.Parameter)


class Owner(NamedTuple):
    """The place in the graph that a holding is attributed to: the first that was seen."""

    node: int
    attribute: str


class Holding:
    """A tensor that the graph refers to.

    Attributes:
        held: the tensor.
        by_graph: references from C++ parts of the graph.
        by_python: references from Python parts of the graph.
        bases: holdings that this tensor's C++ object refers to (a view's base).
        attributes: holdings that this tensor's Python object refers to (wrapper subclasses).
        sparse: the sparse tensor that this one is an alias of a component of.
        has_storage: its bytes lie in a storage of its own, not in its components.
        exclusive: nobody but the graph refers to the tensor.
        owner: where the graph refers to it.
    """

    __slots__ = (
        "attributes",
        "bases",
        "by_graph",
        "by_python",
        "exclusive",
        "has_storage",
        "held",
        "owner",
        "sparse",
    )

    def __init__(self, tensor: Any, owner: Owner) -> None:
        """Start with no reference counted."""
        self.held = tensor
        self.by_graph = 0
        self.by_python = 0
        self.bases: tuple[Holding, ...] = ()
        self.attributes: tuple[Holding, ...] = ()
        self.sparse: Holding | None = None
        self.has_storage = True
        self.exclusive = False
        self.owner = owner


class Holdings:
    """The tensors that a set of nodes holds.

    Attributes:
        all: one holding for each tensor.
        saves: for each node whether it saves anything.
        opaque: how many of the nodes may hold tensors that can't be seen.
    """

    def __init__(
        self, nodes: Sequence[Node], until_drop: bool = False, kept: Sequence[Any] = ()
    ) -> None:
        """Collect what the nodes hold.

        Args:
            nodes: the nodes, which the caller must keep alive: see `_saved_tensors`.
            until_drop: take in what nodes hold until they die, which a pass does not free: the
                attributes of custom functions' contexts.
            kept: tensors that count as held by the first node: each with the caller's reference,
                and one from whatever keeps it.
        """
        self.all: list[Holding] = []
        self._by_id: dict[int, Holding] = {}
        self.saves = [False] * len(nodes)
        self.opaque = 0
        self._until_drop = until_drop
        self._frames: dict[int, tuple[Any, Owner]] = {}
        for index, node in enumerate(nodes):
            kind = kind_of(node)
            if kind.opaque:
                self.saves[index] = True
                self._collect_hidden(index, node)
            if kind.saved:
                self._collect_saved(index, node, kind)
            if kind.python:
                self._collect_context(index, node)
        for frame, owner in self._frames.values():
            for name, tensor, by_python in held_by_frame(frame):
                self._count(tensor, Owner(owner.node, name), by_python)
        self._frames.clear()
        for tensor in kept:
            self._holding(tensor, Owner(0, KEPT)).by_python += 2
        self._add_components()

    def _holding(self, tensor: Any, owner: Owner) -> Holding:
        holding = self._by_id.get(id(tensor))
        if holding is None:
            holding = self._by_id[id(tensor)] = Holding(tensor, owner)
            self.all.append(holding)
        return holding

    def _count(self, tensor: Any, owner: Owner, by_python: bool) -> None:
        holding = self._holding(tensor, owner)
        if by_python:
            holding.by_python += 1
        else:
            holding.by_graph += 1
        self.saves[owner.node] = True

    def _collect_saved(self, index: int, node: Node, kind: NodeKind) -> None:
        for raw, name in kind.saved:
            for saved in _saved_tensors(node, raw):
                data = saved.data
                if data is None:
                    continue
                owner = Owner(index, name)
                hook = saved.unpack_hook
                if hook is None and isinstance(data, torch.Tensor):
                    self._count(data, owner, by_python=False)
                    continue
                self.saves[index] = True
                for tensor in tensors_in(data):
                    self._count(tensor, owner, by_python=True)
                for frame in checkpoint_frames(hook):
                    self._frames.setdefault(id(frame), (frame, owner))

    def _collect_hidden(self, index: int, node: Node) -> None:
        """Collect what the node inside a `CopySlices` saves, where that can be seen."""
        if not (kind_of(node).slices and can_look_inside()):
            self.opaque += 1
            return
        inside = node_inside(node)
        if inside is None:
            return
        kind = kind_of(inside)
        if kind.opaque:
            self._collect_hidden(index, inside)
        self._collect_saved(index, inside, kind)
        if kind.python:
            self._collect_context(index, inside)

    def _collect_context(self, index: int, node: Node) -> None:
        for name, value in node.__dict__.items():
            if name == _COMPILED:
                for tensor in value or ():
                    if isinstance(tensor, torch.Tensor):
                        self._count(tensor, Owner(index, name), by_python=True)
            elif self._until_drop:
                for tensor in tensors_in(value):
                    self._count(tensor, Owner(index, f"ctx.{name}"), by_python=True)

    def _add_components(self) -> None:
        for holding in self.all:  # grows meanwhile: components have components
            held = holding.held
            if held.layout is torch.strided and not _is_wrapper(held):
                base = held._base if held._is_view() else None
                if base is not None:
                    holding.bases = (self._holding(base, holding.owner),)
                continue
            holding.has_storage = False
            aliases, wrapped = _components(held)
            holding.attributes = tuple(self._holding(each, holding.owner) for each in wrapped)
            for each in aliases:
                self._holding(each, holding.owner).sparse = holding


def saves_anything(node: Node) -> bool:
    """Say whether a custom function's node saves anything."""
    (saved,) = kind_of(node).saved
    return bool(_saved_tensors(node, saved.raw) or node.__dict__.get(_COMPILED))


def _saved_tensors(node: Node, raw: str) -> Sequence[Any]:
    """Return what a node saves under an attribute; nothing once it is freed.

    A `SavedTensor` is a bare pointer into its node: touching one after the node died crashes the
    process. Use it while the node is held, never store it. Reading its `data` runs no hook, no
    recomputation and no version check, unlike the node's `_saved_…` attributes.
    """
    try:
        saved = getattr(node, raw)
    except RuntimeError:  # a custom function's, or a list's, after it was freed
        return ()
    if saved is None:
        return ()
    return (saved,) if isinstance(saved, SavedTensor) else saved


def _components(tensor: Any) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return aliases of a sparse tensor's components, and the tensors that another one wraps."""
    if _is_wrapper(tensor):
        names = tensor.__tensor_flatten__()[0]
        return (), [getattr(tensor, name) for name in names]
    with torch._C._AutoDispatchBelowAutograd():
        return _sparse_components(tensor), ()


def _is_wrapper(tensor: Any) -> bool:
    return type(tensor) not in _PLAIN and is_traceable_wrapper_subclass(tensor)


def _sparse_components(tensor: Any) -> Sequence[Any]:
    if tensor.layout is torch.sparse_coo:
        return tensor._indices(), tensor._values()
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return tensor.crow_indices(), tensor.col_indices(), tensor.values()
    if tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        return tensor.ccol_indices(), tensor.row_indices(), tensor.values()
    return ()
