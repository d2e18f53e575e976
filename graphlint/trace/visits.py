"""Passes told in full, for `explain`."""

from __future__ import annotations

from dataclasses import dataclass

from graphlint.trace.places import Site


@dataclass(frozen=True, slots=True)
class Built:
    """A place whose nodes a pass visits, and how the pass finds them.

    Attributes:
        site: the code that built them.
        saves: the nodes save tensors; None where that can't be told.
        earlier: they were built in an earlier iteration of a loop that the pass is in.
        kept_by: the passes that have kept what they saved.
        freed_by: the pass that has freed it, if any.
    """

    site: Site
    saves: bool | None
    earlier: bool = False
    kept_by: tuple[Site, ...] = ()
    freed_by: Site | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """One pass on one path, told in full.

    Attributes:
        site: the call that runs the pass.
        retains: it keeps the graph; `creates`: because `create_graph` is on.
        built: the places whose nodes it visits, in source order.
        callers: the calls that led to it, the innermost first.
    """

    site: Site
    retains: bool
    creates: bool
    built: tuple[Built, ...] = ()
    callers: tuple[Site, ...] = ()
