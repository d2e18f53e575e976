"""Which rules are on: from selectors (`RG101`, `RG1`, `ALL`, a rule's name) to codes.

The more specific selector wins, whichever list it stands in, and of two equally specific ones the
one in `ignore`: ruff's way.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from graphlint.errors import GraphlintError
from graphlint.rules import all_rules
from graphlint.source.config import Config, Selectors
from graphlint.source.globs import Globs

ALL = "ALL"
_EXACT = 100


@lru_cache(maxsize=256)
def codes_of(selector: str) -> frozenset[str]:
    """Return the codes of all rules that a selector stands for; empty where it is unknown.

    Args:
        selector: a code, the beginning of one (`RG1`), a rule's name, or `ALL`.
    """
    rules = all_rules()
    if selector == ALL:
        return frozenset(rule.code for rule in rules)
    exact = frozenset(rule.code for rule in rules if selector in (rule.code, rule.name))
    is_prefix = selector.startswith("RG")
    return exact or frozenset(r.code for r in rules if is_prefix and r.code.startswith(selector))


@lru_cache(maxsize=256)
def codes_selected_by(selector: str) -> frozenset[str]:
    """Return the codes that a selector turns on.

    A prefix leaves out the rules that are off by default; their code, their name or `ALL` turn
    them on.
    """
    if _specificity(selector) in (0, _EXACT):
        return codes_of(selector)
    return codes_of(selector) & default_codes()


@lru_cache(maxsize=1)
def default_codes() -> frozenset[str]:
    """Return the codes of the rules that are on by default."""
    return frozenset(rule.code for rule in all_rules() if rule.default)


def check_selectors(config: Config) -> None:
    """Make sure that every selector stands for a rule.

    Raises:
        GraphlintError: one doesn't; the message names the nearest that does.
    """
    where = f"{config.path}: " if config.path else ""
    ignored = [s for _, selectors in config.per_file_ignores for s in selectors]
    for selector in (*(s for layer in config.layers for s in layer.all()), *ignored):
        if not codes_of(selector):
            raise GraphlintError(f"{where}unknown rule selector `{selector}`{_hint(selector)}")


def enabled_codes(config: Config, filename: str) -> frozenset[str]:
    """Return the codes of the rules that are on for a file."""
    codes = _enabled(config.layers)
    if not config.per_file_ignores:
        return codes
    path = str(Path(filename).absolute())
    for glob, selectors in config.per_file_ignores:
        if Globs((glob,), config.folder).match_any_part(path):
            codes = codes.difference(*(codes_of(selector) for selector in selectors))
    return codes


@lru_cache(maxsize=64)
def _enabled(layers: tuple[Selectors, ...]) -> frozenset[str]:
    codes = default_codes()
    for layer in layers:
        if layer.select is not None:
            codes = frozenset()
        chosen = (*(layer.select or ()), *layer.extend_select)
        for level in sorted({_specificity(selector) for selector in layer.all()}):
            codes = codes.union(*(codes_selected_by(s) for s in chosen if _specificity(s) == level))
            ignored = [codes_of(s) for s in layer.ignore if _specificity(s) == level]
            codes = codes.difference(*ignored)
    return codes


def _specificity(selector: str) -> int:
    if selector == ALL:
        return 0
    is_exact = any(selector in (rule.code, rule.name) for rule in all_rules())
    return _EXACT if is_exact else len(selector)


def _hint(selector: str) -> str:
    # Only a mistake pays for the import.
    from difflib import get_close_matches

    rules = all_rules()
    prefixes = {rule.code[:length] for rule in rules for length in (2, 3)}
    known = [*(rule.code for rule in rules), *(rule.name for rule in rules), *prefixes, ALL]
    near = get_close_matches(selector, known, 1, 0.4) or get_close_matches(
        selector.upper(), known, 1, 0.4
    )
    more = "`graphlint rule --all` lists the rules."
    return f"; did you mean `{near[0]}`? {more}" if near else f". {more}"
