"""Which findings a file's comments suppress, and which comments suppress nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from graphlint.findings import Finding
from graphlint.rules.rg100_unused_suppression import RULE as RG100
from graphlint.rules.rg100_unused_suppression import unused
from graphlint.selection import codes_of, default_codes
from graphlint.source.suppress import Code, Kind, Statements, Suppression

# Neither says anything about a backward pass, so that no comment is unused for want of them.
_OWN = frozenset({"RG000", RG100.code})
_OURS = re.compile(r"RG\d*\Z")


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A file's findings, divided by its comments: what is left, and what they suppress."""

    kept: tuple[Finding, ...]
    hidden: tuple[Finding, ...]


def apply_suppressions(
    findings: Iterable[Finding],
    statements: Statements,
    enabled: frozenset[str],
    filename: str,
    *,
    report_unused: bool,
) -> Suppressed:
    """Divide a file's findings by its suppression comments.

    Args:
        findings: all that the enabled rules found, whatever their confidence.
        statements: the file's statements and comments.
        enabled: the codes of the rules that are on: a comment for another can't be called unused.
        filename: what the file is called.
        report_unused: add a finding for each comment that suppresses nothing.
    """
    kept: list[Finding] = []
    hidden: list[Finding] = []
    used: set[tuple[Suppression, Code | None]] = set()
    for finding in findings:
        by = [u for s in statements.suppressions for u in _uses(s, finding)]
        used.update(by)
        (hidden if by else kept).append(_placed(finding, statements, suppressed=bool(by)))
    if report_unused and RG100.code in enabled:

        def is_used(suppression: Suppression, code: Code | None) -> bool:
            known = (suppression, code) in used
            return known or not _can_be_unused(suppression, code, enabled)

        for finding in unused(statements.suppressions, is_used, filename):
            row = finding.location.row
            named = any(_names(s, RG100.code) for s in statements.suppressions if s.covers(row))
            (hidden if named else kept).append(replace(finding, suppressed=named))
    return Suppressed(tuple(kept), tuple(hidden))


def _placed(finding: Finding, statements: Statements, *, suppressed: bool) -> Finding:
    """Say where a comment for a finding would have to stand."""
    row = statements.comment_row(finding.location.row)
    return replace(finding, noqa_row=row, suppressed=suppressed)


def _uses(suppression: Suppression, finding: Finding) -> list[tuple[Suppression, Code | None]]:
    """Return the parts of a suppression that suppress a finding."""
    if not suppression.covers(finding.location.row):
        return []
    # Nothing in a file that is no Python has a statement that a comment could speak for.
    if finding.code == "RG000" and suppression.kind is not Kind.IGNORE_FILE:
        return []
    if suppression.blanket:
        return [(suppression, None)]
    return [
        (suppression, code) for code in suppression.codes if finding.code in codes_of(code.text)
    ]


def _names(suppression: Suppression, rule: str) -> bool:
    return any(code.text == rule for code in suppression.codes)


def _can_be_unused(suppression: Suppression, code: Code | None, enabled: frozenset[str]) -> bool:
    """Whether a suppression that suppresses nothing may be called unused."""
    if code is None:
        return default_codes() - _OWN <= enabled
    if suppression.kind is Kind.NOQA and not _OURS.match(code.text):
        return False
    named = codes_of(code.text)
    if not named:
        return True  # there is no such rule
    wanted = named if len(named) == 1 else named & default_codes()
    return bool(wanted - _OWN) and wanted - _OWN <= enabled
