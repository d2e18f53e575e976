"""What the executor learned about passes that meet, on its way to the rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from graphlint.static import ir
from graphlint.static.execute.paths.graph import Leaf
from graphlint.trace import Border, Meeting, Site, Waste

Route = tuple[ir.Node, ...]
"""How the program got to a pass: its call, and the calls around it, from the innermost."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of two passes that meet.

    Attributes:
        site, route: the pass.
        borders: where its graph takes over what both visit.
        below: the leaves that it reaches through that; None where the two can't be cut apart.
        taken: when they met, its gradients had gone from there again.
    """

    site: Site
    route: Route
    borders: tuple[Border, ...] = ()
    below: frozenset[Leaf] | None = None
    taken: bool = False


@dataclass(frozen=True, slots=True)
class Encounter:
    """Two passes that meet, on one path: a `trace.Meeting` before it is known what is wasted."""

    earlier: Side
    at: Site
    later: Side
    repeated: bool
    combinable: bool
    combined: str = ""


@dataclass(slots=True)
class MeetingRecords:
    """Collects which passes meet, and what becomes of the gradients that they leave.

    Attributes:
        encounters: passes that meet.
        used: which pass left gradients in which leaf that somebody used on some path.
        cleared: where gradients were thrown away on some path.
        cleared_later: the same, of gradients that were still there when the pass had met another.
    """

    encounters: dict[Encounter, None] = field(default_factory=dict)
    used: set[tuple[Route, Leaf]] = field(default_factory=set)
    cleared: dict[tuple[Route, Leaf], Site] = field(default_factory=dict)
    cleared_later: dict[tuple[Route, Leaf], Site] = field(default_factory=dict)

    def to_meetings(self) -> Iterator[Meeting]:
        """Return the passes that meet, in the words that the rules read."""
        for met in self.encounters:
            waste = self._waste(met.earlier, met.later) or self._waste(met.later, met.earlier)
            yield Meeting(
                met.earlier.site,
                met.at,
                met.later.site,
                met.repeated,
                met.combinable,
                met.combined,
                met.later.borders,
                waste,
            )

    def _waste(self, side: Side, other: Side) -> Waste | None:
        """Return what a pass wastes on what it shares, if only the other's gradients are used.

        Where it meets itself, in a later iteration, there is no other: they are used by nobody.
        """
        places = [(side.route, leaf) for leaf in side.below or ()]
        if any(place in self.used for place in places):
            return None
        used = any((other.route, leaf) in self.used for leaf in side.below or ())
        if not used and other.route != side.route:
            return None
        where = self.cleared if side.taken else self.cleared_later
        cleared = [where[place] for place in places if place in where]
        return Waste(side.site, min(cleared), side.borders) if cleared else None
