"""Passes that torch refuses: what the error says, and which earlier pass is behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphlint.runtime.carried import Carried
from graphlint.trace import Broken

if TYPE_CHECKING:
    from graphlint.runtime.marks import Visit
    from graphlint.runtime.nodes import Walk
    from graphlint.runtime.sites import SiteRecord

# The wording of torch/csrc/autograd/saved_variable.cpp, 2.4 to 2.13.
_FREED = "through the graph a second time"
_MODIFIED = "modified by an inplace operation"
# That of torch/_functorch/_aot_autograd/runtime_wrappers.py, 2.5 to 2.13.
_DONATED = "non-empty donated buffers"


@dataclass(frozen=True, slots=True)
class ClashRecord:
    """A pass that raised, and the pass that freed or kept what it visited.

    Attributes:
        why: what was wrong with the nodes.
        earlier: the call of the earlier pass, where it is known.
        later: the call of the pass that raised.
        carried: the nodes were built in an earlier iteration of a loop.
        optimizers: the names of the optimizers of the graph's parameters.
    """

    why: Broken
    earlier: SiteRecord | None
    later: SiteRecord
    carried: Carried
    optimizers: tuple[str, ...] = ()


def reason(error: BaseException) -> Broken | None:
    """Tell what an error of the engine says of the graph, None for any other error."""
    if not isinstance(error, RuntimeError):
        return None
    message = str(error)
    if _FREED in message:
        return Broken.FREED
    return Broken.MODIFIED if _MODIFIED in message else None


def cannot_be_kept(error: BaseException) -> bool:
    """Tell whether compiled code refused to run a pass because that keeps its graph."""
    return isinstance(error, RuntimeError) and _DONATED in str(error)


def culprit(why: Broken, walked: Walk) -> Visit | None:
    """Find the earlier pass behind an error.

    Of the nodes that an earlier pass freed (or kept), the engine comes first to the one that was
    built last, which is the one that raises.

    Args:
        why: what the error says.
        walked: the graph of the pass that raised, with the marks that it had before.
    """
    best: tuple[int, Visit] | None = None
    for node, mark in zip(walked.nodes, walked.marks, strict=True):
        if mark is None or mark.visit is None or not mark.saves:
            continue
        if mark.visit.keeps is (why is Broken.MODIFIED):
            sequence = node._sequence_nr()
            if best is None or sequence > best[0]:
                best = sequence, mark.visit
    return best[1] if best else None
