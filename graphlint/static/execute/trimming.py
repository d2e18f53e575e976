"""Which containers a file takes something out of: such a one is bounded, by its own means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from functools import lru_cache

from graphlint.static import ir

REMOVING = frozenset("pop popleft popitem clear remove".split())


def last_name(name: str) -> str:
    """Return the last part of a dotted name, without a subscript."""
    return name.partition("[")[0].rpartition(".")[2]


@lru_cache(maxsize=4)
def trimmed_names(module: ir.Module | None) -> frozenset[str]:
    """Return the last names of what a file pops from, clears, or cuts to a slice of itself."""
    if module is None:
        return frozenset()
    return frozenset(name for node in _walk(module) for name in _trimmed(node) if name)


def _trimmed(node: ir.Node) -> Iterator[str]:
    if isinstance(node, ir.Call) and isinstance(node.func, ir.Attribute):
        if node.func.name in REMOVING:
            yield _name(node.func.value)
    elif isinstance(node, ir.Delete):
        yield from (_name(t.value) for t in node.targets if isinstance(t, ir.Subscript))
    elif isinstance(node, ir.Assign) and isinstance(node.value, ir.Subscript):
        if isinstance(node.value.index, ir.Slice):
            kept = _name(node.value.value)
            yield from (kept for target in node.targets if _name(target) == kept)


def _name(node: ir.Expr) -> str:
    if isinstance(node, ir.Name):
        return node.id
    if isinstance(node, ir.Subscript):
        return _name(node.value)
    return node.name if isinstance(node, ir.Attribute) else ""


def _walk(node: ir.Node) -> Iterator[ir.Node]:
    todo: list[object] = [node]
    while todo:
        item = todo.pop()
        if isinstance(item, (tuple, list)):
            todo += item
        elif isinstance(item, ir.Node):
            yield item
            todo += [getattr(item, field.name) for field in fields(item)]
