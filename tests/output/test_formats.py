"""The formats other than `full`, the closing line, and the choice of colours."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from handmade import at

from graphlint.findings import Finding
from graphlint.output import FORMATS, Options, no_sources, renderer
from graphlint.output import statistics as statistics_table
from graphlint.output.style import wants_color
from graphlint.output.wording import shown_name, summary

# The parts of SARIF's own schema that a linter's output has; all of it is 3,000 lines long.
SARIF = json.loads(Path(__file__).with_name("sarif.schema.json").read_text(encoding="utf-8"))
SCHEMA = json.loads(Path(__file__).with_name("finding.schema.json").read_text(encoding="utf-8"))


def rendered(name: str, *findings: Finding, options: Options | None = None) -> str:
    return renderer(name)(findings, no_sources, options or Options())


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_renders_nothing_and_something(name: str, unneeded: Finding) -> None:
    assert "RG101" not in rendered(name)
    assert "RG101" in rendered(name, unneeded)


def test_json_keeps_its_contract(unneeded: Finding, hidden: Finding) -> None:
    listed = json.loads(rendered("json", unneeded, hidden, replace(unneeded, fix=None)))
    jsonschema.validate(listed, SCHEMA)
    assert listed[0]["location"] == {"row": 7, "column": 1}
    assert listed[0]["fix"]["edits"][0]["content"] == ""
    assert listed[0]["noqa_row"] == 7


def test_json_lines_are_the_same_objects(unneeded: Finding, hidden: Finding) -> None:
    lines = rendered("json-lines", unneeded, hidden).splitlines()
    assert [json.loads(line) for line in lines] == json.loads(rendered("json", unneeded, hidden))


def test_concise_is_one_line(unneeded: Finding) -> None:
    line = f"a.py:7:1: RG101 [*] {unneeded.message}\n"
    assert rendered("concise", unneeded) == line
    notebook = replace(unneeded, cell=3)
    assert rendered("concise", notebook).startswith("a.py:cell 3:7:1: RG101")


def test_unsafe_fix_is_marked_only_where_it_would_be_applied(hidden: Finding) -> None:
    assert "[*]" not in rendered("concise", hidden)
    assert "[*]" in rendered("concise", hidden, options=Options(unsafe_fixes=True))


def test_grouped_names_each_file_once(unneeded: Finding, hidden: Finding) -> None:
    text = rendered("grouped", unneeded, unneeded, hidden)
    assert text.count("a.py") == text.count("b.py") == 1


def test_github_escapes_what_the_runner_would_read(unneeded: Finding) -> None:
    line = rendered("github", replace(unneeded, message="50%,\nor more", filename="a,b.py"))
    assert line.startswith("::error title=graphlint (RG101),file=a%2Cb.py,line=7,col=1,endLine=7,")
    assert line.endswith("::a,b.py:7:1: RG101 50%25,%0Aor more\n")


def test_sarif_leads_from_the_result_to_rule_place_witness_and_fix(
    unneeded: Finding, hidden: Finding
) -> None:
    twice = replace(unneeded, filename="a b.py", witness=unneeded.witness * 2)
    document = json.loads(rendered("sarif", twice, hidden))
    jsonschema.validate(document, SARIF)
    (run,) = document["runs"]
    result = run["results"][0]
    rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
    assert (result["ruleId"], rule["id"], rule["name"]) == ("RG101", "RG101", unneeded.name)
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "a%20b.py"}
    assert place["region"]["startLine"] == 7
    assert [each["message"]["text"] for each in result["relatedLocations"]] == [
        event.message for event in unneeded.witness
    ]
    (change,) = result["fixes"][0]["artifactChanges"]
    assert change["replacements"][0]["insertedContent"] == {"text": ""}
    away = json.loads(rendered("sarif", replace(unneeded, filename="/tmp/a.py")))
    shown = away["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert shown["artifactLocation"] == {"uri": "file:///tmp/a.py"}


def test_gitlab_tells_issues_apart_by_their_lines_text(unneeded: Finding) -> None:
    def fingerprints(text: str, *rows: int) -> list[str]:
        found = [replace(unneeded, location=at(row, 1)) for row in rows]
        issues = json.loads(renderer("gitlab")(found, lambda _: text, Options()))
        for issue in issues:
            assert {"description", "check_name", "severity", "location"} < issue.keys()
        return [issue["fingerprint"] for issue in issues]

    line = "z.backward(retain_graph=True)\n"
    first, second = fingerprints(line * 2, 1, 2)
    assert first != second
    assert fingerprints("\n\n    " + line * 2, 3, 4) == [first, second]


def test_junit_has_a_failed_case_for_each_finding(unneeded: Finding, hidden: Finding) -> None:
    odd = replace(unneeded, message="<\x00&")
    root = ET.fromstring(rendered("junit", unneeded, odd, hidden).encode())
    assert root.attrib == {"name": "graphlint", "tests": "3", "failures": "3", "errors": "0"}
    assert [suite.get("name") for suite in root] == ["a.py", "b.py"]
    assert [case.get("line") for case in root[0]] == ["7", "7"]
    assert root[0][1][0].get("message") == "<\ufffd&"
    passed = ET.fromstring(rendered("junit").encode())
    assert [len(case) for case in passed[0]] == [0]


def test_statistics(unneeded: Finding, hidden: Finding) -> None:
    findings = [hidden, unneeded, unneeded]
    assert statistics_table.render(findings, Options()).splitlines() == [
        "2  RG101  [*]  unneeded-retain-graph",
        "1  RG106  [ ]  combinable-passes",
    ]
    rows = json.loads(statistics_table.render(findings, Options(), as_json=True))
    assert [(row["code"], row["count"], row["fixable_count"]) for row in rows] == [
        ("RG101", 2, 2),
        ("RG106", 1, 0),
    ]


def test_closing_line(unneeded: Finding, hidden: Finding) -> None:
    options = Options()
    assert summary([], options) == "No findings."
    assert summary([replace(unneeded, fix=None)], options) == "Found 1 finding."
    assert summary([unneeded, unneeded, hidden], options) == (
        "Found 3 findings (2 fixable with `--fix`, 1 hidden fix with `--unsafe-fixes`)."
    )
    unsafe = Options(unsafe_fixes=True)
    assert summary([unneeded, hidden], unsafe) == "Found 2 findings (2 fixable with `--fix`)."
    assert summary([], options, failed=1) == "No findings. 1 file could not be linted or fixed."
    assert summary([], options, fixed=2) == "Found 2 findings (2 fixed, 0 left)."


@pytest.mark.parametrize(
    ("environ", "terminal", "wanted"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
    ],
)
def test_colours_on_a_terminal_only(
    environ: dict[str, str], terminal: bool, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    assert wants_color(stream, environ) is wanted


def test_names_are_relative_to_the_base_only_inside_it(tmp_path: Path) -> None:
    options = Options(base=str(tmp_path))
    assert shown_name(str(tmp_path / "a" / "b.py"), options) == str(Path("a", "b.py"))
    assert shown_name(str(tmp_path.parent / "b.py"), options) == str(tmp_path.parent / "b.py")
    assert shown_name("<stdin>", options) == "<stdin>"
