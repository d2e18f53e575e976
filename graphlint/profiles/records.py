"""The parts of a profile, each the Python form of one object of its JSON, version 1.

Bytes count whole storages, each once; seconds are wall-clock seconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from graphlint.profiles.reading import ProfileError, read

VERSION = 1


@dataclass(frozen=True, slots=True)
class Spread:
    """The mean and the largest of the values that were measured, zero where there were none."""

    mean: float = 0.0
    max: float = 0.0


@dataclass(frozen=True, slots=True)
class ReusedBy:
    """A call that visited what another one kept.

    Attributes:
        filename: the file of the visiting call.
        row: its row.
        passes: how many of the kept passes it visited.
    """

    filename: str
    row: int
    passes: int


@dataclass(frozen=True, slots=True)
class Released:
    """How the kept graphs of a site came to their end.

    Attributes:
        by_later_pass: a later pass freed or took over everything that the pass had kept.
        by_drop: the last reference to the graph went away.
        still_held: the graph was alive when the profile was made.
    """

    by_later_pass: int = 0
    by_drop: int = 0
    still_held: int = 0


@dataclass(frozen=True, slots=True)
class ReleasedBytes:
    """What became of the exclusive bytes that a site's measured passes kept: together they are all.

    Attributes:
        by_later_pass: a later pass released them.
        by_drop: the last reference to the graph, or to the part that saved them, went away.
        still_held: they were alive, and the graph's, when the profile was made.
        taken_over: a later pass visited what saved them, and kept it in turn: it answers for them.
        elsewhere: the graph came to its end, but by then the program had hold of them.
    """

    by_later_pass: int = 0
    by_drop: int = 0
    still_held: int = 0
    taken_over: int = 0
    elsewhere: int = 0


@dataclass(frozen=True, slots=True)
class HolderProfile:
    """Which saved attribute of which operation holds bytes, in a site's largest pass.

    Attributes:
        op: the name of the node's type, such as `AddmmBackward0`.
        attribute: what the node calls the saved tensor, such as `mat1`.
        bytes: exclusive bytes.
        count: number of storages.
        module: the path of the module that ran the operation, where known.
        source: the line that ran the operation, as `file:row`, where known.
        device: the device that the bytes are on.
    """

    op: str
    attribute: str
    bytes: int
    count: int
    module: str | None = None
    source: str | None = None
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class SiteProfile:
    """Everything that was measured at one call that runs backward passes.

    Attributes:
        filename: the file of the call.
        row: the call's first row.
        function: the function that the call stands in.
        kind: the form of the call, a value of `graphlint.trace.Form`.
        passes: how often it ran.
        retained_passes: how often it kept the graph.
        reused_passes: how many of those graphs a later pass visited.
        verdict: `unneeded`, `needed`, `partly`, `not-retained` or `unknown`.
        retained_bytes: bytes that the kept nodes save, whoever else holds them.
        exclusive_bytes: those that releasing the graph would have freed.
        nodes: number of nodes that a kept graph has.
        held_s: seconds from the pass to the graph's end, or to now.
        lower_bound: some graphs could not be seen whole: bytes and nodes are lower bounds.
        reused_by: the calls that visited what this one kept.
        released: how the kept graphs ended.
        holders: what holds the exclusive bytes of the largest pass.
        left_bytes: exclusive bytes that passes without retention left behind: those of nodes which
            they did not visit, and of attributes of custom functions' contexts.
        seen_passes: of how many kept graphs the recorder looked who visits them again and how they
            end; the rest was left out to save time. Reuse, release and hold times are theirs.
        measured_passes: of how many of these it measured bytes and nodes.
        released_bytes: what became of the bytes that these kept.
    """

    filename: str
    row: int
    function: str
    kind: str
    passes: int
    retained_passes: int
    reused_passes: int
    verdict: str
    retained_bytes: Spread = Spread()
    exclusive_bytes: Spread = Spread()
    nodes: Spread = Spread()
    held_s: Spread = Spread()
    lower_bound: bool = False
    reused_by: tuple[ReusedBy, ...] = ()
    released: Released = Released()
    holders: tuple[HolderProfile, ...] = ()
    left_bytes: Spread = Spread()
    seen_passes: int = 0
    measured_passes: int = 0
    released_bytes: ReleasedBytes = ReleasedBytes()


@dataclass(frozen=True, slots=True)
class GrowthProfile:
    """A call whose graphs grow from one pass to the next: a graph is carried round a loop.

    Attributes:
        filename: the file of the call.
        row: the call's first row.
        nodes_per_pass: nodes of earlier passes that each pass visits more than the one before.
        bytes_per_pass: exclusive bytes by which the graph grows.
    """

    filename: str
    row: int
    nodes_per_pass: float
    bytes_per_pass: float


@dataclass(frozen=True, slots=True)
class HeldBy:
    """A variable, attribute or container that keeps graphs alive beyond their step.

    Attributes:
        name: how the user's code names it, such as `losses` or `self.history`.
        kind: what it is: `local`, `global`, `attribute`, `list`, `dict`, `closure`, …
        where: the file, and the function or class, that it belongs to, as `train.py:main`.
        graphs: the most graphs that it was seen to hold.
        bytes: the bytes that these saved and that nothing else holds.
        nodes: their nodes: what is left of a graph that a pass has freed.
        row: the statement that puts graphs there, where it is known.
    """

    name: str
    kind: str
    where: str
    graphs: int
    bytes: int
    nodes: int = 0
    row: int | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """What the kept graphs of one call held over time.

    Attributes:
        filename: the file of the call; empty for several calls together that hold little.
        row: the call's first row.
        bytes: exclusive bytes, one number for each interval of the time line.
    """

    filename: str
    row: int
    bytes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """What the kept graphs of one process held over time, at the highest moment of each interval.

    Attributes:
        rank: the process's rank.
        pid: the number that the operating system gave to the process.
        started_at: when the first interval begins, in seconds of Unix time.
        interval_s: the length of an interval, in seconds.
        series: the calls that held anything, those first that held most at one time.
    """

    rank: int
    pid: int
    started_at: float
    interval_s: float
    series: tuple[Series, ...] = ()


@dataclass(frozen=True)
class Profile:
    """One recorded run: of one process, or of several that `merge` has put together.

    Attributes:
        program: what ran.
        torch: the version of torch, empty where the program never imported it.
        python: the version of Python.
        rank: the process's rank, 0 without a launcher.
        world_size: how many processes ran together.
        duration_s: seconds under the recorder.
        peak_retained_bytes: the most exclusive bytes that kept graphs held at one time.
        truncated: some graphs were too large to walk whole.
        recorder_errors: mistakes inside the recorder, which it kept from the program.
        sites: the calls that ran passes, largest first.
        growth: the calls whose graphs grow.
        held_by: what keeps graphs alive.
        findings: what the rules say of the run, in the JSON form of a finding.
        timelines: what was held over time, one for each process.
        overhead: the share of CPU time that the recorder kept to, None where it kept to none.
    """

    program: str = ""
    torch: str = ""
    python: str = ""
    rank: int = 0
    world_size: int = 1
    duration_s: float = 0.0
    peak_retained_bytes: int = 0
    truncated: bool = False
    recorder_errors: int = 0
    sites: tuple[SiteProfile, ...] = ()
    growth: tuple[GrowthProfile, ...] = ()
    held_by: tuple[HeldBy, ...] = ()
    findings: tuple[Mapping[str, Any], ...] = field(default=())
    timelines: tuple[Timeline, ...] = ()
    overhead: float | None = None

    @property
    def ranks(self) -> tuple[int, ...]:
        """The processes that this is a profile of."""
        return tuple(line.rank for line in self.timelines) or (self.rank,)

    @property
    def is_sampled(self) -> bool:
        """Whether kept graphs were left out to save time."""
        return any(0 < site.seen_passes < site.retained_passes for site in self.sites)

    @property
    def retained_anything(self) -> bool:
        """Whether any pass kept its graph."""
        return any(site.retained_passes for site in self.sites)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form of the contract, version 1."""
        return {"version": VERSION, **_plain(asdict(self))}

    def to_json(self) -> str:
        """Return the JSON text, one indented document with a newline at its end."""
        return json.dumps(self.to_dict(), indent=1) + "\n"

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Profile:
        """Read the JSON form of the contract; what it has beyond that is left aside.

        Raises:
            ProfileError: it is not a profile, or of another version.
        """
        version = data.get("version") if "sites" in data else None
        if not isinstance(version, int):
            raise ProfileError(
                "it is not a graphlint profile, which `graphlint run -o FILE` or `Report.save` "
                "writes"
            )
        if version > VERSION:
            raise ProfileError(
                f"it is a profile of version {version}, and this graphlint reads version {VERSION}:"
                " install a newer one (`pip install -U torch-graphlint`)"
            )
        profile = read(cls, data)
        for index, finding in enumerate(profile.findings):
            read(_FindingShape, finding, f"findings[{index}]")
        return profile

    @classmethod
    def load(cls, path: str | Path) -> Profile:
        """Read a profile from a file.

        Raises:
            ProfileError: the file can't be read, or is no profile.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
            if not isinstance(data, dict):
                data = {}
            return cls.from_dict(data)
        except OSError as error:
            reason = error.strerror or str(error)
        except (ValueError, RecursionError):
            reason = "it is not JSON in UTF-8, as a graphlint profile is"
        except ProfileError as error:
            reason = str(error)
        raise ProfileError(f"{path} can't be read: {reason}.")

    def save(self, path: str | Path) -> None:
        """Write the profile to a file as JSON; a folder that is missing is made."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(self.to_json(), encoding="utf-8")


def _plain(value: Any) -> Any:
    """Turn tuples into lists, as JSON would, so that `to_dict` survives a round trip."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


@dataclass(frozen=True, slots=True)
class _Place:
    row: int
    column: int


@dataclass(frozen=True, slots=True)
class _FindingShape:
    """What every finding has to have; the rest of its JSON form is not looked at."""

    code: str
    name: str
    message: str
    filename: str
    location: _Place
    url: str | None = None
