"""One profile from those of several processes that ran one program together.

Passes, graphs and their ends are added up. Bytes are those of one process, as each has a memory of
its own: means are over all passes, peaks are those of the process where they were highest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any, TypeVar

from graphlint.profiles.reading import ProfileError
from graphlint.profiles.records import (
    GrowthProfile,
    HeldBy,
    Profile,
    Released,
    ReleasedBytes,
    ReusedBy,
    SiteProfile,
    Spread,
)
from graphlint.rules import all_rules
from graphlint.rules.rule import Holds

T = TypeVar("T")


def load_run(paths: Sequence[Path]) -> Profile:
    """Read the profiles of one run, one file for each of its processes, as one profile.

    Raises:
        ProfileError: a file can't be read or is no profile, or they are not of one run.
    """
    profiles = {path: Profile.load(path) for path in paths}
    first, *others = profiles
    ranks = dict.fromkeys(profiles[first].ranks, first)
    for path in others:
        if profiles[path].program != profiles[first].program:
            raise ProfileError(
                f"{path} is a profile of {profiles[path].program!r}, and {first} one of "
                f"{profiles[first].program!r}: give the files of one run only."
            )
        for rank in profiles[path].ranks:
            if rank in ranks:
                raise ProfileError(
                    f"{path} is a profile of rank {rank}, as {ranks[rank]} is: give one file for "
                    "each rank of one run."
                )
            ranks[rank] = path
    return merge(list(profiles.values()))


def merge(profiles: Sequence[Profile]) -> Profile:
    """Put the profiles of several ranks together."""
    if len(profiles) == 1:
        return profiles[0]
    profiles = sorted(profiles, key=lambda profile: profile.rank)
    sites = _groups(
        (site for profile in profiles for site in profile.sites),
        lambda site: (site.filename, site.row, site.function, site.kind),
    )
    merged = [_merge_sites(group) for group in sites]
    return replace(
        profiles[0],
        world_size=max(profile.world_size for profile in profiles),
        duration_s=max(profile.duration_s for profile in profiles),
        peak_retained_bytes=max(profile.peak_retained_bytes for profile in profiles),
        truncated=any(profile.truncated for profile in profiles),
        recorder_errors=sum(profile.recorder_errors for profile in profiles),
        sites=tuple(sorted(merged, key=lambda site: (-site.exclusive_bytes.max, -site.passes))),
        growth=_merge_growth(growth for profile in profiles for growth in profile.growth),
        held_by=_merge_held_by(held for profile in profiles for held in profile.held_by),
        findings=tuple(_merge_findings(profiles)),
        timelines=tuple(line for profile in profiles for line in profile.timelines),
    )


def _groups(items: Iterable[T], key: Callable[[T], object]) -> list[list[T]]:
    groups: dict[object, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())


def _merge_sites(sites: Sequence[SiteProfile]) -> SiteProfile:
    """Put together what several processes measured at one call."""
    weights = [site.retained_passes for site in sites]
    others = [site.passes - site.retained_passes for site in sites]
    reused_by = _groups(
        (by for site in sites for by in site.reused_by), lambda by: (by.filename, by.row)
    )
    largest = max(sites, key=lambda site: site.exclusive_bytes.max)
    return replace(
        largest,
        passes=sum(site.passes for site in sites),
        retained_passes=sum(weights),
        reused_passes=sum(site.reused_passes for site in sites),
        verdict=_verdict(sites),
        retained_bytes=_spread([site.retained_bytes for site in sites], weights),
        exclusive_bytes=_spread([site.exclusive_bytes for site in sites], weights),
        nodes=_spread([site.nodes for site in sites], weights),
        held_s=_spread([site.held_s for site in sites], weights),
        lower_bound=any(site.lower_bound for site in sites),
        reused_by=tuple(
            ReusedBy(group[0].filename, group[0].row, sum(by.passes for by in group))
            for group in reused_by
        ),
        released=_sum(Released, [site.released for site in sites]),
        left_bytes=_spread([site.left_bytes for site in sites], others),
        seen_passes=sum(site.seen_passes for site in sites),
        measured_passes=sum(site.measured_passes for site in sites),
        released_bytes=_sum(ReleasedBytes, [site.released_bytes for site in sites]),
    )


def _sum(cls: type[T], counts: Sequence[T]) -> T:
    """Add up dataclasses of numbers, field by field."""
    rows = zip(*(astuple(each) for each in counts), strict=True)  # type: ignore[call-overload]
    return cls(*map(sum, rows))


def _verdict(sites: Sequence[SiteProfile]) -> str:
    """Judge a call by what several processes say of it; no process outvotes another."""
    verdicts = {site.verdict for site in sites if site.retained_passes}
    if not verdicts:
        return "not-retained"
    if len(verdicts) == 1:
        return verdicts.pop()
    if "partly" in verdicts or {"needed", "unneeded"} <= verdicts:
        return "partly"
    return "needed" if "needed" in verdicts else "unknown"


def _spread(spreads: Sequence[Spread], weights: Sequence[int]) -> Spread:
    total = sum(spread.mean * weight for spread, weight in zip(spreads, weights, strict=True))
    return Spread(total / max(1, sum(weights)), max(spread.max for spread in spreads))


def _merge_growth(growth: Iterable[GrowthProfile]) -> tuple[GrowthProfile, ...]:
    """Keep, of each call, what the process saw where its graphs grow fastest."""
    groups = _groups(growth, lambda each: (each.filename, each.row))
    return tuple(max(group, key=lambda each: each.nodes_per_pass) for group in groups)


def _merge_held_by(held_by: Iterable[HeldBy]) -> tuple[HeldBy, ...]:
    groups = _groups(held_by, lambda held: (held.name, held.kind, held.where))
    return tuple(
        replace(
            group[0],
            graphs=sum(held.graphs for held in group),
            bytes=sum(held.bytes for held in group),
            nodes=sum(held.nodes for held in group),
        )
        for group in groups
    )


def _merge_findings(profiles: Sequence[Profile]) -> list[Mapping[str, Any]]:
    """Return what the rules found in any process, unless they claim something of all of them.

    A claim such as "no later pass visits this graph" has to hold wherever the call ran.
    """
    universal = {rule.code for rule in all_rules() if rule.holds is Holds.EVERY}
    found = {key: finding for p in reversed(profiles) for key, finding in _keyed(p).items()}
    return [
        finding
        for key, finding in sorted(found.items())
        if finding["code"] not in universal
        or all(key in _keyed(profile) or not _ran(profile, finding) for profile in profiles)
    ]


def _keyed(profile: Profile) -> dict[tuple[str, int, int, str], Mapping[str, Any]]:
    keyed = {}
    for finding in profile.findings:
        location = finding["location"]
        place = finding["filename"], location["row"], location["column"], finding["code"]
        keyed[place] = finding
    return keyed


def _ran(profile: Profile, finding: Mapping[str, Any]) -> bool:
    """Whether a process ran the call that a finding is about, and kept a graph there."""
    place = finding["filename"], finding["location"]["row"]
    return any(
        site.retained_passes and (site.filename, site.row) == place for site in profile.sites
    )
