"""One line a finding: `file:row:column: CODE [*] message`."""

from __future__ import annotations

from collections.abc import Sequence

from graphlint.findings import Finding
from graphlint.output import Options, Sources
from graphlint.output.style import Style
from graphlint.output.wording import is_applied, place


def headline(finding: Finding, options: Options) -> str:
    """Return the line that names the place, the rule and what happens."""
    style = Style(options.color)
    where = style.bold(place(finding, options))
    mark = f" [{style.fix('*')}]" if is_applied(finding.fix, options) else ""
    return f"{where}: {style.code(finding.code)}{mark} {finding.message}"


def render(findings: Sequence[Finding], _sources: Sources, options: Options) -> str:
    """Return one line a finding."""
    return "".join(f"{headline(finding, options)}\n" for finding in findings)
