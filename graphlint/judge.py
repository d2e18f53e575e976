"""Ask the rules about a trace: from records to findings."""

from __future__ import annotations

from collections.abc import Iterable

from graphlint.findings import Finding, Location, WitnessEvent
from graphlint.rules import Claim, Rule, all_rules
from graphlint.rules.rule import lowest
from graphlint.trace import Event, Trace


def judge(trace: Trace, rules: Iterable[Rule] | None = None) -> list[Finding]:
    """Return what the rules (all of them, unless told) find in a trace, in source order.

    Of several claims of one rule about one place, the surest is kept.
    """
    best: dict[tuple[str, str, Location], Finding] = {}
    for rule in all_rules() if rules is None else rules:
        for claim in rule.check(trace) if rule.check else ():
            finding = _finding(trace, rule, claim)
            key = (finding.code, finding.filename, finding.location)
            if key not in best or finding.confidence.rank > best[key].confidence.rank:
                best[key] = finding
    return sorted(best.values(), key=lambda finding: finding.sort_key)


def _finding(trace: Trace, rule: Rule, claim: Claim) -> Finding:
    span = claim.site.span
    return Finding(
        code=rule.code,
        name=rule.name,
        message=_message(trace, rule, claim),
        filename=claim.site.filename,
        location=Location(span.row, span.column),
        end_location=Location(span.end_row, span.end_column),
        confidence=trace.confidence(claim.doubts),
        witness=tuple(_witness(event) for event in claim.witness),
        url=rule.url,
        repair=claim.repair,
        places=claim.places,
    )


def _message(trace: Trace, rule: Rule, claim: Claim) -> str:
    message = claim.message or rule.message
    doubt = None if trace.observed else lowest(claim.doubts)
    return f"{message} ({doubt.confidence.value}: {doubt.reason})" if doubt else message


def _witness(event: Event) -> WitnessEvent:
    span = event.site.span
    start, end = Location(span.row, span.column), Location(span.end_row, span.end_column)
    return WitnessEvent(event.site.filename, start, event.message, end)
