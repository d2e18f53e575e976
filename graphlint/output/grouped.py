"""Findings under a heading for each file."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from graphlint.findings import Finding
from graphlint.output import Options, Sources
from graphlint.output.style import Style
from graphlint.output.wording import is_applied, shown_name


def render(findings: Sequence[Finding], _sources: Sources, options: Options) -> str:
    """Return the findings, file by file."""
    style = Style(options.color)
    blocks = []
    for filename, group in groupby(findings, key=lambda finding: finding.filename):
        lines = [f"{style.bold(shown_name(filename, options))}:\n"]
        lines += [f"  {_line(finding, options, style)}\n" for finding in group]
        blocks.append("".join(lines))
    return "\n".join(blocks)


def _line(finding: Finding, options: Options, style: Style) -> str:
    cell = f"cell {finding.cell}:" if finding.cell is not None else ""
    where = f"{cell}{finding.location.row}:{finding.location.column}"
    mark = f" [{style.fix('*')}]" if is_applied(finding.fix, options) else ""
    return f"{where} {style.code(finding.code)}{mark} {finding.message}"
