"""Backward nodes: what kinds there are, and how to walk from one to the next.

A walk is not free of consequences. See Note [Touched nodes].
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

# A backward node. torch types it as `torch.autograd.graph.Node`, which lacks the raw attributes.
Node = Any

# Note [Touched nodes]
# torch drops a graph without recursion, node after node from a list, but only those nodes that
# nobody else refers to (`deleteNode` in torch/csrc/autograd/function.cpp, 2.4). A Python wrapper
# refers to its node, and reading `next_functions` makes one for every node it returns; from some
# version on (2.13 does, `THPCppFunction` in python_cpp_function.h) it lives as long as the node. So
# a graph that was walked is destroyed recursively, several C frames a node: measured, a chain of
# 50,000 walked nodes overflows a stack of 8 MB when it is dropped, in the user's program, long
# after the walk; one of 30,000 does not, and one that was never walked is fine at any length.
# Hence the limit on all walked nodes that are alive at once, and why it counts nodes that were
# discovered, not those that were expanded.
TOUCH_LIMIT = 10_000

_RAW_PREFIX = "_raw_saved_"
_COMPILER = "torch._functorch._aot_autograd.runtime_wrappers"


class Saved(NamedTuple):
    """What a type of node saves.

    Attributes:
        raw: the attribute that gives raw access to it.
        name: what torch's derivative formulas call it: `_raw_saved_mat1` is `mat1`.
    """

    raw: str
    name: str


@dataclass(frozen=True, slots=True)
class NodeKind:
    """What is common to the nodes of one type.

    Attributes:
        saved: what a node saves.
        leaf: the node accumulates into a leaf's `.grad`. See Note [Why AccumulateGrad is never
            marked].
        opaque: it may hold tensors that no attribute of it gives.
        slices: it has another node inside. See Note [Looking into CopySlices].
        python: it is the context of a custom `torch.autograd.Function`.
    """

    saved: tuple[Saved, ...] = ()
    leaf: bool = False
    opaque: bool = False
    slices: bool = False
    python: bool = False
    can_save: bool = False


_PYTHON_FUNCTION = NodeKind((Saved("_raw_saved_tensors", "tensors"),), python=True, can_save=True)
LEAF: type = torch._C._functions.AccumulateGrad


class _Kinds(dict[type, NodeKind]):
    """The kinds of nodes by their type, each made when it is first asked for."""

    def __missing__(self, node_type: type) -> NodeKind:
        # Types of custom functions are made at run time, one for each class: they are recognised,
        # not remembered, so that no class is kept alive here.
        if issubclass(node_type, torch._C._FunctionBase):
            return _PYTHON_FUNCTION
        kind = self[node_type] = _builtin_kind(node_type)
        return kind


_KINDS = _Kinds()


def kind_of(node: Node) -> NodeKind:
    """Look up the kind of a node."""
    return _KINDS[type(node)]


def _builtin_kind(node_type: type) -> NodeKind:
    name = node_type.__name__
    saved = tuple(
        Saved(attribute, attribute.removeprefix(_RAW_PREFIX))
        for attribute in dir(node_type)
        if attribute.startswith(_RAW_PREFIX)
    )
    slices = name == "CopySlices"
    opaque = slices or name == "CppFunction"
    return NodeKind(saved, node_type is LEAF, opaque, slices, can_save=bool(saved) or opaque)


def run_compiled_code(nodes: Iterable[Node]) -> bool:
    """Say whether any of some nodes is what `torch.compile` made of a graph.

    It is a custom function of a class that AOTAutograd makes for each graph (torch 2.13,
    `_AOTDispatchAutogradFunctionFactory`).
    """
    return _COMPILER in sys.modules and any(
        kind_of(node).python and type(node)._forward_cls.__module__ == _COMPILER for node in nodes
    )


def roots_of(outputs: Iterable[Any]) -> list[Node]:
    """Return the nodes that a pass over the outputs starts from.

    Args:
        outputs: tensors or `torch.autograd.graph.GradientEdge`s; a tensor without a graph has none.
    """
    roots = []
    for output in outputs:
        node = output.grad_fn if isinstance(output, torch.Tensor) else output.node
        if node is not None:
            roots.append(node)
    return roots


@dataclass(slots=True)
class Walk:
    """The nodes that were reached from some roots, in order of discovery.

    It keeps the nodes alive: drop it as soon as it was read.

    Attributes:
        nodes: the nodes, those that accumulate into leaves too.
        marks: for each node what the walking recorder had left on it, else None.
        marked: there may be any marks at all.
        truncated: the limit was hit, there are more nodes behind these.
    """

    nodes: list[Node] = field(default_factory=list)
    marks: list[Any] = field(default_factory=list)
    marked: bool = False
    truncated: bool = False


def walk(roots: Iterable[Node], limit: int = TOUCH_LIMIT, key: str | None = None) -> Walk:
    """Walk a graph from its roots, each node once.

    Args:
        roots: where to start.
        limit: how many nodes without a mark may be touched; a node's fan-out may exceed it.
        key: the metadata key under which the recorder leaves its marks; None: there are none.
    """
    nodes = list(dict.fromkeys(roots))
    seen = set(nodes)
    ceiling, expanded = limit, 0
    for node in nodes:  # grows meanwhile
        if len(nodes) >= ceiling:
            allowance = limit - _count_fresh(nodes, key)
            if allowance <= 0:
                break
            ceiling = len(nodes) + allowance
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                nodes.append(following)
        expanded += 1
    marks = _marks(nodes, key) if key else [None] * len(nodes)
    return Walk(nodes, marks, marked=key is not None, truncated=expanded < len(nodes))


def _marks(nodes: Iterable[Node], key: str) -> list[Any]:
    return [None if type(node) is LEAF else node.metadata.get(key) for node in nodes]


def _count_fresh(nodes: Sequence[Node], key: str | None) -> int:
    """Count the inner nodes that bear no mark."""
    fresh = sum(type(node) is not LEAF for node in nodes)
    return fresh - sum(mark is not None for mark in _marks(nodes, key)) if key else fresh


def executed(walked: Walk, inputs: Iterable[Any], accumulate: bool) -> Iterator[int]:
    """Yield the indices of the walked nodes that a pass with `inputs=` really visits.

    Those are the nodes on a path to a target, the node that an input comes from. The target itself
    is visited where it accumulates (`backward(inputs=…)`); for `grad(…)` its incoming gradient is
    captured before it runs (torch/csrc/autograd/engine.cpp, `GraphTask::init_to_execute`).
    """
    parents = _parents(walked.nodes)
    targets = _targets(walked.nodes, inputs)
    on_path: set[Node] = set(targets) if accumulate else set()
    pending = list(targets)
    while pending:
        for parent in parents.get(pending.pop(), ()):
            if parent not in on_path:
                on_path.add(parent)
                pending.append(parent)
    return (index for index, node in enumerate(walked.nodes) if node in on_path)


def _parents(nodes: Iterable[Node]) -> dict[Node, list[Node]]:
    parents: dict[Node, list[Node]] = {}
    for node in nodes:
        for following, _ in node.next_functions:
            if following is not None:
                parents.setdefault(following, []).append(node)
    return parents


def _targets(nodes: Iterable[Node], inputs: Iterable[Any]) -> list[Node]:
    leaves = {id(node.variable): node for node in nodes if kind_of(node).leaf}
    targets = []
    for given in inputs:
        tensor = isinstance(given, torch.Tensor)
        node = (given.grad_fn or leaves.get(id(given))) if tensor else given.node
        if node is not None:
            targets.append(node)
    return targets
