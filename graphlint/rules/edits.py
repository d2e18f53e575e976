"""The repairs of backward calls: dropping the flag that keeps the graph, or adding it.

An edit is the least that does it: an argument goes with its comma and its white space, and what
stands around it stays as it is, to the byte.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace

from graphlint.findings import Applicability, Edit, Fix
from graphlint.rules.callees import Callee, find_callee
from graphlint.rules.written import Argument, WrittenCall, parse_call, read_call
from graphlint.trace import Site

FLAG = "retain_graph"
CREATE = "create_graph"
DROP_CREATE = f"Drop `{CREATE}=True`."
# Arguments that are no `retain_graph`, whatever a wrapper makes of its own.
_OTHER_FLAGS = frozenset({"create_graph", "allow_unused", "is_grads_batched", "materialize_grads"})
_EFFECTS = (ast.Call, ast.Await, ast.NamedExpr, ast.Yield, ast.YieldFrom)


@dataclass(frozen=True, slots=True)
class _Flag:
    """The argument that turns retention on, and what must stand in its place (None: nothing)."""

    argument: Argument
    instead: str | None


def drop_retain_graph(source: str, site: Site) -> Fix | None:
    """Drop the argument that keeps the graph; where it can't go, pass `False`.

    Args:
        source: the file's text.
        site: the call that says the flag: a pass, or a caller that hands the flag over.

    Returns:
        A safe fix, or None where the call doesn't say the flag literally, or evaluating the flag
        has effects of its own.
    """
    return _drop(source, site, "False")


def drop_implied_retain_graph(source: str, site: Site) -> Fix | None:
    """Drop `retain_graph` beside `create_graph`; where it can't go, pass `None`.

    `None` and no argument mean the same: the value of `create_graph`. `False` would free the graph.

    Args:
        source: the file's text.
        site: the call that says the flag.

    Returns:
        A safe fix, or None as for `drop_retain_graph`.
    """
    return _drop(source, site, "None")


def add_retain_graph(source: str, site: Site) -> Fix | None:
    """Have a pass keep its graph. To be shown only: another repair is better in most programs.

    Args:
        source: the file's text.
        site: the call that runs the pass.

    Returns:
        A fix to display, or None where the call is no pass itself or may hold the flag in `**`.
    """
    call = read_call(source, site)
    if call is None:
        return None
    callee = find_callee(call)
    edit = _turn_on(call, callee) if callee.runs_pass else None
    if edit and "\r\n" in source:
        edit = replace(edit, content=edit.content.replace("\n", "\r\n"))
    message = "Keep the graph with `retain_graph=True`, if the passes can't be one."
    return _fix(call, edit, Applicability.DISPLAY, message)


def say_flag(source: str, site: Site, value: str) -> Fix | None:
    """Pass a condition in place of a flag that is always on.

    Args:
        source: the file's text.
        site: the call that says the flag: a pass, or a caller that hands the flag over.
        value: the condition.

    Returns:
        An unsafe fix, or None where the call doesn't say `True` literally.
    """
    call = read_call(source, site)
    flag = _find_flag(call, "False") if call else None
    if call is None or flag is None or not flag.argument.literal_true:
        return None
    edit = call.edit(flag.argument.value_start, flag.argument.end, value)
    message = f"Turn the flag off on the last iteration: `{value}`."
    return _fix(call, edit, Applicability.UNSAFE, message)


def drop_default_flag(source: str, site: Site) -> Fix | None:
    """Drop a `retain_graph` that says what holds without it.

    Args:
        source: the file's text.
        site: the call that runs the pass.

    Returns:
        A safe fix, or None where the flag is not passed by its name, or may not be left out.
    """
    call = read_call(source, site)
    if call is None or call.keyword(FLAG) is None or not find_callee(call).optional_flag:
        return None
    return _drop(source, site, "None")


def drop_create_graph(source: str, site: Site) -> Fix | None:
    """Drop the argument that makes gradients differentiable; a wrapper is told `False`.

    Args:
        source: the file's text.
        site: the call that says the flag.

    Returns:
        A safe fix, or None where the call doesn't say `create_graph=True` literally.
    """
    call = read_call(source, site)
    flag = call.keyword(CREATE) if call else None
    if call is None or flag is None or not flag.literal_true:
        return None
    if call.commented(flag.start, flag.end_with_comma):
        return None
    if find_callee(call).runs_pass:
        return _fix(
            call, _removal(call, call.arguments.index(flag)), Applicability.SAFE, DROP_CREATE
        )
    edit = call.edit(flag.value_start, flag.end, "False")
    return _fix(call, edit, Applicability.SAFE, f"Pass `False` in place of `{CREATE}=True`.")


def retain_instead(source: str, site: Site) -> Fix | None:
    """Have a pass keep its graph, in place of making differentiable gradients.

    Args:
        source: the file's text.
        site: the call that says the flag.

    Returns:
        A safe fix, or None where the call is no pass itself, or doesn't say `create_graph=True`
        literally.
    """
    call = read_call(source, site)
    flag = call.keyword(CREATE) if call else None
    if call is None or flag is None or not flag.literal_true or not find_callee(call).runs_pass:
        return None
    if call.keyword(FLAG) is not None:
        return drop_create_graph(source, site)
    edit = call.edit(flag.start, flag.end, f"{FLAG}=True")
    return _fix(call, edit, Applicability.SAFE, f"Pass `{FLAG}=True` in place of `{CREATE}=True`.")


def turn_create_graph_on(source: str, site: Site) -> Fix | None:
    """Have a pass make differentiable gradients, in place of keeping its graph only.

    Args:
        source: the file's text.
        site: the call that runs the pass.

    Returns:
        An unsafe fix, or None where the call is no pass itself or passes flags in other ways.
    """
    call = read_call(source, site)
    if call is None or not find_callee(call).runs_pass or any(a.stars for a in call.arguments):
        return None
    create, retain = call.keyword(CREATE), call.keyword(FLAG)
    if len([a for a in call.arguments if a.positional]) > find_callee(call).positions[0]:
        return None
    if create:
        edit = call.edit(create.value_start, create.end, "True")
    elif retain:
        edit = call.edit(retain.start, retain.end, f"{CREATE}=True")
    else:
        edit = _insertion(call, CREATE)
    if "\r\n" in source:
        edit = replace(edit, content=edit.content.replace("\n", "\r\n"))
    message = f"Pass `{CREATE}=True`, which changes the gradient of the loss."
    return _fix(call, edit, Applicability.UNSAFE, message)


def _drop(source: str, site: Site, off: str) -> Fix | None:
    call = read_call(source, site)
    flag = _find_flag(call, off) if call else None
    if call is None or flag is None or _has_effects(flag.argument.value):
        return None
    argument = flag.argument
    if call.commented(argument.start, argument.end_with_comma):
        return None  # the comment would go with it
    written = f"`{call.text[argument.start : argument.end]}`"
    if flag.instead is None:
        edit = _removal(call, call.arguments.index(argument))
        by_position = f", which `{FLAG}` takes by position" if argument.name is None else ""
        message = f"Drop {written}{by_position}."
    else:
        edit = call.edit(argument.value_start, argument.end, flag.instead)
        message = f"Pass `{flag.instead}` in place of {written}."
    return _fix(call, edit, Applicability.SAFE, message)


def _fix(
    call: WrittenCall, edit: Edit | None, applicability: Applicability, message: str
) -> Fix | None:
    """Make a fix of an edit, if a call is left where it is applied."""
    if edit is None:
        return None
    start = call.lines.offset(edit.location.row, edit.location.column)
    end = call.lines.offset(edit.end_location.row, edit.end_location.column)
    after = call.text[call.start : start] + edit.content + call.text[end : call.closing + 1]
    return Fix(applicability, message, (edit,)) if parse_call(after) else None


def _has_effects(value: ast.expr) -> bool:
    return any(isinstance(node, _EFFECTS) for node in ast.walk(value))


def _find_flag(call: WrittenCall, off: str) -> _Flag | None:
    """Find the argument that says the flag, under whichever name; `off` turns a wrapper's off."""
    callee = find_callee(call)
    named = call.keyword(FLAG)
    if named:
        return _Flag(named, None if callee.optional_flag else off)
    if not callee.runs_pass:
        return _handed_over(call, off)
    index = next((i for i in callee.positions if _is_flag(call, callee, i)), None)
    if index is None:
        return None
    argument = call.arguments[index]
    followed = any(a.name is None and a.stars != "**" for a in call.arguments[index + 1 :])
    return _Flag(argument, "None" if followed else None)


