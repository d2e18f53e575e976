"""Where a graph comes from that a pass keeps, and what of that can't be known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.foreign import (
    ADOPTED,
    FOREIGN,
    FOREIGN_OP,
    MIXED,
    PRODUCT,
    doubt_callers,
)
from graphlint.static.execute.paths.frames import Frame
from graphlint.static.execute.paths.graph import Node
from graphlint.static.execute.paths.values import NodeId
from graphlint.static.knowledge.facts import NO
from graphlint.trace import Confidence, Doubt, Site

if TYPE_CHECKING:
    from graphlint.static.execute.paths.state import State

HANDED = Doubt(Confidence.LIKELY, "code that is not known was handed a part of the graph")
MULTIPLIED = Doubt(
    Confidence.POSSIBLE, "whoever calls this may have the same graph multiplied by other vectors"
)
TESTED = Doubt(Confidence.POSSIBLE, "a test makes this graph, and others may share more with it")
TEST_FOLDERS = frozenset(("test", "tests"))


def graph_doubts(state: State, visited: Sequence[NodeId], along: bool) -> frozenset[Doubt]:
    """Say what is not known of a graph, and of who else has got hold of it.

    `along` says that the pass is one of `autograd.grad`, which may be given a vector.
    """
    nodes = [state.graph[number] for number in visited]
    own = [node for node in nodes if node.op != FOREIGN_OP]
    doubts = _of_nodes(nodes, own) | doubt_callers(state, visited)
    if not state.handed.isdisjoint(visited):
        doubts |= {HANDED}  # unknown code may visit it later
    if any((ADOPTED, number) in state.facts for number in visited):
        doubts |= {FOREIGN}  # whoever made the loss may carry its graph on
    if along and any((PRODUCT, number) in state.facts for number in visited):
        doubts |= {MULTIPLIED}  # that is what products with a Hessian or a Jacobian are for
    return doubts


def _of_nodes(nodes: Sequence[Node], own: Sequence[Node]) -> frozenset[Doubt]:
    """Say what is not known of some nodes; parameters of unknown objects may be no leaves."""
    if any(map(_stands_on_unknown, nodes)):
        return frozenset((FOREIGN if all(node.saves is NO for node in nodes) else MIXED,))
    if len(own) == len(nodes):
        return frozenset((MIXED,)) if any(node.unknown for node in nodes) else frozenset()
    has_leaf = any(node.leaves for node in nodes)
    return frozenset((MIXED if own and has_leaf else FOREIGN,))


def _stands_on_unknown(node: Node) -> bool:
    return not node.opaque and any(leaf[0] == "unknown" for leaf in node.leaves)


def made_for_a_test(state: State, visited: Sequence[NodeId], writer: Site) -> frozenset[Doubt]:
    """Say whether a test has what a pass visits made, apart from the call that wrote its flag.

    The code that is tested has other callers, whose losses may share what those of a test do not.
    """
    calls = [frame for frame in state.frame.chain() if isinstance(frame.detail, ir.Function)]
    tests = [i for i, frame in enumerate(calls) if _is_test(_place(frame))]
    if _is_test(writer) or not tests or tests[0] == 0:
        return frozenset()
    tested = calls[tests[0] - 1]
    frames = [frame for number in visited if (frame := state.graph[number].frame) is not None]
    apart = any(tested not in frame.chain() for frame in frames)
    return frozenset((TESTED,)) if apart else frozenset()


def _place(frame: Frame) -> Site:
    return Site(frame.detail.filename, frame.detail.span, frame.detail.qualname)


def _is_test(site: Site) -> bool:
    path = PurePath(site.filename)
    name = path.stem
    if name.startswith("test_") or name.endswith("_test") or TEST_FOLDERS.intersection(path.parts):
        return True
    parts = site.function.split(".")
    return any(part == "test" or part.startswith(("test_", "Test")) for part in parts)
