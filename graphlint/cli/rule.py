"""`graphlint rule`: print the documentation of rules."""

from __future__ import annotations

import inspect
import json
from difflib import get_close_matches

import click

from graphlint.cli._options import complete_codes
from graphlint.cli._writing import write
from graphlint.errors import GraphlintError
from graphlint.rules import Rule, all_rules


@click.command("rule", short_help="Print the documentation of rules.")
@click.argument("code", required=False, shell_complete=complete_codes)
@click.option("--all", "every", is_flag=True, help="Print every rule.")
@click.option(
    "--output-format", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def command(code: str | None, every: bool, output_format: str) -> None:
    """Print the documentation of the rule CODE (or its name), or of every rule with --all."""
    if every == (code is not None):
        raise GraphlintError("Name one rule, as in `graphlint rule RG101`, or pass --all.")
    rules = all_rules() if code is None else (_find(code),)
    if output_format == "json":
        described = [_describe(rule) for rule in rules]
        write(json.dumps(described if every else described[0], indent=2) + "\n")
    else:
        write("\n\n".join(_page(rule) for rule in rules) + "\n")


def _find(code: str) -> Rule:
    rules = {key: rule for rule in all_rules() for key in (rule.code, rule.name)}
    found = rules.get(code) or rules.get(code.upper())
    if found is None:
        near = get_close_matches(code, rules, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]}?" if near else "`graphlint rule --all` prints them all."
        raise GraphlintError(f"There is no rule {code!r}. {hint}")
    return found


def _page(rule: Rule) -> str:
    """Return the page as Markdown, under a heading with code and name."""
    if not rule.page:
        raise GraphlintError("Python leaves out all documentation under -OO: run it without.")
    _, _, body = inspect.cleandoc(rule.page).partition("\n")
    return f"# {rule.name} ({rule.code})\n{body}"


def _describe(rule: Rule) -> dict[str, object]:
    return {
        "code": rule.code,
        "name": rule.name,
        "summary": rule.message,
        "holds_on": rule.holds.value,
        "fixable": rule.fix is not None,
        "observable": rule.observable,
        "default": rule.default,
        "url": rule.url,
        "explanation": _page(rule),
    }
