"""SARIF 2.1.0, which code scanning and editors read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from graphlint import __version__
from graphlint.findings import Finding, Fix, Location
from graphlint.output import Options, Sources
from graphlint.output.wording import shown_name
from graphlint.rules import Rule, all_rules

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_ABOUT = "https://github.com/torch-graphlint/graphlint"
_BROKEN = "RG000"


def render(findings: Sequence[Finding], _sources: Sources, options: Options) -> str:
    """Return one run, with the rules that found something."""
    found = {finding.code for finding in findings}
    rules = [rule for rule in all_rules() if rule.code in found]
    numbers = {rule.code: number for number, rule in enumerate(rules)}
    driver = {
        "name": "graphlint",
        "version": __version__,
        "informationUri": _ABOUT,
        "rules": [_rule(rule) for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, numbers[finding.code], options) for finding in findings],
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.message},
        "helpUri": rule.url,
        "defaultConfiguration": {"level": _level(rule.code)},
    }


def _level(code: str) -> str:
    return "error" if code == _BROKEN else "warning"


def _result(finding: Finding, number: int, options: Options) -> dict[str, Any]:
    place = _place(finding.filename, finding.location, finding.end_location, options)
    result = {
        "ruleId": finding.code,
        "ruleIndex": number,
        "level": _level(finding.code),
        "message": {"text": finding.message},
        "locations": [place],
        "relatedLocations": [
            {
                **_place(event.filename, event.location, event.end_location, options),
                "message": {"text": event.message},
            }
            for event in dict.fromkeys(finding.witness)  # SARIF wants each once
        ],
        "properties": {"confidence": finding.confidence.value},
    }
    if finding.fix is not None and finding.fix.edits:
        result["fixes"] = [_fix(finding.filename, finding.fix, options)]
    return result


def _fix(filename: str, fix: Fix, options: Options) -> dict[str, Any]:
    replacements = [
        {
            "deletedRegion": _region(edit.location, edit.end_location),
            "insertedContent": {"text": edit.content},
        }
        for edit in fix.edits
    ]
    artifact = {"artifactLocation": _artifact(filename, options), "replacements": replacements}
    return {"description": {"text": fix.message}, "artifactChanges": [artifact]}


def _place(
    filename: str, start: Location, end: Location | None, options: Options
) -> dict[str, Any]:
    artifact, region = _artifact(filename, options), _region(start, end)
    return {"physicalLocation": {"artifactLocation": artifact, "region": region}}


def _region(start: Location, end: Location | None) -> dict[str, int]:
    rows: Iterable[tuple[str, Location]] = [("start", start), *([("end", end)] if end else [])]
    return {
        f"{side}{name}": number
        for side, point in rows
        for name, number in (("Line", point.row), ("Column", point.column))
    }


def _artifact(filename: str, options: Options) -> dict[str, str]:
    """Return a path as a URI: relative to the root of the sources, or absolute."""
    path = Path(shown_name(filename, options))
    return {"uri": path.as_uri() if path.is_absolute() else quote(path.as_posix())}