def _handed_over(call: WrittenCall, off: str) -> _Flag | None:
    """Take the only literal `True` of a call for the flag: what it is named is the callee's way."""
    true = [a for a in call.arguments if a.literal_true and a.name not in _OTHER_FLAGS]
    return _Flag(true[0], off) if len(true) == 1 else None


def _is_flag(call: WrittenCall, callee: Callee, index: int) -> bool:
    """Whether a pass takes its flag from the argument at an index."""
    front = call.arguments[: index + 1]
    if len(front) <= index or not all(argument.positional for argument in front):
        return False
    value = call.arguments[index].value
    if isinstance(value, ast.Constant):
        return value.value is True
    if isinstance(value, ast.Compare | ast.BoolOp) or callee.sure:
        return True
    # A wrapper's `backward` may take the gradient here: believe a name only where nothing else
    # in the call could be the flag.
    positional = [a for a in call.arguments if a.positional]
    return len(positional) == 2 and not any(a.stars for a in call.arguments)


def _removal(call: WrittenCall, index: int) -> Edit:
    """Return the edit that takes an argument away."""
    argument = call.arguments[index]
    start, end = argument.start, argument.end_with_comma
    alone = len(call.arguments) == 1
    if alone and not call.commented(call.opening, call.closing):
        return call.edit(call.opening + 1, call.closing, "")
    if call.opens_line(start) and call.closes_line(end):
        return _line_removal(call, index)
    if alone:
        return call.edit(start, end, "")
    return _inline_removal(call, index)


