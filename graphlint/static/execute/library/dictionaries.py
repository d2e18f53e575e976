"""Dictionaries that are put over one another, and those of the attributes of an object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from graphlint.static import ir
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    UNKNOWN_KEYWORDS,
    Const,
    Dict,
    Instance,
    Layer,
    Ref,
    Value,
)

UNKNOWN = Dict({}, open=True)
"""A dictionary of which nothing is known."""


def overlaid(state: State, node: ir.Node, below: Dict, above: Dict) -> Dict:
    """Return a dictionary with the entries of another put over its own.

    Where that may have more than are known, a setting that it replaces may be any of them.
    """
    items, unchanged = below.items, not (above.items or above.open)
    if above.open:
        items = {key: _maybe_replaced(state, node, value) for key, value in items.items()}
    total = below.total if unchanged else None
    return Dict({**items, **above.items}, below.open or above.open, below.factory, total=total)


def of_keywords(keywords: Mapping[str, Value]) -> Dict:
    """Return the dictionary that a call's keywords make."""
    known: dict[Any, Value] = {k: v for k, v in keywords.items() if k != UNKNOWN_KEYWORDS}
    return Dict(known, len(known) < len(keywords))


def _maybe_replaced(state: State, node: ir.Node, value: Value) -> Value:
    return state.sym(node, "item") if isinstance(value, Const) else value


# --------------------------------------------------------------------- attributes of an object
def attributes(state: State, node: ir.Node, owner: Ref, opaque: bool = False) -> Ref:
    """Make the dictionary of an object's attributes."""
    return state.new(node, Dict(_attrs(state, owner), opaque, of=owner))


def seen_now(state: State, found: Dict) -> Dict:
    """Return a dictionary as it is now: that of an object has what the object has."""
    return found if found.of is None else replace(found, items=_attrs(state, found.of))


def write_through(state: State, owner: Ref) -> None:
    """Give an object the attributes that its dictionary has."""
    found = state.get(owner, Dict)
    if found is None or found.of is None:
        return
    whole = state.object(found.of)
    if isinstance(whole, (Instance, Layer)):
        attrs = {name: value for name, value in found.items.items() if isinstance(name, str)}
        state.put(found.of, replace(whole, attrs=attrs))


def _attrs(state: State, owner: Ref) -> Mapping[str, Value]:
    whole = state.object(owner)
    return whole.attrs if isinstance(whole, (Instance, Layer)) else {}
