"""Explain a line: which graphs it builds, visits, keeps or frees, on the paths that were explored.

Every answer is a *story*: a sentence, the events that bear it out, and remarks. Lines that no rule
complains about have stories too: what needs a flag is told as well as what doesn't.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphlint.errors import GraphlintError
from graphlint.findings import Finding, Location
from graphlint.judge import judge
from graphlint.observing import trace_files
from graphlint.source.config import Config
from graphlint.source.read import read_source
from graphlint.source.syntax import find_syntax_problem
from graphlint.trace import Broken, Built, Clash, Doubt, Event, Site, Span, Trace, Visit

MOST_BUILT = 6  # places that build a graph, of one story
MOST_CALLERS = 3
FOREIGN = "a graph that comes from outside the analysed code"
Texts = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Story:
    """What is told of one place.

    Attributes:
        site: the place.
        headline: what happens there and whether it is needed, in a sentence.
        events: what bears that out, in order.
        remarks: a label and a text each.
    """

    site: Site
    headline: str
    events: tuple[Event, ...] = ()
    remarks: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: places as in a finding's witness."""
        return {
            "filename": self.site.filename,
            "row": self.site.row,
            "column": self.site.span.column,
            "headline": self.headline,
            "events": [
                {"filename": e.site.filename, "row": e.site.row, "message": e.message}
                for e in self.events
            ],
            "remarks": [{"label": label, "text": text} for label, text in self.remarks],
        }


def explain(filename: str, row: int, files: Sequence[str], config: Config) -> list[Story]:
    """Tell what the static observer saw of one line.

    Args:
        filename: the line's file, as `files` calls it.
        row: the line, counted from 1.
        files: the files to execute together, this one among them.
        config: names the extra functions that run a pass, or only log.

    Raises:
        GraphlintError: the file can't be read, parsed or analysed, or has no such line.
    """
    texts = _Texts()
    problem = find_syntax_problem(texts(filename), filename)
    if problem is not None:
        raise GraphlintError(f"{filename} can't be parsed: line {problem.row}: {problem.message}.")
    lines = texts(filename).splitlines()
    if not 1 <= row <= len(lines):
        raise GraphlintError(f"{filename} has {len(lines)} lines: there is no line {row} in it.")
    trace, _, failures = trace_files(files, config, telling=True)
    if filename in failures:
        raise GraphlintError(
            f"{filename}: graphlint failed on this file, by a mistake of its own "
            f"({failures[filename]}). Please report it, with the file if you may share it."
        )
    teller = _Teller(trace, filename, row, texts)
    return list(teller.stories()) or [teller.silence(lines[row - 1])]


