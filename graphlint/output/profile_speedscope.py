"""A profile for speedscope (https://www.speedscope.app): what holds the bytes, as a flame graph.

The format is that of speedscope's `src/lib/file-format-spec.ts`. A sample's weight is a number of
bytes; its stack leads from the call that kept the graph, by the modules that ran the forward pass,
to the operation and the attribute that holds them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from graphlint import __version__
from graphlint.output.wording import split_place
from graphlint.profiles import HolderProfile, Profile, SiteProfile

SCHEMA = "https://www.speedscope.app/file-format-schema.json"


class Frame(NamedTuple):
    """One level of a stack."""

    name: str
    file: str | None = None
    line: int | None = None


def render(profile: Profile) -> str:
    """Return the JSON text of a speedscope file."""
    frames: dict[Frame, int] = {}
    samples, weights = [], []
    for site in profile.sites:
        # Side by side in speedscope's "time order", what one module holds is one block.
        for holder in sorted(site.holders, key=lambda each: each.module or ""):
            if holder.bytes > 0:
                stack = _stack(site, holder)
                samples.append([frames.setdefault(frame, len(frames)) for frame in stack])
                weights.append(holder.bytes)
    document = {
        "$schema": SCHEMA,
        "name": profile.program or "graphlint",
        "exporter": f"graphlint@{__version__}",
        "activeProfileIndex": 0,
        "shared": {"frames": [_plain(frame) for frame in frames]},
        "profiles": [
            {
                "type": "sampled",
                "name": "Bytes that the largest pass of each call keeps",
                "unit": "bytes",
                "startValue": 0,
                "endValue": sum(weights),
                "samples": samples,
                "weights": weights,
            }
        ],
    }
    return json.dumps(document, indent=1) + "\n"


def _stack(site: SiteProfile, holder: HolderProfile) -> Iterator[Frame]:
    """Yield the frames from the call down to what holds the bytes."""
    yield Frame(f"{site.function} ({site.filename}:{site.row})", site.filename, site.row)
    path = holder.module.split(".") if holder.module else []
    for depth in range(len(path)):
        yield Frame(".".join(path[: depth + 1]))
    name = f"{holder.op}.{holder.attribute}"
    if holder.device != "cpu":
        name += f" on {holder.device}"
    yield Frame(name, *split_place(holder.source))


def _plain(frame: Frame) -> dict[str, Any]:
    return {key: value for key, value in frame._asdict().items() if value is not None}
