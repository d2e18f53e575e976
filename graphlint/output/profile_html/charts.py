"""What the page's charts draw, as plain data for `charts.js`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graphlint.profiles import Profile, Series, SiteProfile

RANKS = 8
HOLDERS = 100


def chart_data(profile: Profile) -> Mapping[str, Any]:
    """Return the time lines, of those ranks that held most, and what holds the bytes of each call.

    Times are in seconds, sizes in bytes.
    """
    largest = sorted(profile.timelines, key=lambda line: -max(map(_peak, line.series), default=0))
    return {
        "timelines": [
            {
                "rank": line.rank,
                "interval": line.interval_s,
                "series": [
                    {"name": series_name(each), "bytes": each.bytes} for each in line.series
                ],
            }
            for line in sorted(largest[:RANKS], key=lambda line: line.rank)
            if any(series.bytes for series in line.series)
        ],
        "holders": [holder for site in profile.sites for holder in _holders(site)],
    }


def _holders(site: SiteProfile) -> Iterator[Mapping[str, Any]]:
    """Yield what holds a call's bytes, the largest first, and all that is small as one."""
    holders = sorted((h for h in site.holders if h.bytes > 0), key=lambda holder: -holder.bytes)
    place = f"{site.filename}:{site.row}"
    for holder in holders[:HOLDERS]:
        yield {
            "site": place,
            "operation": f"{holder.op}.{holder.attribute}",
            "module": holder.module or "",
            "source": holder.source or "",
            "device": holder.device,
            "bytes": holder.bytes,
        }
    if rest := holders[HOLDERS:]:
        others = {"operation": f"{len(rest)} others", "module": "", "source": "", "device": ""}
        yield {"site": place, **others, "bytes": sum(holder.bytes for holder in rest)}


def series_name(series: Series) -> str:
    """Name the call that a series belongs to."""
    return f"{series.filename}:{series.row}" if series.filename else "other calls"


def _peak(series: Series) -> int:
    return max(series.bytes, default=0)
