"""Whether a graph that two passes share travelled round a loop from one to the other.

# Note [Telling a carried graph from a shared one]
Both look alike at the second pass: it visits nodes that the first one visited too. But a loop that
carries a value builds its body anew on top of the old nodes in each iteration, so that what the
second pass adds repeats the kinds of nodes that the two share. Passes over several results of one
shared part (two losses over an encoder, the rows of one output) each add what they have to
themselves, which is of the same kinds in both, and does not repeat the shared part. So:

1. the shared nodes are older than the last pass of the later call, which is thus in a loop;
2. of what was built since the earlier pass, take away the kinds of nodes that the earlier pass had
   to itself (its loss, say): what is left has every kind of node that the two share.

A loop that runs its encoder outside and a deeper head each time can look carried by this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphlint.runtime.nodes import Node, kind_of

if TYPE_CHECKING:
    from graphlint.runtime.marks import Mark, Visit


def op_counts(nodes: Sequence[Node]) -> Counter[str]:
    """Count nodes by type, those that accumulate into leaves left out."""
    return Counter(type(node).__name__ for node in nodes if not kind_of(node).leaf)


def is_carried(
    earlier: Visit,
    nodes: Sequence[Node],
    marks: Sequence[Mark | None],
    last_pass: tuple[int, int] | None,
) -> bool:
    """Tell whether an earlier pass's graph came round a loop to a later pass.

    Args:
        earlier: the pass that visited some of the nodes before.
        nodes: what the later pass visits.
        marks: what earlier passes had left on these.
        last_pass: thread and sequence number of the last pass of the later call.
    """
    if last_pass is None or last_pass[0] != earlier.thread:
        return False
    shared = [n for n, mark in zip(nodes, marks, strict=True) if mark and mark.visit is earlier]
    old = {type(n).__name__ for n in shared if n._sequence_nr() < last_pass[1] and _saves(n)}
    if not old:
        return False
    built_since = [
        node
        for node, mark in zip(nodes, marks, strict=True)
        if not (mark and mark.visit is earlier) and _is_since(node, earlier)
    ]
    alone = earlier.ops - op_counts(shared)
    repeated = op_counts(built_since) - alone
    return old <= repeated.keys()


def _is_since(node: Node, earlier: Visit) -> bool:
    return not kind_of(node).leaf and node._sequence_nr() >= earlier.sequence


def _saves(node: Node) -> bool:
    return kind_of(node).can_save
