"""A pass that is looked for, and what the conditions on the way to it ask of settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from graphlint.static import ir
from graphlint.trace import Site

Words = frozenset[object]


@dataclass(frozen=True, slots=True)
class Ahead:
    """A call that runs a pass.

    Attributes:
        site: the call.
        asked: settings, as they are written, that have one of some values where it is run.
    """

    site: Site
    asked: Mapping[str, Words] = field(default_factory=dict)

    def way(self, node: ir.If) -> bool | None:
        """Tell which way of a branch leads to the call, None where neither or both may."""
        leads = way_to(node, self.site)
        compared = _compared(node.test) if leads is None else None
        if compared is None or compared[0] not in self.asked:
            return leads
        has, wanted = self.asked[compared[0]], compared[1]
        return True if has <= wanted else False if has.isdisjoint(wanted) else None


def ahead_of(site: Site, branches: Iterable[ir.If]) -> Ahead:
    """Return a call with what the branches around it ask for."""
    asked: dict[str, Words] = {}
    for branch in branches:
        compared = _compared(branch.test)
        if compared is not None and way_to(branch, site):
            setting, wanted = compared
            asked[setting] = asked.get(setting, wanted) & wanted
    return Ahead(site, {setting: has for setting, has in asked.items() if has})


def way_to(node: ir.If, target: Site) -> bool | None:
    """Tell which way of a branch leads to a place within it, None where neither does."""
    then, otherwise = _holds(node.body, target), _holds(node.orelse, target)
    return None if then is otherwise else then


def _holds(block: Sequence[ir.Stmt], target: Site) -> bool:
    """Whether a place is within a block, by its lines."""
    row = target.span.row
    return any(statement.span.row <= row <= statement.span.end_row for statement in block)


def _compared(test: ir.Expr) -> tuple[str, Words] | None:
    """Return the setting that a condition asks for, and the constants that it may be."""
    if not isinstance(test, ir.Compare) or test.op not in ("Eq", "In"):
        return None
    setting = _written(test.left) if isinstance(test.left, (ir.Attribute, ir.Subscript)) else ""
    wanted = [test.right] if test.op == "Eq" else list(_items(test.right))
    words = frozenset(each.value for each in wanted if isinstance(each, ir.Const))
    return (setting, words) if setting and wanted and len(words) == len(wanted) else None


def _items(expr: ir.Expr) -> Iterator[ir.Expr]:
    if isinstance(expr, ir.Sequence):
        yield from expr.items


def _written(expr: ir.Expr) -> str:
    """Write `args.method`, or `config["method"]`; empty for anything else."""
    if isinstance(expr, ir.Name):
        return expr.id
    if isinstance(expr, (ir.Attribute, ir.Subscript)):
        owner = _written(expr.value)
        if isinstance(expr, ir.Attribute):
            return f"{owner}.{expr.name}" if owner else ""
        if isinstance(expr.index, ir.Const) and owner:
            return f"{owner}[{expr.index.value!r}]"
    return ""
