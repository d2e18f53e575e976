"""GitLab's Code Quality report, which merge requests show beside the changed lines."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from graphlint.findings import Finding
from graphlint.output import Options, Sources
from graphlint.output.wording import shown_name
from graphlint.trace import Confidence

_SEVERITIES = {Confidence.CERTAIN: "major", Confidence.LIKELY: "minor"}


def render(findings: Sequence[Finding], sources: Sources, options: Options) -> str:
    """Return the list of issues."""
    seen: Counter[str] = Counter()
    issues = []
    for finding in findings:
        path = PurePath(shown_name(finding.filename, options)).as_posix()
        subject = f"{path}\0{finding.code}\0{_line(finding, sources)}"
        seen[subject] += 1
        issues.append(_issue(finding, path, f"{subject}\0{seen[subject]}"))
    return json.dumps(issues, indent=2, ensure_ascii=False) + "\n"


def _line(finding: Finding, sources: Sources) -> str:
    """Return the text of the finding's line: it stays the same when lines above come and go."""
    lines = sources(finding.filename).splitlines()
    row = finding.location.row
    return lines[row - 1].strip() if row <= len(lines) else str(row)


def _issue(finding: Finding, path: str, identity: str) -> dict[str, Any]:
    begin, end = finding.location, finding.end_location
    fingerprint = hashlib.sha256(identity.encode("utf-8", "backslashreplace")).hexdigest()
    return {
        "description": f"{finding.code} {finding.message}",
        "check_name": finding.name,
        "fingerprint": fingerprint,
        "severity": _SEVERITIES.get(finding.confidence, "info"),
        "location": {
            "path": path,
            "positions": {
                "begin": {"line": begin.row, "column": begin.column},
                "end": {"line": end.row, "column": end.column},
            },
        },
    }
