"""From the recorder's sums to a profile."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

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
from graphlint.runtime.calls import Sources
from graphlint.runtime.figures import Running
from graphlint.runtime.forwards import line_of
from graphlint.runtime.marks import Visit
from graphlint.runtime.recorder import Recorder
from graphlint.runtime.sites import SiteRecord
from graphlint.runtime.sizes import Holder
from graphlint.runtime.stores import store_of
from graphlint.runtime.timeline import TimeLine
from graphlint.runtime.traces import make_trace
from graphlint.runtime.trails import Keeper
from graphlint.trace import Trace

_SERIES = 16

Judge = Callable[[Trace], Sequence[Mapping[str, Any]]]


def ask_rules(trace: Trace) -> Sequence[Mapping[str, Any]]:
    """Ask the shared rules about a trace; the one place where the observer reaches for them."""
    from graphlint.judge import judge

    return [finding.to_dict() for finding in judge(trace)]


def summarise(
    recorder: Recorder,
    *,
    program: str = "",
    folder: str | None = None,
    final: bool = False,
    judge: Judge | None = ask_rules,
) -> Profile:
    """Return what was recorded up to now.

    Args:
        recorder: what was recorded.
        program: what ran.
        folder: the folder that file names are shown relative to; the current one by default.
        final: the program is over: graphs that are still alive will not be visited any more.
        judge: says what the rules find in the run's trace, in the JSON form of a finding;
            the shared rules by default, None asks nobody.
    """
    still_open = recorder.settle()
    sources = Sources(folder or str(Path.cwd()))
    visits = [visit for visit, _ in still_open]
    findings = recorder.guard.run(_find, recorder, visits, final, sources, judge) or ()
    records = recorder.sites
    records.sort(key=lambda site: (-site.exclusive_bytes.max, -site.passes))
    passing = [site for site in records if site.passes]
    return Profile(
        program=program,
        torch=torch.__version__,
        python=platform.python_version(),
        rank=_number("RANK", 0),
        world_size=_number("WORLD_SIZE", 1),
        duration_s=recorder.duration,
        peak_retained_bytes=recorder.ledger.peak_bytes,
        truncated=recorder.passes.truncated,
        recorder_errors=recorder.guard.errors,
        sites=tuple(_site(site, still_open, final, sources) for site in passing),
        growth=tuple(_growth(site, sources) for site in passing if site.growth.steady),
        held_by=_held_by(recorder, sources),
        findings=tuple(findings),
        overhead=recorder.overhead,
        timelines=(_timeline(recorder.ledger.timeline, sources),),
    )


def _find(
    recorder: Recorder, visits: list[Visit], final: bool, sources: Sources, judge: Judge | None
) -> Sequence[Mapping[str, Any]]:
    return judge(make_trace(recorder, visits, final, sources)) if judge else ()


def verdict_of(site: SiteRecord, unused: int) -> str:
    """Word the verdict of a call.

    Args:
        site: the call.
        unused: how many of its kept graphs nobody visited, or will visit.
    """
    if not site.retained:
        return "not-retained"
    if not site.reused:
        return "unneeded" if unused and not site.truncated else "unknown"
    return "partly" if unused else "needed"


def _site(
    site: SiteRecord, still_open: list[tuple[Visit, float]], final: bool, sources: Sources
) -> SiteProfile:
    place = sources.site(site)
    mine = [(visit, age) for visit, age in still_open if visit.site is site]
    unused = sum(final and not (visit.reuses or visit.truncated) for visit, _ in mine)
    held = Running(site.seconds.count, site.seconds.total, site.seconds.max)
    for _, age in mine:
        held.add(age)
    return SiteProfile(
        filename=place.filename,
        row=place.row,
        function=site.function,
        kind=site.form.value,
        passes=site.passes,
        retained_passes=site.retained,
        reused_passes=site.reused,
        verdict=verdict_of(site, site.unused + unused),
        retained_bytes=_spread(site.total_bytes),
        exclusive_bytes=_spread(site.exclusive_bytes),
        nodes=_spread(site.nodes),
        held_s=_spread(held),
        lower_bound=site.lower_bound,
        reused_by=_reused_by(site, sources),
        released=Released(site.by_later_pass, site.by_drop, site.held),
        seen_passes=site.seen,
        measured_passes=site.exclusive_bytes.count,
        holders=tuple(_holder(holder, sources) for holder in site.holders),
        left_bytes=_spread(site.left_bytes),
        released_bytes=_released_bytes(site, mine),
    )


def _released_bytes(site: SiteRecord, mine: list[tuple[Visit, float]]) -> ReleasedBytes:
    ends = site.ends
    still_held = sum(visit.watched.bytes for visit, _ in mine if visit.watched)
    return ReleasedBytes(
        ends.by_later_pass, ends.by_drop, still_held, ends.taken_over, ends.elsewhere
    )


def _holder(holder: Holder, sources: Sources) -> HolderProfile:
    line = line_of(holder.op, holder.origin, sources.tree) if holder.origin else None
    return HolderProfile(
        holder.op,
        holder.attribute,
        holder.bytes,
        holder.count,
        module=holder.module or None,
        source=f"{sources.shown(line.filename)}:{line.row}" if line else None,
        device=holder.device,
    )


def _reused_by(site: SiteRecord, sources: Sources) -> tuple[ReusedBy, ...]:
    places = [(sources.site(by), passes) for by, passes in site.reused_by.items()]
    return tuple(ReusedBy(place.filename, place.row, passes) for place, passes in places)


def _growth(site: SiteRecord, sources: Sources) -> GrowthProfile:
    place = sources.site(site)
    growth = site.growth
    return GrowthProfile(place.filename, place.row, growth.nodes_per_pass, growth.bytes_per_pass)


def _timeline(line: TimeLine, sources: Sources) -> Timeline:
    """Write down what was held over time; calls beyond the largest are put together."""
    holding = [(site, held) for site, held in line.by_site.items() if any(held)]
    largest = sorted(holding, key=lambda each: -max(each[1]))
    series = []
    for site, held in largest[:_SERIES]:
        place = sources.site(site)
        series.append(Series(place.filename, place.row, tuple(held)))
    if rest := [held for _, held in largest[_SERIES:]]:
        series.append(Series("", 0, tuple(map(sum, zip(*rest, strict=True)))))
    return Timeline(
        rank=_number("RANK", 0),
        pid=os.getpid(),
        started_at=line.started_at,
        interval_s=line.interval_s,
        series=tuple(series),
    )


def _held_by(recorder: Recorder, sources: Sources) -> tuple[HeldBy, ...]:
    held = [
        HeldBy(
            name=keeper.name,
            kind=keeper.kind,
            where=sources.where(keeper.place),
            graphs=figures.graphs,
            bytes=figures.bytes,
            nodes=figures.nodes,
            row=_row_of(keeper, sources),
        )
        for keeper, figures in recorder.lookout.held.items()
    ]
    return tuple(sorted(held, key=lambda each: (-each.bytes, -each.nodes, each.where, each.name)))


def _row_of(keeper: Keeper, sources: Sources) -> int | None:
    store = store_of(keeper, sources.tree(keeper.place.filename))
    return store[0].lineno if store else None


def _spread(values: Running) -> Spread:
    return Spread(values.mean, values.max)


def _number(variable: str, default: int) -> int:
    text = os.environ.get(variable, "")
    return int(text) if text.isdigit() else default
