"""Every rule keeps the promises of its own file: its page, its examples, its fixtures."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import graphlint
from graphlint.fixes import fix_text
from graphlint.rules import Rule, all_rules
from graphlint.rules.rule import HEADINGS
from graphlint.source.config import Config, Selectors

ROOT = Path(__file__).parent.parent
RULES = pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.code)
CHECKED = pytest.mark.parametrize(
    "rule", [rule for rule in all_rules() if rule.check], ids=lambda rule: rule.code
)


def with_rule(rule: Rule) -> Config:
    """Return a configuration in which a rule is on, whether it is so by default or not."""
    return Config(layers=(Selectors(extend_select=(rule.code,)),))


def codes(source: str, rule: Rule) -> list[str]:
    return [finding.code for finding in graphlint.lint_source(source, config=with_rule(rule))]


@RULES
def test_page_has_all_headings_in_order(rule: Rule) -> None:
    assert tuple(re.findall(r"^## (.+)$", rule.page, re.MULTILINE)) == HEADINGS


@RULES
def test_page_is_that_of_the_file(rule: Rule) -> None:
    first = inspect.cleandoc(rule.page).splitlines()[0]
    assert first == f"{rule.code}: {rule.name}."


@RULES
def test_message_is_plain(rule: Rule) -> None:
    assert rule.message.endswith(".")
    assert rule.name == rule.name.lower()
    assert len(rule.message) < 200


def test_codes_and_names_are_unique() -> None:
    keys = [key for rule in all_rules() for key in (rule.code, rule.name)]
    assert len(set(keys)) == len(keys)


@RULES
def test_bad_fires(rule: Rule) -> None:
    assert rule.code in codes(rule.bad, rule)


@RULES
def test_good_is_silent(rule: Rule) -> None:
    assert codes(rule.good, rule) == []


@RULES
def test_safe_fix_of_bad_is_good(rule: Rule) -> None:
    if any(finding.fix for finding in graphlint.lint_source(rule.bad, config=with_rule(rule))):
        fixed = fix_text(rule.bad, "bad.py", with_rule(rule))
        assert fixed.text == (rule.good if fixed.applied else rule.bad)
        assert not fixed.dropped


@CHECKED
def test_has_fixtures(rule: Rule) -> None:
    assert list((ROOT / "fixtures" / rule.code).glob("*.py"))
