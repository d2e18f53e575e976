"""Profiles made by hand, so that reports are tested without a recorder."""

from __future__ import annotations

from typing import Any

from graphlint.profiles import (
    GrowthProfile,
    HeldBy,
    HolderProfile,
    Profile,
    Released,
    ReleasedBytes,
    ReusedBy,
    Series,
    SiteProfile,
    Spread,
    Timeline,
)

MIB = 2**20

SOURCE = """\
def step(model, batch):
    hidden = model.encoder(batch).relu()
    loss = hidden.square().mean()
    loss.backward(retain_graph=True)
    return loss


def penalty(model, batch):
    out = model(batch)
    out.mean().backward(retain_graph=True)
    out.std().backward()
"""


def finding(row: int = 4, **changes: Any) -> dict[str, Any]:
    return {
        "code": "RG101",
        "name": "unneeded-retain-graph",
        "message": "No later pass visits the graph that this pass keeps: drop `retain_graph`.",
        "filename": "train.py",
        "location": {"row": row, "column": 5},
        "url": "https://example.org/unneeded-retain-graph",
        **changes,
    }


def holder(module: str | None, row: int, mib: int, device: str = "cpu") -> HolderProfile:
    return HolderProfile("AddmmBackward0", "mat1", mib * MIB, 2, module, f"train.py:{row}", device)


UNNEEDED = SiteProfile(
    filename="train.py",
    row=4,
    function="step",
    kind="backward",
    passes=100,
    retained_passes=100,
    reused_passes=0,
    verdict="unneeded",
    retained_bytes=Spread(8.0 * MIB, 9.0 * MIB),
    exclusive_bytes=Spread(6.0 * MIB, 7.0 * MIB),
    nodes=Spread(12.0, 12.0),
    held_s=Spread(0.25, 0.5),
    lower_bound=True,
    released=Released(0, 99, 1),
    released_bytes=ReleasedBytes(by_drop=594 * MIB, still_held=6 * MIB),
    holders=(
        holder("encoder.layers.0", 2, 4),
        holder("encoder.layers.1", 2, 2, "cuda:0"),
        HolderProfile("PowBackward0", "self", MIB, 1, None, "train.py:3"),
    ),
)
NEEDED = SiteProfile(
    filename="train.py",
    row=10,
    function="penalty",
    kind="backward",
    passes=50,
    retained_passes=50,
    reused_passes=50,
    verdict="needed",
    exclusive_bytes=Spread(2.0 * MIB, 2.0 * MIB),
    reused_by=(ReusedBy("train.py", 11, 50),),
    released=Released(50, 0, 0),
    released_bytes=ReleasedBytes(by_later_pass=100 * MIB),
    holders=(holder("encoder", 9, 2),),
)
PLAIN = SiteProfile("train.py", 11, "penalty", "backward", 50, 0, 0, "not-retained")


def timeline(rank: int = 0, *, pid: int = 4711) -> Timeline:
    first = Series("train.py", 4, (0, MIB, 7 * MIB, 7 * MIB, MIB))
    second = Series("train.py", 10, (0, 0, 2 * MIB, 2 * MIB, 0))
    return Timeline(rank, pid, 1_790_857_026.0 + 10, 0.5, (first, second))


def profile(**changes: Any) -> Profile:
    return Profile(
        **{
            "program": "train.py",
            "torch": "2.13.0",
            "python": "3.11.7",
            "duration_s": 2.5,
            "peak_retained_bytes": 9 * MIB,
            "sites": (UNNEEDED, NEEDED, PLAIN),
            "growth": (GrowthProfile("train.py", 4, 6.0, 64.0),),
            "held_by": (HeldBy("losses", "list", "train.py:main", 20, 3 * MIB, 40, 5),),
            "findings": (finding(),),
            "timelines": (timeline(),),
            **changes,
        }
    )


def sources(filename: str) -> str:
    return SOURCE if filename == "train.py" else ""
