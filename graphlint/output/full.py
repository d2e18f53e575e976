"""Findings with the source lines that prove them, in the manner of a compiler."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphlint.findings import Applicability, Finding, Fix, Location, Measured, WitnessEvent
from graphlint.output import Options, Sources
from graphlint.output.concise import headline
from graphlint.output.picture import gutter_width, picture
from graphlint.output.profile_text import format_bytes
from graphlint.output.snippet import Mark
from graphlint.output.style import Style
from graphlint.output.wording import counted


def render(findings: Sequence[Finding], sources: Sources, options: Options) -> str:
    """Return each finding with its witness drawn into the source, an empty line after each."""
    return "".join(f"{line}\n" for f in findings for line in (*_lines(f, sources, options), ""))


def _lines(finding: Finding, sources: Sources, options: Options) -> Iterator[str]:
    yield headline(finding, options)
    style = Style(options.color)
    marks = _marks(finding)
    width = gutter_width(marks)
    yield from picture(marks, finding.filename, sources, options, width)
    for label, text in _helps(finding, options):
        yield f"{' ' * width} {style.gutter('=')} {style.bold(label)}: {text}"


def _marks(finding: Finding) -> dict[str, list[Mark]]:
    """Group the finding's own place and its witness by file, the finding's file first."""
    numbered = _out_of_order(finding)
    notes: dict[tuple[str, Mark], list[str]] = {}
    own = Mark(finding.location, finding.end_location, primary=True)
    notes[finding.filename, own] = []
    for number, event in enumerate(finding.witness, 1):
        here = (event.filename, event.location) == (finding.filename, finding.location)
        mark = own if here else Mark(event.location, event.end_location or event.location)
        text = f"({number}) {event.message}" if numbered else event.message
        notes.setdefault((event.filename, mark), []).append(text)
    marks: dict[str, list[Mark]] = {}
    for (filename, mark), texts in notes.items():
        marks.setdefault(filename, []).append(
            Mark(mark.start, mark.end, tuple(texts), mark.primary)
        )
    for of_file in marks.values():
        of_file.sort(key=lambda mark: (mark.start, not mark.primary))
    return marks


def _out_of_order(finding: Finding) -> bool:
    """Say whether the events happen in another order than they stand in: they get numbers then."""

    def key(event: WitnessEvent) -> tuple[bool, str, Location]:
        return event.filename != finding.filename, event.filename, event.location

    return list(finding.witness) != sorted(finding.witness, key=key)


def _helps(finding: Finding, options: Options) -> Iterator[tuple[str, str]]:
    if finding.measured:
        yield "measured", measured(finding.measured)
    if finding.fix:
        yield _fix_label(finding.fix, options), finding.fix.message


def _fix_label(fix: Fix, options: Options) -> str:
    style = Style(options.color)
    if fix.applicability is Applicability.SAFE:
        return style.fix("fix")
    return style.fix("unsafe fix" if fix.applicability is Applicability.UNSAFE else "help")


def measured(facts: Measured) -> str:
    """Say what a run measured at a finding's call."""
    called = f"called {counted(facts.calls, 'time')}"
    if not facts.retained_bytes_mean:
        return f"{called}, kept nothing"
    each = " a time" if facts.calls > 1 else ""
    kept = f"kept {format_bytes(facts.retained_bytes_mean)}{each}"
    own = f"{format_bytes(facts.exclusive_bytes_mean)} of it held by nothing else"
    again = f"{facts.reused} visited again" if facts.reused else "never visited again"
    return f"{called}, {kept}, {own}; {again}"
