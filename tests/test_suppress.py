"""Suppression comments: what they speak for, and which of them are unused."""

from __future__ import annotations

import pytest

from graphlint.findings import Finding, Location
from graphlint.fixes import fix_text
from graphlint.linting import LintResult, lint_text
from graphlint.source.config import Config
from graphlint.source.suppress import Kind, Suppression, read_statements

HEAD = "import torch\nw = torch.randn(3, requires_grad=True)\n"
LOSS = "(w * w).sum()"
FLAGGED = f"{LOSS}.backward(retain_graph=True)"


def lint(text: str, **options: list[str]) -> LintResult:
    return lint_text(text, "a.py", Config().override(**options))  # type: ignore[arg-type]


def codes(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.code for finding in findings]


def only(text: str) -> Suppression:
    (suppression,) = read_statements(text).suppressions
    return suppression


@pytest.mark.parametrize(
    ("comment", "kind", "named"),
    [
        ("# graphlint: ignore", Kind.IGNORE, None),
        ("#graphlint:ignore", Kind.IGNORE, None),
        ("# graphlint: ignore because it is so", Kind.IGNORE, None),
        ("# graphlint: ignore[RG101] because", Kind.IGNORE, ["RG101"]),
        ("# graphlint: ignore [RG101,RG102]", Kind.IGNORE, ["RG101", "RG102"]),
        ("# graphlint: ignore[unneeded-retain-graph]", Kind.IGNORE, ["unneeded-retain-graph"]),
        ("# graphlint: ignore[]", Kind.IGNORE, []),
        ("# graphlint: ignore[RG101", Kind.IGNORE, ["RG101"]),
        ("# graphlint: ignore-file", Kind.IGNORE_FILE, None),
        ("# graphlint: ignore-file[RG1]", Kind.IGNORE_FILE, ["RG1"]),
        ("# noqa", Kind.NOQA, None),
        ("# NOQA the reason", Kind.NOQA, None),
        ("# noqa: RG101", Kind.NOQA, ["RG101"]),
        ("#noqa:E501,RG101 the reason", Kind.NOQA, ["E501", "RG101"]),
        ("# noqa : E501 RG101", Kind.NOQA, ["E501", "RG101"]),
        ("# noqa: RG", Kind.NOQA, ["RG"]),
        ("# type: ignore  # noqa: RG101", Kind.NOQA, ["RG101"]),
        ("# as `# noqa` says", Kind.NOQA, None),
    ],
)
def test_forms(comment: str, kind: Kind, named: list[str] | None) -> None:
    suppression = only(f"x = 1  {comment}\n")
    assert suppression.kind is kind
    assert suppression.blanket is (named is None)
    assert [code.text for code in suppression.codes] == (named or [])


@pytest.mark.parametrize(
    "line",
    [
        "x = '# noqa'",
        "x = '''\n# graphlint: ignore\n'''",
        "x = 1  # graphlint: disable",
        "x = 1  # graphlint: ignored",
        "x = 1  # graphlint: ignore-files",
        "x = 1  # noqa: because",
        "x = 1  # noqa-like",
        "x = 1  # noqable",
    ],
)
def test_what_is_no_suppression(line: str) -> None:
    assert read_statements(line + "\n").suppressions == ()


def test_several_in_one_comment() -> None:
    text = "x = 1  # noqa: E501  # graphlint: ignore[RG101] why\n"
    noqa, ours = read_statements(text).suppressions
    assert (noqa.column, noqa.end_column, noqa.followed) == (8, 22, True)
    assert (ours.gap_column, ours.column, ours.end_column) == (20, 22, 52)
    assert not ours.followed


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("x = f(\n    1,  # noqa\n)\n", 1, 3),
        ("x = f(\n    1,\n)  # noqa\n", 1, 3),
        ("x = f(\n    # noqa\n    1,\n)\n", 1, 4),
        ("for x in f(\n    1\n):  # noqa\n    y = 1\n", 1, 3),
        ("if a:\n    y = 1  # noqa\n    z = 2\n", 2, 2),
        ("x = '''\na\n'''  # noqa\n", 1, 3),
        ("x = 1 + \\\n    2  # noqa\n", 1, 2),
        ("y = 1\n# noqa\nx = 1\n", 2, 2),
        ("y = 1\n# noqa", 2, 2),
        ("class A:\n    # noqa\n    x = 1\n", 2, 2),
        ("@f  # noqa\ndef g(): pass\n", 1, 1),
        ("a = 1; b = 2  # noqa\n", 1, 1),
    ],
)
def test_rows_that_a_comment_speaks_for(text: str, first: int, last: int) -> None:
    for newlines in (text, text.replace("\n", "\r\n")):
        suppression = only(newlines)
        assert (suppression.first_row, suppression.last_row) == (first, last)


def test_a_text_that_is_no_python() -> None:
    text = "# graphlint: ignore-file\nx = (\n"
    assert only(text).kind is Kind.IGNORE_FILE
    assert codes(lint(text).findings) == []
    assert codes(lint(text).suppressed) == ["RG000"]
    assert codes(lint("x = (  # graphlint: ignore\n").findings) == ["RG000"]


def test_where_a_comment_can_stand() -> None:
    statements = read_statements("f('''\n''', g(1 + \\\n2))\nx = 1\n")
    assert [statements.comment_row(row) for row in (1, 2, 3, 4)] == [3, 3, 3, 4]


