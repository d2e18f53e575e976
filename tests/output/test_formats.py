"""The formats other than `full`, the closing line, and the choice of colours."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from graphlint.findings import Finding
from graphlint.output import FORMATS, Options, no_sources, renderer
from graphlint.output import statistics as statistics_table
from graphlint.output.style import wants_color
from graphlint.output.wording import shown_name, summary

SCHEMA = json.loads(Path(__file__).with_name("finding.schema.json").read_text(encoding="utf-8"))


def rendered(name: str, *findings: Finding, options: Options | None = None) -> str:
    return renderer(name)(findings, no_sources, options or Options())


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_renders_nothing_and_something(name: str, unneeded: Finding) -> None:
    assert rendered(name).strip() in ("", "[]")
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
