"""The repair of passes that could be one: a pass over the sum of their losses.

Only where it is plain that nothing else changes: two statements one right after the other, both of
which are nothing but `loss.backward(…)` or `engine.backward(loss, …)`, without other arguments.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from graphlint.findings import Applicability, Fix
from graphlint.rules.edits import FLAG
from graphlint.rules.syntax import in_parentheses
from graphlint.rules.written import Argument, WrittenCall, read_call
from graphlint.trace import Site

_MESSAGE = "Run one pass over the sum of the losses. Unsafe, as the last bits of gradients change."


def combine_passes(source: str, site: Site, places: Sequence[Site]) -> Fix | None:
    """Make one pass of two.

    Args:
        source: the file's text, with whatever newlines it has.
        site: the call of the first pass, which keeps the graph.
        places: the calls of the passes that visit it again; the first must come right behind it.

    Returns:
        An unsafe fix, or None where the two aren't plain neighbours.
    """
    first, second = read_call(source, site), read_call(source, min(places))
    if first is None or second is None or not _neighbours(first, second):
        return None
    summed = _summed(first, second)
    if summed is None:
        return None
    start, end = summed
    sum_at = second.edit(start, end, f"{_loss(first)} + {_loss(second)}")
    if start == second.start:
        sum_at = second.edit(start, end, f"({_loss(first)} + {_loss(second)})")
    gone = first.edit(first.lines.start(first.start), second.lines.start(second.start), "")
    return Fix(Applicability.UNSAFE, _MESSAGE, (gone, sum_at))


def _neighbours(first: WrittenCall, second: WrittenCall) -> bool:
    """Whether two calls are statements, on lines of their own, with nothing between them."""
    text, lines = first.text, first.lines
    starts = [lines.start(call.start) for call in (first, second)]
    indents = [text[at : call.start] for at, call in zip(starts, (first, second), strict=True)]
    between = text[first.closing + 1 : starts[1]].strip()
    rest = text[second.closing + 1 : lines.next_start(second.closing)]
    plain = not between and (not rest.strip() or rest.strip().startswith("#"))
    return plain and indents[0] == indents[1] and not indents[0].strip()


def _summed(first: WrittenCall, second: WrittenCall) -> tuple[int, int] | None:
    """Return the place of the second pass's loss, where both calls are alike but for theirs."""
    loss = [_only_argument(first), _only_argument(second)]
    if first.comments or not _same_callee(first, second, by_argument=loss[0] is not None):
        return None
    if loss[0] and loss[1]:
        return loss[1].value_start, loss[1].end
    if loss[0] or loss[1] or _others(first) or _others(second):
        return None
    return second.start, second.start + len(_owner(second))


def _others(call: WrittenCall) -> list[Argument]:
    return [argument for argument in call.arguments if argument.name != FLAG]


def _only_argument(call: WrittenCall) -> Argument | None:
    """Return the loss that a call is handed, if it is handed nothing else but the flag."""
    others = _others(call)
    return others[0] if len(others) == 1 and others[0].positional else None


def _same_callee(first: WrittenCall, second: WrittenCall, by_argument: bool) -> bool:
    if not (
        isinstance(first.function, ast.Attribute) and isinstance(second.function, ast.Attribute)
    ):
        return False
    if by_argument:
        return ast.unparse(first.function) == ast.unparse(second.function)
    return first.function.attr == second.function.attr


def _owner(call: WrittenCall) -> str:
    """Return the text of what a method is called on."""
    head = call.text[call.start : call.opening].rstrip()
    return head[: head.rindex(".")].rstrip()


def _loss(call: WrittenCall) -> str:
    """Return the text of a pass's loss, as a term of a sum."""
    argument = _only_argument(call)
    text = call.text[argument.value_start : argument.end] if argument else _owner(call)
    value = ast.parse(f"({text})", mode="eval").body
    bare = text[1:-1].strip() if in_parentheses(text) else text
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        return bare
    if isinstance(value, ast.BoolOp | ast.Compare | ast.IfExp | ast.Lambda | ast.NamedExpr):
        return f"({bare})"
    return text
