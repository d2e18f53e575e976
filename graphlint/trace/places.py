"""What records refer to: places in the source, and what is not sure about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum


class Confidence(str, Enum):
    """How sure a claim is. `OBSERVED` is for what a real run did."""

    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"
    OBSERVED = "observed"

    @property
    def rank(self) -> int:
        """Order the levels: the higher the rank, the surer the claim."""
        return _RANKS[self.value]

    def __str__(self) -> str:
        return self.value


_RANKS = {"observed": 3, "certain": 3, "likely": 2, "possible": 1}


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of source text: rows and columns count from 1, columns in characters.

    The end column is the one behind the last character, as in ruff's output.
    """

    row: int
    column: int
    end_row: int
    end_column: int


@dataclass(frozen=True, slots=True, order=True)
class Site:
    """A place in the user's source: for a pass, the call expression."""

    filename: str
    span: Span
    function: str = field(default="", compare=False)

    @property
    def row(self) -> int:
        """The row of the place's first line."""
        return self.span.row


@dataclass(frozen=True, slots=True)
class Event:
    """One step of a witness: what happens at a place, in a few words."""

    site: Site
    message: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """A reason why a claim is less than certain, and how much is left of it."""

    confidence: Confidence
    reason: str


def weakest(doubts: frozenset[Doubt]) -> Confidence:
    """Return the lowest confidence among doubts, certain where there are none."""
    levels: Sequence[Confidence] = [doubt.confidence for doubt in doubts]
    return min(levels, key=lambda level: level.rank, default=Confidence.CERTAIN)