def _line_removal(call: WrittenCall, index: int) -> Edit:
    """Take away an argument that has its lines for itself."""
    argument = call.arguments[index]
    before = call.arguments[index - 1].comma if index else None
    # The last argument had no comma behind it: neither has the one that is the last now.
    if before is not None and argument.comma is None and not call.commented(before, argument.start):
        return call.edit(before, argument.end, "")
    start = call.lines.start(argument.start)
    return call.edit(start, call.lines.next_start(argument.end_with_comma), "")


def _inline_removal(call: WrittenCall, index: int) -> Edit:
    """Take away an argument that shares its line, with one of the commas beside it."""
    argument = call.arguments[index]
    before = call.arguments[index - 1].comma if index else None
    behind = call.arguments[index + 1].start if index + 1 < len(call.arguments) else None
    leads = index == 0 or call.opens_line(argument.start)
    if leads and behind is not None and not call.commented(argument.start, behind):
        return call.edit(argument.start, behind, "")
    if before is not None and not call.commented(before, argument.start):
        return call.edit(before, argument.end, "")
    end = argument.end_with_comma
    if call.opens_line(argument.start):  # what follows, a comment, takes its place
        end += len(call.text[end:]) - len(call.text[end:].lstrip(" \t"))
    return call.edit(argument.start, end, "")


def _turn_on(call: WrittenCall, callee: Callee) -> Edit | None:
    """Return the edit that passes `retain_graph=True`."""
    named = call.keyword(FLAG)
    if named:
        return call.edit(named.value_start, named.end, "True")
    stars = any(argument.stars for argument in call.arguments)
    if stars or (len(call.arguments) == 1 and _is_bare_generator(call)):
        return None
    positional = [argument for argument in call.arguments if argument.positional]
    place = callee.positions[0]
    if len(positional) > place:
        return call.edit(positional[place].start, positional[place].end, "True")
    return _insertion(call)


def _is_bare_generator(call: WrittenCall) -> bool:
    argument = call.arguments[0]
    parenthesized = call.text[argument.start] == "(" and call.text[argument.end - 1] == ")"
    return isinstance(argument.value, ast.GeneratorExp) and not parenthesized


def _insertion(call: WrittenCall, flag: str = FLAG) -> Edit:
    """Return the edit that puts the flag behind the last argument, in the manner of the call."""
    text = f"{flag}=True"
    if not call.arguments:
        return call.edit(call.opening + 1, call.opening + 1, text)
    last = call.arguments[-1]
    if last.comma is None:
        on_line = call.opens_line(last.start) and call.closes_line(last.end)
        gap = "\n" + _indent(call, last) if on_line else " "
        return call.edit(last.end, last.end, f",{gap}{text}")
    end = last.end_with_comma
    line_end = call.lines.next_start(end) - 1
    if call.opens_line(last.start) and line_end < call.closing:
        return call.edit(line_end, line_end, f"\n{_indent(call, last)}{text},")
    return call.edit(end, end, f" {text},")


def _indent(call: WrittenCall, argument: Argument) -> str:
    return call.text[call.lines.start(argument.start) : argument.start]
