"""Statements that only report: what they print changes nothing that a pass could tell."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from graphlint.static import ir

LOGGERS = frozenset("log logger logging".split())
LOGGING = frozenset("debug info warning warn error exception critical log".split())
"""How a program that reports something is written, besides `print`."""
LOOKING = frozenset(
    "abs all any allclose argmax cpu data_ptr detach dim enumerate float format get hasattr int "
    "isfinite isinf isinstance isnan item items join keys len list max mean median min ndim "
    "named_parameters norm numel numpy parameters range repr round shape size sorted std str sum "
    "time tolist tuple type values var zip".split()
)
"""What is called to look at values: functions and methods that change nothing."""


@lru_cache(maxsize=1024)
def only_reports(node: ir.If | ir.For) -> bool:
    """Whether a branch or loop prints something or nothing, and does nothing else.

    What follows is the same then, whichever way it went and however often it ran.
    """
    return not node.orelse and _report(node.body)


def _report(block: Sequence[ir.Stmt]) -> bool:
    return all(map(_reports, block))


def _reports(statement: ir.Stmt) -> bool:
    if isinstance(statement, ir.If):
        return only_reports(statement) and _only_looks((statement.test,))
    if isinstance(statement, ir.For):
        return only_reports(statement) and _only_looks((statement.iter,))
    call = statement.value if isinstance(statement, ir.ExprStmt) else None
    if not isinstance(call, ir.Call) or not _is_reporter(call.func):
        return False
    return _only_looks((*call.args, *[keyword.value for keyword in call.keywords]))


def _is_reporter(func: ir.Expr) -> bool:
    if isinstance(func, ir.Attribute) and func.name in LOGGING:
        return isinstance(func.value, ir.Name) and func.value.id in LOGGERS
    return isinstance(func, ir.Name) and func.id == "print"


def _only_looks(expressions: Sequence[ir.Expr]) -> bool:
    """Whether expressions bind nothing, and call nothing that may do something."""
    return all(
        _name(node.func) in LOOKING
        if isinstance(node, ir.Call)
        else not isinstance(node, (ir.Walrus, ir.Await, ir.Yield))
        for each in expressions
        for node in ir.walk(each)
    )


def _name(func: ir.Expr) -> str:
    if isinstance(func, ir.Name):
        return func.id
    return func.name if isinstance(func, ir.Attribute) else ""
