"""What the page's charts draw, as plain data for `charts.js`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphlint.profiles import Profile, Series

RANKS = 8


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
        "holders": [
            {
                "site": f"{site.filename}:{site.row}",
                "operation": f"{holder.op}.{holder.attribute}",
                "module": holder.module or "",
                "source": holder.source or "",
                "device": holder.device,
                "bytes": holder.bytes,
            }
            for site in profile.sites
            for holder in site.holders
            if holder.bytes > 0
        ],
    }


def series_name(series: Series) -> str:
    """Name the call that a series belongs to."""
    return f"{series.filename}:{series.row}" if series.filename else "other calls"


def _peak(series: Series) -> int:
    return max(series.bytes, default=0)
