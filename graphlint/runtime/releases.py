"""What becomes of the bytes that passes keep: a later pass releases them, or their last reference.

# Note [Watching storages]
A graph's end is seen from the marks on its nodes; that of its bytes is not: a storage may be shared
by nodes of which one pass frees some, and another keeps the rest, and the program may get hold of
it meanwhile. So every storage that a pass keeps for itself is watched by a weak reference, as
`torch.multiprocessing.reductions.StorageWeakRef` does it: one that keeps the storage's address from
being used again, and none of its memory. What is gone when a pass begins went with its last
reference; what is gone when the pass is over, and was there before, the pass has released.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from graphlint.runtime.untraced import untraced_throughout

if TYPE_CHECKING:
    from graphlint.runtime.marks import Visit


class Watched:
    """Storages that a pass keeps for itself: see Note [Watching storages]."""

    __slots__ = ("_bytes", "_free")

    def __init__(self, storages: Iterable[Any]) -> None:
        """Begin to watch some storages, each of which is given once."""
        self._bytes: dict[int, int] = {each._weak_ref(): each.nbytes() for each in storages}
        self._free = torch.UntypedStorage._free_weak_ref  # torch may be gone at the end

    @property
    def bytes(self) -> int:
        """The bytes of the storages that are watched."""
        return sum(self._bytes.values())

    def take_gone(self) -> int:
        """Stop watching the storages that are gone, and return their bytes."""
        expired = torch.UntypedStorage._expired
        return sum([self._take(address) for address in list(self._bytes) if expired(address)])

    def take_shared(self, other: Watched) -> int:
        """Stop watching the storages that another one watches too, and return their bytes."""
        return sum([self._take(address) for address in self._bytes.keys() & other._bytes.keys()])

    def joined(self, other: Watched | None) -> Watched:
        """Watch what another one has watched, too, in its place."""
        if other is not None:
            other.take_shared(self)
            self._bytes.update(other._bytes)
            other._bytes.clear()
        return self

    def _take(self, address: int) -> int:
        self._free(address)
        return self._bytes.pop(address)

    @untraced_throughout
    def __del__(self) -> None:
        for address in self._bytes:
            self._free(address)


@dataclass(slots=True)
class Ends:
    """What became of the bytes that a call's passes kept.

    Attributes:
        by_later_pass: a later pass released them.
        by_drop: the last reference to their graph, or to the part that saved them, went away.
        taken_over: a later pass visited what saved them, and kept it in turn.
        elsewhere: their graph came to its end, but by then the program had hold of them.
    """

    by_later_pass: int = 0
    by_drop: int = 0
    taken_over: int = 0
    elsewhere: int = 0


def before_pass(visits: Iterable[Visit]) -> None:
    """Take in what is gone, of graphs that a pass is about to visit."""
    for visit in visits:
        if visit.watched is not None:
            visit.site.ends.by_drop += visit.watched.take_gone()


def after_pass(visits: Iterable[Visit]) -> None:
    """Take in what is gone, of graphs that a pass has just visited."""
    for visit in visits:
        if visit.watched is not None:
            visit.site.ends.by_later_pass += visit.watched.take_gone()


def hand_on(visits: Iterable[Visit], heir: Visit | None, *, kept: bool) -> None:
    """Take in who has what a pass visited, now that its marks stand on the nodes.

    Args:
        visits: the earlier passes that had kept some of it.
        heir: the pass, where it keeps what it visited and is followed.
        kept: the pass keeps what it visited.
    """
    measured = heir.watched if heir is not None else None
    for visit in visits:
        watched, ends = visit.watched, visit.site.ends
        if watched is None:
            continue
        if measured is not None:
            ends.taken_over += watched.take_shared(measured)
        if not visit.ended:
            continue
        visit.watched = None
        if measured is not None or not kept:
            ends.elsewhere += watched.bytes
            continue
        ends.taken_over += watched.bytes
        if heir is not None:
            heir.watched = watched.joined(heir.watched)


def dropped(visit: Visit) -> None:
    """Take in that all nodes of a kept graph are gone."""
    if visit.watched is not None:
        visit.site.ends.by_drop += visit.watched.take_gone()
        visit.site.ends.elsewhere += visit.watched.bytes
        visit.watched = None
