"""What keeps values, as it is written: its name, and whether the file takes something out of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from graphlint.static import ir

REMOVING = frozenset("pop popleft popitem clear remove".split())
PARAMETERS = frozenset("named_parameters parameters state_dict".split())


def written(target: ir.Expr) -> str:
    """Return a target as it is written, as far as that is a name."""
    if isinstance(target, ir.Name):
        return target.id
    if isinstance(target, ir.Attribute):
        owner = written(target.value)
        return f"{owner}.{target.name}" if owner else ""
    if isinstance(target, ir.Subscript):
        owner = written(target.value)
        return f"{owner}[…]" if owner else ""
    return ""


def container_name(place: ir.Node) -> str:
    """Return the name of the container that a call or an assignment stores into."""
    if isinstance(place, ir.Call) and isinstance(place.func, ir.Attribute):
        return written(place.func.value)
    if isinstance(place, ir.AugAssign):
        return written(place.target)
    if isinstance(place, ir.Assign) and isinstance(place.targets[0], ir.Subscript):
        return written(place.targets[0].value)
    return ""


def mentioned(term: ir.Expr) -> set[str]:
    """Return the names in a term of a sum, down through its operators."""
    if isinstance(term, ir.Binary):
        return mentioned(term.left) | mentioned(term.right)
    if isinstance(term, ir.Call) and isinstance(term.func, ir.Attribute):
        owner = written(term.func.value)
        return {f"{owner}[…]"} if owner and term.func.name == "get" else set()
    name = written(term)
    return {name} if name else set()


def overwrites(place: ir.Node, loop: object, around: Sequence[object]) -> bool:
    """Whether a statement stores an item where a later iteration will put another.

    What is stored under the variable of the outermost loop stays. A buffer that is written round
    and round does not, nor does one with a place for each name, or for each item of an inner loop.
    What the loop goes over is no longer for it, and a network has but so many parameters.
    """
    target = place.targets[0] if isinstance(place, ir.Assign) else None
    if not isinstance(target, ir.Subscript):
        return False
    counts = isinstance(loop, ir.For) and _name(target.index) in set(operands(loop.target))
    return bool(around) or not counts or _goes_over(loop, written(target.value))


def _goes_over(loop: object, name: str) -> bool:
    """Whether a loop goes over what has a name, or over a network's parameters."""
    assert isinstance(loop, ir.For)
    return any(
        isinstance(node, ir.Expr) and (_name(node) in PARAMETERS or written(node) == name != "")
        for node in ir.walk(loop.iter)
    )


def operands(node: ir.Node) -> Iterator[str]:
    """Walk the variables that a statement computes with, not those whose attributes it reads."""
    if isinstance(node, ir.Name):
        yield node.id
    elif isinstance(node, ir.Binary):
        yield from (*operands(node.left), *operands(node.right))
    elif isinstance(node, (ir.Assign, ir.AugAssign, ir.Unary)):
        yield from operands(node.operand if isinstance(node, ir.Unary) else node.value)
    elif isinstance(node, (ir.Sequence, ir.Call)):
        if isinstance(node, ir.Call) and isinstance(node.func, ir.Attribute):
            yield from operands(node.func.value)
        for item in node.items if isinstance(node, ir.Sequence) else node.args:
            yield from operands(item)


def last_name(name: str) -> str:
    """Return the last part of a dotted name, without a subscript."""
    return name.partition("[")[0].rpartition(".")[2]


@lru_cache(maxsize=16)
def trimmed_names(module: ir.Module) -> frozenset[str]:
    """Return the last names of what a file pops from, clears, or cuts to a slice of itself."""
    return frozenset(name for node in ir.walk(module) for name in _trimmed(node) if name)


def _trimmed(node: ir.Node) -> Iterator[str]:
    if isinstance(node, ir.Call) and isinstance(node.func, ir.Attribute):
        if node.func.name in REMOVING or (node.func.name == "get" and not node.args):
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