@pytest.mark.parametrize(
    "comment",
    [
        "# graphlint: ignore[RG101] measured",
        "# graphlint: ignore[RG1]",
        "# graphlint: ignore[unneeded-retain-graph]",
        "# graphlint: ignore",
        "# noqa",
        "# noqa: RG101",
        "# noqa: E501, RG101",
        "# type: ignore  # graphlint: ignore[RG101]",
    ],
)
def test_suppressing(comment: str) -> None:
    result = lint(f"{HEAD}{FLAGGED}  {comment}\n")
    assert codes(result.findings) == []
    assert codes(result.suppressed) == ["RG101"]
    assert result.suppressed[0].suppressed


@pytest.mark.parametrize("line", ["# graphlint: ignore-file", "# graphlint: ignore-file[RG101] x"])
def test_suppressing_in_a_whole_file(line: str) -> None:
    assert codes(lint(f"{line}\n{HEAD}{FLAGGED}\n").findings) == []
    assert codes(lint(f"{HEAD}{FLAGGED}\n{line}\n").findings) == []


def test_suppressing_on_any_line_of_the_statement() -> None:
    call = f"{LOSS}.backward(\n    retain_graph=True,\n)"
    for row in range(3):
        lines = call.split("\n")
        lines[row] += "  # graphlint: ignore[RG101]"
        assert codes(lint(HEAD + "\n".join(lines) + "\n").findings) == []


@pytest.mark.parametrize("comment", ["# noqa: E501", "# graphlint: disable", "# noqa: because"])
def test_not_suppressing(comment: str) -> None:
    assert codes(lint(f"{HEAD}{FLAGGED}  {comment}\n").findings) == ["RG101"]


def test_another_code_suppresses_nothing() -> None:
    result = lint(f"{HEAD}{FLAGGED}  # graphlint: ignore[RG102]\n")
    assert codes(result.findings) == ["RG101", "RG100"]


def test_a_comment_above_suppresses_nothing() -> None:
    result = lint(f"{HEAD}# graphlint: ignore[RG101]\n{FLAGGED}\n")
    assert codes(result.findings) == ["RG100", "RG101"]


UNUSED = {
    "alone behind code": ("x = 1  # graphlint: ignore[RG101] why\n", "x = 1\n"),
    "alone on its row": ("# graphlint: ignore\nx = 1\n", "x = 1\n"),
    "on the last row": ("x = 1\n# graphlint: ignore", "x = 1\n"),
    "of the file": ("# graphlint: ignore-file\nx = 1\n", "x = 1\n"),
    "without codes": ("x = 1  # graphlint: ignore[]\n", "x = 1\n"),
    "before another comment": (
        "x = 1  # graphlint: ignore[RG101] why  # noqa: E501\n",
        "x = 1  # noqa: E501\n",
    ),
    "behind another comment": (
        "x = 1  # type: ignore  # graphlint: ignore[RG101]\n",
        "x = 1  # type: ignore\n",
    ),
    "noqa": ("x = 1  # noqa: RG101\n", "x = 1\n"),
    "the last code of noqa": ("x = 1  # noqa: E501, RG101\n", "x = 1  # noqa: E501\n"),
    "the first code of noqa": ("x = 1  # noqa: RG101,E501 why\n", "x = 1  # noqa: E501 why\n"),
    "codes of noqa": ("x = 1  # noqa: RG101, E501, RG102, RG103\n", "x = 1  # noqa: E501\n"),
    "no such rule": ("x = 1  # graphlint: ignore[RG999]\n", "x = 1\n"),
    "another tool's code": ("x = 1  # graphlint: ignore[E501]\n", "x = 1\n"),
    "newlines": ("x = 1  # noqa: RG101\r\ny = 1\r\n", "x = 1\r\ny = 1\r\n"),
    "in a call": (
        "x = f(  # graphlint: ignore\n    # graphlint: ignore\n    1)\n",
        "x = f(\n    1)\n",
    ),
}


@pytest.mark.parametrize(("before", "after"), UNUSED.values(), ids=UNUSED.keys())
def test_unused(before: str, after: str) -> None:
    assert set(codes(lint(before).findings)) == {"RG100"}
    fixed = fix_text(before, "a.py")
    assert fixed.text == after
    assert fixed.result.findings == ()


def test_one_of_two_codes_is_unused() -> None:
    before = f"{HEAD}{FLAGGED}  # graphlint: ignore[RG102, RG101] why\n"
    result = lint(before)
    assert codes(result.findings) == ["RG100"]
    assert result.findings[0].location == Location(3, len(FLAGGED) + 3)
    assert "`RG102` suppresses nothing" in result.findings[0].message
    assert fix_text(before, "a.py").text == before.replace("RG102, ", "")


@pytest.mark.parametrize(
    "line",
    [
        "x = 1  # noqa",
        "x = 1  # noqa: E501",
        "x = 1  # noqa: F401, E501",
        "x = 1  # graphlint: ignore[RG100]",
        "x = 1  # graphlint: ignore[RG101, RG100]",
        "# graphlint: ignore-file[RG100]\nx = 1  # graphlint: ignore[RG101]",
    ],
)
def test_not_called_unused(line: str) -> None:
    assert codes(lint(line + "\n").findings) == []


def test_a_rule_that_is_off_leaves_its_comments_alone() -> None:
    text = "x = 1  # graphlint: ignore[RG101]\ny = 1  # graphlint: ignore\nz = 1  # noqa: RG1\n"
    assert codes(lint(text).findings) == ["RG100"] * 3
    assert codes(lint(text, ignore=["RG101"]).findings) == []
    assert codes(lint(text, ignore=["RG100"]).findings) == []


def test_a_comment_for_an_unsure_finding_is_used() -> None:
    text = HEAD + f"step(w)\n{FLAGGED}  # graphlint: ignore[RG101]\n"
    assert codes(lint(text).findings) == []
