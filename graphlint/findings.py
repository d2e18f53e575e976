"""What is told to the user: findings and the fixes that go with them.

The JSON form is that of docs/contracts: ruff's shape, so that what reads ruff's output reads this.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from graphlint.trace import Confidence, Site


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A point in a source file: both count from 1, the column in characters."""

    row: int
    column: int

    def to_dict(self) -> dict[str, int]:
        """Return the JSON form."""
        return {"row": self.row, "column": self.column}


class Applicability(str, Enum):
    """How a fix may be used: applied by `--fix`, by `--unsafe-fixes`, or only shown."""

    SAFE = "safe"
    UNSAFE = "unsafe"
    DISPLAY = "display"


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """Replace the text from `location` up to `end_location` (exclusive) by `content`."""

    location: Location
    end_location: Location
    content: str

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "content": self.content,
            "location": self.location.to_dict(),
            "end_location": self.end_location.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class Fix:
    """A repair: what it does in a sentence, how safe it is (and why not), and its edits."""

    applicability: Applicability
    message: str
    edits: tuple[Edit, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "applicability": self.applicability.value,
            "message": self.message,
            "edits": [edit.to_dict() for edit in self.edits],
        }


@dataclass(frozen=True, slots=True)
class WitnessEvent:
    """One event of the chain that proves a finding."""

    filename: str
    location: Location
    message: str
    end_location: Location | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {**self.location.to_dict(), "filename": self.filename, "message": self.message}


@dataclass(frozen=True, slots=True)
class Measured:
    """What a recorded run measured at the finding's call (bytes, seconds; means are per pass)."""

    calls: int
    retained_bytes_mean: float
    retained_bytes_peak: int
    exclusive_bytes_mean: float
    reused: int
    held_s_mean: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a rule found, where, how sure, why, and what to do about it.

    `places` are what its fix has to change beside the location; they are no part of the JSON form.
    """

    code: str
    name: str
    message: str
    filename: str
    location: Location
    end_location: Location
    confidence: Confidence = Confidence.CERTAIN
    witness: tuple[WitnessEvent, ...] = ()
    fix: Fix | None = None
    measured: Measured | None = None
    url: str | None = None
    noqa_row: int | None = None
    cell: int | None = None
    suppressed: bool = field(default=False, compare=False)
    repair: str = field(default="", compare=False)
    places: tuple[Site, ...] = field(default=(), compare=False)

    @property
    def sort_key(self) -> tuple[str, Location, str]:
        """Order findings by file, then place, then code."""
        return self.filename, self.location, self.code

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form of the contract."""
        return {
            "code": self.code,
            "name": self.name,
            "message": self.message,
            "filename": self.filename,
            "confidence": self.confidence.value,
            "location": self.location.to_dict(),
            "end_location": self.end_location.to_dict(),
            "fix": self.fix.to_dict() if self.fix else None,
            "witness": [event.to_dict() for event in self.witness],
            "measured": self.measured.to_dict() if self.measured else None,
            "url": self.url,
            "noqa_row": self.noqa_row or self.location.row,
            "cell": self.cell,
        }
