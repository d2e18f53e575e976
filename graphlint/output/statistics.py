"""How often each rule was broken (`--statistics`)."""

from __future__ import annotations

import json
from collections.abc import Sequence

from graphlint.findings import Finding
from graphlint.output import Options
from graphlint.output.style import Style
from graphlint.output.wording import is_applied


def render(findings: Sequence[Finding], options: Options, as_json: bool = False) -> str:
    """Return a row for each rule that found something, the most frequent first."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.code, []).append(finding)
    ordered = sorted(groups.values(), key=lambda group: (-len(group), group[0].code))
    if as_json:
        rows = [_row(group, options) for group in ordered]
        return json.dumps(rows, indent=2) + "\n"
    width = max((len(str(len(group))) for group in ordered), default=0)
    return "".join(_line(group, options, width) for group in ordered)


def _row(group: Sequence[Finding], options: Options) -> dict[str, object]:
    fixable = sum(is_applied(finding.fix, options) for finding in group)
    first = group[0]
    return {"code": first.code, "name": first.name, "count": len(group), "fixable_count": fixable}


def _line(group: Sequence[Finding], options: Options, width: int) -> str:
    style = Style(options.color)
    fixable = sum(is_applied(finding.fix, options) for finding in group)
    mark = "*" if fixable == len(group) else "-" if fixable else " "
    count = style.bold(f"{len(group):>{width}}")
    return f"{count}  {style.code(group[0].code)}  [{style.fix(mark)}]  {group[0].name}\n"
