"""Workflow commands, which GitHub shows as annotations of the changed lines."""

from __future__ import annotations

from collections.abc import Sequence

from graphlint.findings import Finding
from graphlint.output import Options, Sources
from graphlint.output.wording import place, shown_name


def render(findings: Sequence[Finding], _sources: Sources, options: Options) -> str:
    """Return one workflow command a finding."""
    return "".join(_command(finding, options) for finding in findings)


def _command(finding: Finding, options: Options) -> str:
    properties = {
        "title": f"graphlint ({finding.code})",
        "file": shown_name(finding.filename, options),
        "line": finding.location.row,
        "col": finding.location.column,
        "endLine": finding.end_location.row,
        "endColumn": finding.end_location.column,
    }
    # GitHub refuses an annotation whose columns belong to different lines.
    if finding.location.row != finding.end_location.row:
        del properties["col"], properties["endColumn"]
    fields = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    text = f"{place(finding, options)}: {finding.code} {finding.message}"
    return f"::error {fields}::{_data(text)}\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
