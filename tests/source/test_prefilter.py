"""The byte search skips nothing that could matter."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphlint.rules import all_rules
from graphlint.source.prefilter import can_hold_passes, can_hold_suppressions
from graphlint.source.suppress import Kind, may_be_unused, read_statements

FIXTURES = Path(__file__).parents[2] / "fixtures"


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.code)
def test_the_rules_examples_matter(rule: object) -> None:
    bad = rule.bad.encode()  # type: ignore[attr-defined]
    assert can_hold_passes(bad) or can_hold_suppressions(bad)


def test_the_fixtures_matter() -> None:
    for path in FIXTURES.rglob("*.py"):
        if "expect:" in path.read_text(encoding="utf-8"):
            assert can_hold_passes(path.read_bytes()), path


def test_most_files_do_not_matter() -> None:
    assert not can_hold_passes(b"import torch\nmodel = torch.nn.Linear(3, 3)\n")


def test_extra_names() -> None:
    assert can_hold_passes(b"engine.run_pass(loss)", ["run_pass"])
    assert can_hold_passes(b"engine.run_pass(loss)", ["my.engine.run_pass"])
    assert not can_hold_passes(b"engine.run_pass(loss)", ["other"])


@pytest.mark.parametrize(
    "comment",
    ["# graphlint: ignore", "#graphlint:ignore-file[RG101]", "# NoQa: E501, RG101", "#noqa:RG101"],
)
def test_suppressions_that_can_be_unused(comment: str) -> None:
    assert can_hold_suppressions(comment.encode())
    assert may_be_unused(comment)
    assert read_statements(comment + "\n").suppressions


@pytest.mark.parametrize("comment", ["# noqa", "# noqa: E501", "ARGS = 1", "import graphlint"])
def test_suppressions_that_cannot(comment: str) -> None:
    assert not can_hold_suppressions(comment.encode())
    assert not may_be_unused(comment)
    kinds = {suppression.kind for suppression in read_statements(comment + "\n").suppressions}
    assert kinds <= {Kind.NOQA}
