"""What keeps graphs alive beyond their step: from tensors that were found to figures.

# Note [Beyond its step]
At a pass, every graph that was built before the last pass but one of the same call has outlived its
step; what was built since may be this step's, or a variable that the next assignment frees. What
the pass itself visits is in use, however old it is. When a block is over, there is no next pass:
then all graphs count that hold bytes, and several together, and only these when the program is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from graphlint.runtime.contents import node_of
from graphlint.runtime.ledger import Ledger
from graphlint.runtime.nodes import Node, kind_of
from graphlint.runtime.reach import Found
from graphlint.runtime.sites import SiteRecord
from graphlint.runtime.sizes import measure_nodes
from graphlint.runtime.trails import Keeper, keeper_of

_WALKED = 2_000
_SAMPLE = 32


@dataclass(frozen=True, slots=True)
class Held:
    """The graphs that a keeper leads to.

    Attributes:
        graphs: how many there are.
        bytes: the bytes that go away with them.
        nodes: their nodes, without those of leaves.
        freed: passes have freed all that they saved: nobody can visit them any more.
        estimated: there are more than were looked at: bytes and nodes are those of a sample, scaled
            up.
        counted: the number of graphs is no lower bound.
        freed_by: the call that ran one of these passes.
        identity: tells that two keepers are one container by two names: its identity and the number
            of its first node. None where the keeper is no container.
    """

    graphs: int
    bytes: int
    nodes: int
    freed: bool
    estimated: bool = False
    counted: bool = True
    freed_by: SiteRecord | None = None
    identity: tuple[int, int] | None = None

    def with_most(self, other: Held) -> Held:
        """Return what is known from both of two looks at one keeper, this one the later."""
        most = max(self, other, key=lambda each: (each.graphs, each.bytes))
        return replace(most, bytes=max(self.bytes, other.bytes), identity=self.identity)


@dataclass(frozen=True, slots=True)
class Scene:
    """What else is known at the time of a search.

    Attributes:
        before: graphs that were built before this number of a node have outlived their step; None:
            there is no next step.
        current: the nodes that a pass is about to visit.
        over: the program is over, so that no single graph outlives anything.
        period: how many nodes a step builds, None or 0 where that is not known.
        longest: the same for graphs that the loop at hand has not added to.
    """

    before: int | None = None
    current: Collection[Node] = frozenset()
    over: bool = False
    period: float | None = None
    longest: float | None = None

    def period_of(self, roots: Sequence[Node]) -> float | None:
        """Return how many nodes a step builds of the loop that built some graphs."""
        if self.before is None or max(root._sequence_nr() for root in roots) >= self.before:
            return self.period
        return self.longest


@dataclass(slots=True)
class _Walked:
    """The nodes of some roots' graphs.

    Attributes:
        roots: how many of the roots were walked from.
        graphs: how many of their graphs have no inner node in common.
        inner: the nodes, without those that accumulate into leaves.
        leaves: those.
        truncated: there are more nodes than might be looked at.
    """

    roots: int = 0
    graphs: int = 0
    inner: list[Node] = field(default_factory=list)
    leaves: list[Node] = field(default_factory=list)
    truncated: bool = False


@dataclass(slots=True)
class _Group:
    """The tensors that one keeper leads to.

    Attributes:
        container: the identity of the keeper, where it is a container.
        tensors: the tensors, each referred to from here alone.
        cut: there may be more of them.
    """

    container: int
    tensors: list[Any] = field(default_factory=list)
    cut: bool = False


def held_by(found: list[Found], scene: Scene, ledger: Ledger) -> dict[Keeper, Held]:
    """Tell what keeps graphs alive beyond their step: see Note [Beyond its step].

    Args:
        found: the tensors with graphs that variables lead to; the list is emptied, as each tensor
            must have one reference from here.
        scene: what else is known.
        ledger: says how many nodes may be looked at, and is told of them.
    """
    groups: dict[Keeper, _Group] = {}
    found.reverse()
    while found:
        _sort_in(found.pop(), scene, groups)
    held = {keeper: _measure(group, scene, ledger) for keeper, group in groups.items()}
    return {keeper: figures for keeper, figures in held.items() if figures is not None}


def _sort_in(found: Found, scene: Scene, groups: dict[Keeper, _Group]) -> None:
    if node_of(found.tensor) not in scene.current:
        keeper, container = keeper_of(found.trail)
        group = groups.setdefault(keeper, _Group(container))
        group.tensors.append(found.tensor)
        group.cut |= found.cut


def _measure(group: _Group, scene: Scene, ledger: Ledger) -> Held | None:
    """Measure what one keeper holds, None where none of it has outlived its step."""
    roots = [node_of(tensor) for tensor in group.tensors]
    sample = _spread(group.tensors)
    group.tensors.clear()
    walked = _walk([node_of(tensor) for tensor in sample], min(_WALKED, ledger.spare))
    ledger.touch(walked.inner)
    if scene.before is not None and not any(
        node._sequence_nr() < scene.before and node not in scene.current
        for node in (*roots, *walked.inner)
    ):
        return None
    del sample[walked.roots :]
    size = measure_nodes([*walked.inner, *walked.leaves], until_drop=True, kept=sample)
    freed = not any(size.saves)
    graphs = _count(roots, walked, freed, scene.period_of(roots))
    if graphs < 2 and (scene.over or not size.exclusive_bytes):
        return None
    scale = len(roots) / max(1, walked.roots)
    return Held(
        graphs=graphs,
        bytes=round(size.exclusive_bytes * scale),
        nodes=round(len(walked.inner) * scale),
        freed=freed,
        estimated=walked.roots < len(roots),
        counted=not group.cut and (len(roots) > 1 or not walked.truncated),
        freed_by=next(filter(None, map(ledger.freed_by, walked.inner)), None) if freed else None,
        identity=(group.container, roots[0]._sequence_nr()) if group.container else None,
    )


def _spread(tensors: list[Any]) -> list[Any]:
    """Return the tensors, of very many a few from everywhere."""
    return tensors[:: -(-len(tensors) // _SAMPLE) or 1]


def _walk(roots: Sequence[Node], limit: int) -> _Walked:
    """Walk the graphs of some roots, until there are too many nodes."""
    walked = _Walked()
    seen: set[Node] = set()
    for root in roots:
        if len(seen) >= limit:
            walked.truncated = True
            break
        walked.roots += 1
        pending, joins = [root], False
        while pending and len(seen) < limit:
            node = pending.pop()
            leaf = kind_of(node).leaf
            if node in seen:
                joins |= not leaf
                continue
            seen.add(node)
            (walked.leaves if leaf else walked.inner).append(node)
            pending += [following for following, _ in node.next_functions if following is not None]
        walked.graphs += not joins
        walked.truncated |= bool(pending)
    return walked


def _count(roots: Sequence[Node], walked: _Walked, freed: bool, period: float | None) -> int:
    """Count the graphs that are held: those of one step are one, once a pass has freed them."""
    alone = round(walked.graphs * len(roots) / max(1, walked.roots))
    if not period:
        return alone
    nodes = roots if len(roots) > 1 else walked.inner
    numbers: list[int] = sorted(node._sequence_nr() for node in nodes)
    if len(roots) > 1:
        steps = 1 + sum(b - a > period / 2 for a, b in pairwise(numbers))
    else:
        steps = 1 + int((numbers[-1] - numbers[0]) / period) if numbers else 1
    return steps if freed else max(alone, steps)
