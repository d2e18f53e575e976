"""Dictionaries that are put over one another, as settings are put over defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphlint.static import ir
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import UNKNOWN_KEYWORDS, Const, Dict, Value

UNKNOWN = Dict({}, open=True)
"""A dictionary of which nothing is known."""


def overlaid(state: State, node: ir.Node, below: Dict, above: Dict) -> Dict:
    """Return a dictionary with the entries of another put over its own.

    Where that may have more than are known, a setting that it replaces may be any of them.
    """
    items = below.items
    if above.open:
        items = {key: _maybe_replaced(state, node, value) for key, value in items.items()}
    return Dict({**items, **above.items}, below.open or above.open, below.factory)


def of_keywords(keywords: Mapping[str, Value]) -> Dict:
    """Return the dictionary that a call's keywords make."""
    known: dict[Any, Value] = {k: v for k, v in keywords.items() if k != UNKNOWN_KEYWORDS}
    return Dict(known, len(known) < len(keywords))


def _maybe_replaced(state: State, node: ir.Node, value: Value) -> Value:
    return state.sym(node, "item") if isinstance(value, Const) else value
