"""The repair of custom functions that keep a tensor on `ctx`: save it for the backward pass."""

from __future__ import annotations

import ast

from graphlint.findings import Applicability, Fix
from graphlint.rules.syntax import extent, parse, replacement
from graphlint.source.lines import Lines, unix_newlines
from graphlint.trace import Site

_SAVING = frozenset(("save_for_backward", "saved_tensors", "saved_variables", "mark_dirty"))
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def save_for_backward(source: str, site: Site) -> Fix | None:
    """Save the tensor that a statement `ctx.name = tensor` keeps, and read it from there.

    Args:
        source: the file's text, with whatever newlines it has.
        site: the statement.

    Returns:
        An unsafe fix, or None where the class saves tensors already, keeps more than this one, or
        does more with the attribute than set it once and read it in `backward`.
    """
    text = unix_newlines(source)
    tree = parse(text)
    found = _find(tree, site) if tree else None
    if found is None:
        return None
    cls, statement, target = found
    reads = _reads(cls, target.attr)
    if reads is None:
        return None
    lines = Lines(text)
    assert isinstance(target.value, ast.Name)
    value = text[slice(*extent(text, statement.value))]
    saving = f"{target.value.id}.save_for_backward({value})"
    edits = [replacement(lines, *extent(text, statement), saving)]
    for read in reads:
        assert isinstance(read.value, ast.Name)
        edits.append(replacement(lines, *extent(text, read), f"{read.value.id}.saved_tensors[0]"))
    message = "Save the tensor for the backward pass: what changes it in place then raises there."
    return Fix(Applicability.UNSAFE, message, tuple(edits))


def _find(tree: ast.Module, site: Site) -> tuple[ast.ClassDef, ast.Assign, ast.Attribute] | None:
    """Find the statement at a site, and the class around it."""
    for cls in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        for node in ast.walk(cls):
            if isinstance(node, ast.Assign) and node.lineno == site.span.row:
                target = node.targets[0]
                if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
                    return (cls, node, target) if len(node.targets) == 1 else None
    return None


def _reads(cls: ast.ClassDef, name: str) -> list[ast.Attribute] | None:
    """Return where `backward` reads an attribute that is otherwise only set once."""
    attributes = [node for node in ast.walk(cls) if isinstance(node, ast.Attribute)]
    if any(node.attr in _SAVING for node in attributes) or _keeps_more(cls, name):
        return None
    uses = [node for node in attributes if node.attr == name]
    reads = [node for node in uses if isinstance(node.ctx, ast.Load)]
    if len(uses) - len(reads) != 1 or not all(isinstance(read.value, ast.Name) for read in reads):
        return None
    backward = next((f for f in cls.body if _is_backward(f)), None)
    within = set(ast.walk(backward)) if backward is not None else set()
    return reads if reads and within.issuperset(reads) else None


def _keeps_more(cls: ast.ClassDef, name: str) -> bool:
    """Whether statements of their own keep other values, which may be tensors to save as well."""
    kept = [
        (target.attr, node.value)
        for node in ast.walk(cls)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name)
    ]
    return any(attr != name and not isinstance(value, ast.Constant) for attr, value in kept)


def _is_backward(statement: ast.stmt) -> bool:
    return isinstance(statement, _Function) and statement.name == "backward"
