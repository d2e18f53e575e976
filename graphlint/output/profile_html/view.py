"""What stands on the page, call by call and line by line, before it is marked up."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphlint.output import Sources
from graphlint.output.profile_html.charts import series_name
from graphlint.output.profile_html.listing import FileView, list_files
from graphlint.output.profile_text import ends, notes, ranks
from graphlint.profiles import Profile, Series, SiteProfile
from graphlint.rules import all_rules

VERDICTS = {
    "unneeded": "No later pass visits what it keeps.",
    "partly": "A later pass visits some of the graphs that it keeps, not all of them.",
    "needed": "Later passes visit every graph that it keeps.",
    "unknown": "The recording ended before it was clear whether a later pass visits what it keeps.",
    "not-retained": "It keeps no graph.",
}
# What has to be mended comes first on the page.
_ORDER = ("unneeded", "partly", "unknown", "needed")
_SHOWN = 12
_USE_INSTEAD = re.compile(r"^## Use instead\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Cure:
    """What a rule says of a call.

    Attributes:
        code: the rule.
        name: the name of the rule.
        parts: its sentences, plain text and code in turn, as the backticks in them say.
        url: the address of its page, empty where there is none.
        example: the mended code of its page, empty where it has none.
        place: where the finding is, as `file:row`.
    """

    code: str
    name: str
    parts: tuple[str, ...]
    url: str
    example: str
    place: str


@dataclass(frozen=True, slots=True)
class SiteView:
    """One call, with what is said of it.

    Attributes:
        index: its number in the profile.
        site: its figures.
        place: where it is, as `file:row`.
        sentence: what its verdict means.
        cures: what rules say of it.
    """

    index: int
    site: SiteProfile
    place: str
    sentence: str
    cures: tuple[Cure, ...]

    @property
    def function(self) -> str:
        """The function that the call stands in, "" for a module."""
        return "" if self.site.function == "<module>" else self.site.function

    @property
    def ends(self) -> str:
        """What became of the bytes that it kept, in words."""
        return ends(self.site.released_bytes)


@dataclass(frozen=True, slots=True)
class SeriesView:
    """One call on a time line: the most it held, when that was, and what it held at the end."""

    rank: int
    name: str
    most: int
    at_s: float
    last: int


@dataclass(frozen=True, slots=True)
class Page:
    """What the template shows.

    Attributes:
        profile: the figures.
        ranks: which processes they are of, empty for a program with one process.
        kept: the calls that kept graphs, in the order of what is to be done about them.
        plain: the calls that kept none.
        cures: findings at other places than the calls.
        series: the calls of all time lines.
        files: source lines that hold bytes.
        notes: what to bear in mind.
    """

    profile: Profile
    ranks: str
    kept: tuple[SiteView, ...]
    plain: tuple[SiteView, ...]
    cures: tuple[Cure, ...]
    series: tuple[SeriesView, ...]
    files: tuple[FileView, ...]
    notes: tuple[str, ...]

    @property
    def first(self) -> tuple[SiteView, ...]:
        """The calls that kept graphs and stand on the page at once."""
        return self.kept[:_SHOWN]

    @property
    def more(self) -> tuple[SiteView, ...]:
        """Those that are shown when asked for."""
        return self.kept[_SHOWN:]

    @property
    def unneeded(self) -> int:
        """How many calls keep graphs that nobody visits again, always or sometimes."""
        return sum(view.site.verdict in ("unneeded", "partly") for view in self.kept)

    @property
    def only_partly(self) -> bool:
        """Whether all of those are visited again sometimes."""
        return all(view.site.verdict != "unneeded" for view in self.kept)


def make_page(profile: Profile, sources: Sources) -> Page:
    """Gather what the page shows.

    Args:
        profile: the figures.
        sources: gives the text of the files that the profile names.
    """
    at_calls = {(site.filename, site.row) for site in profile.sites}
    cures = {place: _cures(profile.findings, place) for place in at_calls}
    views = [
        _site_view(index, site, cures[site.filename, site.row])
        for index, site in enumerate(profile.sites)
    ]
    kept = [view for view in views if view.site.retained_passes]
    return Page(
        profile=profile,
        ranks=ranks(profile),
        kept=tuple(sorted(kept, key=_urgency)),
        plain=tuple(view for view in views if not view.site.retained_passes),
        cures=tuple(_cure(f) for f in profile.findings if _place(f) not in at_calls),
        series=tuple(
            _series_view(line.rank, line.interval_s, series)
            for line in profile.timelines
            for series in line.series
        ),
        files=list_files(profile, sources),
        notes=tuple(notes(profile)),
    )


def _site_view(index: int, site: SiteProfile, cures: tuple[Cure, ...]) -> SiteView:
    sentence = VERDICTS.get(site.verdict, site.verdict)
    return SiteView(index, site, f"{site.filename}:{site.row}", sentence, cures)


def _urgency(view: SiteView) -> int:
    verdict = view.site.verdict
    return _ORDER.index(verdict) if verdict in _ORDER else len(_ORDER)


def _series_view(rank: int, interval_s: float, series: Series) -> SeriesView:
    most = max(series.bytes, default=0)
    at_s = series.bytes.index(most) * interval_s if series.bytes else 0.0
    last = series.bytes[-1] if series.bytes else 0
    return SeriesView(rank, series_name(series), most, at_s, last)


def _place(finding: Mapping[str, Any]) -> tuple[str, int]:
    return finding["filename"], finding["location"]["row"]


def _cures(findings: Sequence[Mapping[str, Any]], place: tuple[str, int]) -> tuple[Cure, ...]:
    return tuple(_cure(finding) for finding in findings if _place(finding) == place)


def _cure(finding: Mapping[str, Any]) -> Cure:
    """Take a finding's words, and the example from the page of its rule, where that is known."""
    # Under -OO rules have no pages.
    pages = [rule.page for rule in all_rules() if rule.code == finding["code"] and rule.page]
    section = _USE_INSTEAD.search(pages[0]) if pages else None
    example = _CODE.search(section[1]) if section else None
    filename, row = _place(finding)
    return Cure(
        code=finding["code"],
        name=finding["name"],
        parts=tuple(finding["message"].split("`")),
        url=finding.get("url") or "",
        example=example[1] if example else "",
        place=f"{filename}:{row}",
    )
