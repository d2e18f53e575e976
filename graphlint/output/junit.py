"""JUnit's XML, which continuous integration shows as failed tests: a suite for each file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from xml.etree import ElementTree as ET

from graphlint.findings import Finding
from graphlint.output import Options, Sources
from graphlint.output.wording import place, shown_name

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(findings: Sequence[Finding], _sources: Sources, options: Options) -> str:
    """Return the document: a failed test a finding, or one that passed where there is none."""
    root = _element(None, "testsuites", name="graphlint", **_counts(len(findings)))
    for filename, group in groupby(findings, lambda finding: finding.filename):
        members = list(group)
        name = shown_name(filename, options)
        suite = _element(root, "testsuite", name=name, **_counts(len(members)))
        for finding in members:
            _add_case(suite, finding, name, options)
    if not findings:
        root.set("tests", "1")
        suite = _element(root, "testsuite", name="graphlint", tests="1", failures="0", errors="0")
        _element(suite, "testcase", name="no findings", classname="graphlint")
    ET.indent(root)
    return f"<?xml version='1.0' encoding='utf-8'?>\n{ET.tostring(root, 'unicode')}\n"


def _add_case(suite: ET.Element, finding: Finding, name: str, options: Options) -> None:
    row, column = str(finding.location.row), str(finding.location.column)
    case = _element(
        suite, "testcase", name=finding.code, classname=name, file=name, line=row, column=column
    )
    failure = _element(case, "failure", message=finding.message, type=finding.name)
    failure.text = _clean(f"{place(finding, options)}: {finding.code} {finding.message}")


def _counts(number: int) -> dict[str, str]:
    return {"tests": str(number), "failures": str(number), "errors": "0"}


def _element(parent: ET.Element | None, tag: str, **attributes: str) -> ET.Element:
    attributes = {key: _clean(value) for key, value in attributes.items()}
    if parent is None:
        return ET.Element(tag, attributes)
    return ET.SubElement(parent, tag, attributes)


def _clean(text: str) -> str:
    """Replace what XML has no place for."""
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
