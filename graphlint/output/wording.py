"""Words that several formats share: where a finding is, and how many there are."""

from __future__ import annotations

import os
from collections.abc import Sequence

from graphlint.findings import Applicability, Finding, Fix
from graphlint.output import Options


def shown_name(filename: str, options: Options) -> str:
    """Return a file name relative to the base folder, if it lies inside."""
    if not options.base or filename.startswith("<"):
        return filename
    path = os.path.abspath(filename)  # noqa: PTH100 (pathlib would cost start-up time)
    inside = path.startswith(os.path.join(options.base, ""))  # noqa: PTH118
    return os.path.relpath(path, options.base) if inside else filename


def place(finding: Finding, options: Options) -> str:
    """Return `file:row:column` (`file:cell n:row:column` in a notebook)."""
    cell = f":cell {finding.cell}" if finding.cell is not None else ""
    location = finding.location
    return f"{shown_name(finding.filename, options)}{cell}:{location.row}:{location.column}"


def is_applied(fix: Fix | None, options: Options) -> bool:
    """Say whether `--fix` applies a fix, under the given choice about unsafe ones."""
    if fix is None:
        return False
    unsafe = fix.applicability is Applicability.UNSAFE
    return fix.applicability is Applicability.SAFE or (unsafe and options.unsafe_fixes)


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: 1 finding, 2 findings."""
    return f"{number} {noun}" if number == 1 else f"{number} {plural or noun + 's'}"


def summary(findings: Sequence[Finding], options: Options, fixed: int = 0, failed: int = 0) -> str:
    """Return the closing line: what was found, what was fixed, and what could be.

    A fix that `--fix` alone would not apply is hinted at, as it is easy to miss.

    Args:
        findings: what is left.
        options: say which fixes count.
        fixed: how many more there were.
        failed: how many files could not be linted.
    """
    if failed:
        tail = f" {counted(failed, 'file')} could not be linted or fixed."
        return summary(findings, options, fixed) + tail
    if not findings and not fixed:
        return "No findings."
    parts = [f"{fixed} fixed, {len(findings)} left"] if fixed else []
    applied = sum(is_applied(finding.fix, options) for finding in findings)
    hidden = sum(_is_hidden(finding.fix, options) for finding in findings)
    if applied:
        parts.append(f"{applied} fixable with `--fix`")
    if hidden:
        parts.append(f"{counted(hidden, 'hidden fix', 'hidden fixes')} with `--unsafe-fixes`")
    found = f"Found {counted(len(findings) + fixed, 'finding')}"
    return f"{found} ({', '.join(parts)})." if parts else f"{found}."


def _is_hidden(fix: Fix | None, options: Options) -> bool:
    unsafe = fix is not None and fix.applicability is Applicability.UNSAFE
    return unsafe and not options.unsafe_fixes


def split_place(place: str | None) -> tuple[str | None, int | None]:
    """Return the file and the row of a place that is written `file:row`."""
    name, colon, row = (place or "").rpartition(":")
    return (name, int(row)) if colon and row.isdecimal() else (place, None)