class _Texts:
    """Reads the sources that stories quote, each once."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def __call__(self, filename: str) -> str:
        if filename not in self._known:
            try:
                self._known[filename] = read_source(filename).text
            except OSError as error:
                raise GraphlintError(
                    f"{filename}: can't be read: {error.strerror or error}."
                ) from error
        return self._known[filename]


class _Teller:
    """Tells the stories of one line of a trace."""

    def __init__(self, trace: Trace, filename: str, row: int, texts: Texts) -> None:
        self._trace, self._filename, self._row, self._texts = trace, filename, row, texts
        self._findings = judge(trace)

    def stories(self) -> Iterator[Story]:
        """Yield the stories of the passes on the line, of what it builds, and of other findings."""
        passes: dict[tuple[Site, bool, bool], list[Visit]] = {}
        for visit in self._trace.visits:
            if self._covers(visit.site):
                passes.setdefault((visit.site, visit.retains, visit.creates), []).append(visit)
        for (_, retains, _), visits in sorted(passes.items()):
            yield self._keeping(visits) if retains else self._freeing(visits)
        told = {site for site, _, _ in passes}
        yield from self._building(told)
        for finding in self._findings:
            if self._involves(finding) and not any(_is_at(finding, site) for site in told):
                yield _finding_story(finding)

    def silence(self, text: str) -> Story:
        """Say that there is nothing to tell, and what might be of use instead."""
        span = Span(self._row, 1 + len(text) - len(text.lstrip()), self._row, 1 + len(text))
        site = Site(self._filename, span)
        rows = sorted({v.site.row for v in self._trace.visits if v.site.filename == site.filename})
        if any(self._covers(call.site) for call in self._trace.calls):
            headline = "Nothing that was explored gets to the call on this line"
        else:
            headline = "This line runs no pass, and no pass visits anything that it builds"
        listed = ", ".join(map(str, rows))
        remarks = (("passes", f"this file runs some on {_lines(rows)} {listed}"),) if rows else ()
        return Story(site, f"{headline}.", (), remarks)

    # ---------------------------------------------------------------------------------- passes
    def _keeping(self, visits: Sequence[Visit]) -> Story:
        site = visits[0].site
        again = self._visited_again(site)
        sure = [(by, built) for by, built in again if built.saves]
        if sure:
            by, built = sure[0]
            why = f"{self._place(by.site)} visits {self._quote(built.site)} again"
            headline = f"Keeps the graph, which is needed, because {why}."
        elif again:
            by, built = again[0]
            why = f"{self._place(by.site)} visits {self._quote(built.site)} again"
            headline = f"Keeps the graph, which may be needed: {why}, which may save tensors."
        elif visits[0].creates:
            headline = "Keeps the graph, as `create_graph` does; no later pass visits it."
        else:
            headline = "Keeps the graph, and no later pass visits what it keeps."
        visited = {built.site for _, built in again}
        events = [*self._graph(visits, visited), Event(site, "visits the graph, and keeps it")]
        for by, built in {by.site: (by, built) for by, built in again}.values():
            source = f"what {self._place(built.site, here=False)} built"
            what = f"visits {source if built.site.filename else FOREIGN} again"
            events.append(Event(by.site, f"{what}, and {_does(by)} it"))
        return Story(site, headline, tuple(events), tuple(self._remarks(site, visits)))

    def _freeing(self, visits: Sequence[Visit]) -> Story:
        site = visits[0].site
        events = [*self._graph(visits, set()), Event(site, "visits the graph, and frees it")]
        later = next((clash.later for clash in self._freed_too_early(site)), None)
        if later is not None:
            headline = f"Frees the graph, which {self._place(later)} visits again, and raises."
            events.append(Event(later, "visits the graph again, and raises"))
        elif any(built.saves is not False for visit in visits for built in visit.built):
            headline = "Frees the graph; no later pass visits what it saved."
        else:
            headline = "Visits nothing that is known to save tensors, so that it frees nothing."
        return Story(site, headline, tuple(events), tuple(self._remarks(site, visits)))

    def _freed_too_early(self, site: Site) -> Iterator[Clash]:
        for clash in self._trace.clashes:
            if clash.why is Broken.FREED and clash.earlier == site:
                yield clash

    def _visited_again(self, site: Site) -> list[tuple[Visit, Built]]:
        """Return the later visits to what a pass keeps, each with a place that it built."""
        return [
            (visit, built)
            for visit in self._trace.visits
            for built in visit.built
            if site in built.kept_by and built.saves is not False
        ]

    def _graph(self, visits: Iterable[Visit], wanted: set[Site]) -> Iterator[Event]:
        """Yield where a graph is built that passes visit; the wanted places come first."""
        found = (b for visit in visits for b in visit.built if b.saves is not False)
        built = dict.fromkeys(b for b in found if b.site.filename)
        by_site = {each.site: each for each in built}
        chosen = sorted(by_site.values(), key=lambda b: (b.site not in wanted, not b.saves))
        for each in sorted(chosen[:MOST_BUILT], key=lambda b: b.site):
            yield Event(each.site, self._state(each))

    def _state(self, built: Built) -> str:
        may = "" if built.saves else "may "
        parts = [f"builds nodes that {may}save tensors"]
        if built.earlier:
            parts.append("in an earlier iteration")
        if built.freed_by:
            parts.append(f"freed by {self._place(built.freed_by, here=False)}")
        elif built.kept_by:
            parts.append(f"kept by {self._place(built.kept_by[0], here=False)}")
        return ", ".join(parts)

    def _remarks(self, site: Site, visits: Iterable[Visit]) -> Iterator[tuple[str, str]]:
        chains = dict.fromkeys(visit.callers for visit in visits if visit.callers)
        for chain in list(chains)[:MOST_CALLERS]:
            yield "called from", " < ".join(self._place(caller, quote=True) for caller in chain)
        if len(chains) > MOST_CALLERS:
            yield "called from", f"{len(chains) - MOST_CALLERS} other chains of calls"
        for doubt in sorted(self._doubts(site), key=lambda d: (d.confidence.rank, d.reason)):
            yield doubt.confidence.value, doubt.reason
        for finding in self._findings:
            if _is_at(finding, site):
                yield finding.code, f"{finding.confidence.value}: {finding.message}"

    def _doubts(self, site: Site) -> frozenset[Doubt]:
        passes = (p for run in self._trace.runs for p in run.passes if p.site == site)
        return self._trace.doubts_at(site).union(*(p.doubts for p in passes))

    # -------------------------------------------------------------------------------- the rest
    def _building(self, told: set[Site]) -> Iterator[Story]:
        """Yield what is done with the nodes that the line builds."""
        by_site: dict[Site, dict[Visit, None]] = {}
        for visit in self._trace.visits:
            for built in visit.built:
                if self._covers(built.site) and built.site not in told:
                    by_site.setdefault(built.site, {})[visit] = None
        for site, visits in sorted(by_site.items()):
            if any(_within(site, other) and by_site[other] == visits for other in by_site):
                continue
            done = {visit.site: f"visits it, and {_does(visit)} it" for visit in visits}
            places = [self._place(by) for by in sorted(done)]
            headline = f"Builds a part of the graph that {_listed(places)} {_verb(places)}."
            events = [Event(site, "builds nodes"), *(Event(by, what) for by, what in done.items())]
            yield Story(site, headline, tuple(events))

    def _involves(self, finding: Finding) -> bool:
        places = [(e.filename, e.location, e.end_location or e.location) for e in finding.witness]
        places.append((finding.filename, finding.location, finding.end_location))
        return any(
            filename == self._filename and start.row <= self._row <= end.row
            for filename, start, end in places
        )

    def _covers(self, site: Site) -> bool:
        span = site.span
        return site.filename == self._filename and span.row <= self._row <= span.end_row

    def _place(self, site: Site, here: bool = True, quote: bool = False) -> str:
        """Return `line 7`, or `line 7 of other.py`; with its code if asked."""
        other = f" of {Path(site.filename).name}" if site.filename != self._filename else ""
        loop = "this line" if here and not other and self._covers(site) else f"line {site.row}"
        return f"{loop}{other}" + (f", `{self._code(site)}`" if quote else "")

    def _quote(self, site: Site) -> str:
        if not site.filename:
            return FOREIGN
        return f"`{self._code(site)}` of {self._place(site, here=False)}"

    def _code(self, site: Site) -> str:
        """Return the source text of a place, shortened to a line."""
        span, lines = site.span, self._texts(site.filename).splitlines()
        line = lines[span.row - 1] if span.row <= len(lines) else ""
        end = span.end_column - 1 if span.end_row == span.row else len(line)
        text = line[span.column - 1 : end].strip()
        return f"{text} …" if span.end_row > span.row else text


def _finding_story(finding: Finding) -> Story:
    events = tuple(
        Event(_site(e.filename, e.location, e.end_location or e.location), e.message)
        for e in finding.witness
    )
    site = _site(finding.filename, finding.location, finding.end_location)
    return Story(site, f"{finding.code} ({finding.confidence.value}): {finding.message}", events)


def _site(filename: str, start: Location, end: Location) -> Site:
    return Site(filename, Span(start.row, start.column, end.row, end.column))


def _is_at(finding: Finding, site: Site) -> bool:
    start = Location(site.span.row, site.span.column)
    return finding.filename == site.filename and finding.location == start


def _within(inner: Site, outer: Site) -> bool:
    a, b = inner.span, outer.span
    starts, ends = (b.row, b.column) <= (a.row, a.column), (a.end_row, a.end_column)
    return inner != outer and starts and ends <= (b.end_row, b.end_column)


def _does(visit: Visit) -> str:
    return "keeps" if visit.retains else "frees"


def _listed(places: Sequence[str]) -> str:
    return " and ".join((", ".join(places[:-1]), places[-1])) if len(places) > 1 else places[0]


def _verb(places: Sequence[str]) -> str:
    return "visit" if len(places) > 1 else "visits"


def _lines(rows: Sequence[int]) -> str:
    return "line" if len(rows) == 1 else "lines"
