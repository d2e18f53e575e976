"""Passes that visit what earlier ones visited: which repair is right."""

from __future__ import annotations

from dataclasses import dataclass

from graphlint.trace.places import Site


@dataclass(frozen=True, slots=True)
class Border:
    """Where a graph takes over a value that has a graph already: what `.detach()` would cut.

    Attributes:
        site: the expression that stands for the value there.
        name: how it is written.
    """

    site: Site
    name: str


@dataclass(frozen=True, slots=True)
class Waste:
    """Gradients that a pass leaves below what it shares with another, and that nobody uses.

    Attributes:
        by: the pass.
        cleared: where they are thrown away.
        borders: where the pass's graph takes over what is shared; empty where that is not known.
    """

    by: Site
    cleared: Site
    borders: tuple[Border, ...] = ()


@dataclass(frozen=True, slots=True)
class Meeting:
    """A later pass visits nodes that an earlier pass visited and that save tensors.

    Attributes:
        earlier: the call of the earlier pass.
        at: the call that wrote its flag: `earlier`, or a caller that hands the flag to it.
        later: the call of the later pass.
        repeated: the later pass is run by a later iteration of a loop that the earlier one is in.
        combinable: nothing uses, changes or clears gradients between the two, and both add to them
            in the same way: one pass over the sum leaves the same gradients.
        combined: how one pass in place of the two is written, empty where that is not plain.
        borders: where the later pass's graph takes over what the earlier one visited.
        waste: gradients of either pass that are thrown away on every path, so that its graph can
            be cut from what both visit.
    """

    earlier: Site
    at: Site
    later: Site
    repeated: bool = False
    combinable: bool = False
    combined: str = ""
    borders: tuple[Border, ...] = ()
    waste: Waste | None = None
