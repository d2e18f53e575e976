"""Which iterations of a loop are run.

# Note [Turns of a loop]
A loop that is short, by what is known of it, is run as it is. Of a long one some *turns* are run:
the first and the last iteration and, where it is known how many there are, one that stands for all
between. Where the loop's body asks for its counter (`if i == 3: break`, see `asked`), iteration 3
is run as well, and one for those between each two that are run: those before the break and the
break, and none behind it. Where it runs passes every so often, two that stand for others are run.

A loop of unknown length is taken to have two iterations at least, or as many as it takes for there
to be all turns. What raises in a third one only is less sure to happen (`suppositions`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

MOST_ASKED = 3
"""So many of the iterations that a body asks for are run, besides the first and the last."""
ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class Turn:
    """An iteration that is run, counted from 0: it stands for all from `first` to `last`.

    `last` is infinite for one that stands for all but the last of a number that is not known.
    `ends` says that it is the last one, and `first` that there are at least so many before it.
    """

    first: int
    last: float
    ends: bool = False

    @property
    def exact(self) -> bool:
        """Whether it stands for no other."""
        return self.first == self.last

    def of(self, items: Sequence[ItemT]) -> ItemT:
        """Return the item that it is run for, of all items."""
        return items[-1 if self.ends else self.first]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a loop's body asks for: iterations by number, and two that stand for others."""

    numbers: frozenset[int] = frozenset()
    twice: bool = False


def turns(count: int | None, most: int, asked: Asked = Asked()) -> tuple[Turn, ...]:
    """Choose the iterations to run of a loop.

    Args:
        count: how many it has; None where that is not known.
        most: so many are run as they are.
        asked: what its body asks for.
    """
    if count is not None and count <= most:
        return tuple(Turn(i, i, i == count - 1) for i in range(count))
    end = math.inf if count is None else count - 1
    wanted = sorted({number for number in asked.numbers if 0 < number < end})[:MOST_ASKED]
    known = [0, *wanted]
    between = count is not None or asked.twice or any(number >= 0 for number in asked.numbers)
    chosen: list[Turn] = []
    for number, following in zip(known, [*wanted, end], strict=True):
        chosen.append(Turn(number, number))
        if between and number + 1 <= following - 1:
            chosen.append(Turn(number + 1, following - 1))
    if asked.twice and count is not None and not chosen[-1].exact:
        chosen.append(chosen[-1])
    return (*chosen, _last(chosen, end))


def _last(before: Sequence[Turn], end: float) -> Turn:
    least = before[-1].first + 1
    return Turn(least if math.isinf(end) else int(end), end, ends=True)


def least_count(chosen: Sequence[Turn]) -> int:
    """Return how many iterations there are at least."""
    return chosen[-1].first + 1 if chosen else 0
