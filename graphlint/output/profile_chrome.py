"""A profile as a Chrome trace: what kept graphs hold over time, as counters for Perfetto.

The format is that of the "Trace Event Format" document, counter events `"ph": "C"`. Times count
from the same base as in the traces of `torch.profiler`, and processes have the same numbers, so
that the events of both can stand in one file.

# Note [The base of torch.profiler's times]
Its library Kineto counts from the last multiple of 7,889,238 seconds (a quarter of a year) of Unix
time, for a double to hold microseconds to the nanosecond, and writes that base into the trace as
`baseTimeNanoseconds`. Measured with torch 2.13: 227 times that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from graphlint.profiles import Profile, Series, Timeline

QUARTER_S = 7_889_238
COUNTER = "bytes kept by graphs"


def render(profile: Profile) -> str:
    """Return the JSON text of a Chrome trace, with one process for each rank."""
    starts = [line.started_at for line in profile.timelines]
    base = int(min(starts, default=0)) // QUARTER_S * QUARTER_S
    events = [event for line in profile.timelines for event in _events(profile, line, base)]
    document = {
        "traceEvents": events,
        "displayTimeUnit": "ms",
        "baseTimeNanoseconds": base * 10**9,
        "otherData": {"program": profile.program, "torch": profile.torch},
    }
    return json.dumps(document) + "\n"


def _events(profile: Profile, line: Timeline, base: int) -> Iterator[dict[str, Any]]:
    rank = f" rank {line.rank}" if profile.world_size > 1 else ""
    process = {"name": f"{profile.program or 'python'}{rank}"}
    yield {"ph": "M", "name": "process_name", "pid": line.pid, "tid": 0, "args": process}
    start = (line.started_at - base) * 1e6
    previous = None
    for index, held in enumerate(zip(*(series.bytes for series in line.series), strict=True)):
        if held != previous:
            args = dict(zip(map(_name, line.series), held, strict=True))
            at = round(start + index * line.interval_s * 1e6, 3)
            yield {"ph": "C", "name": COUNTER, "pid": line.pid, "ts": at, "args": args}
            previous = held


def _name(series: Series) -> str:
    return f"{series.filename}:{series.row}" if series.filename else "other calls"
