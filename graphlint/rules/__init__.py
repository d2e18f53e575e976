"""The rules: one file each, found by their file names (`rg101_….py`)."""

from __future__ import annotations

import pkgutil
from functools import lru_cache
from importlib import import_module

from graphlint.rules.rule import Claim, Holds, Rule

__all__ = ["Claim", "Holds", "Rule", "all_rules"]


@lru_cache(maxsize=1)
def all_rules() -> tuple[Rule, ...]:
    """Return every rule, in the order of their codes."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name.startswith("rg"))
    rules = (import_module(f"{__name__}.{name}").RULE for name in names)
    return tuple(sorted(rules, key=lambda rule: rule.code))
