"""The repair of a flag that a loop's last iteration alone has no use for: say which that is."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import replace

from graphlint.findings import Edit, Fix
from graphlint.rules.edits import say_flag
from graphlint.rules.loops import (
    Loop,
    WhileLoop,
    counted,
    is_changed,
    is_list,
    loop_around,
    names_in,
)
from graphlint.rules.syntax import extent, in_parentheses, parse, replacement
from graphlint.source.lines import Lines, unix_newlines
from graphlint.trace import Site

_COUNTS = ("size", "numel", "nelement")
_TAKES = ("pop", "popleft", "popitem")
UNUSED = "_"
_COUNTERS = ("i", "index", "number", "k")


def turn_off_on_last(source: str, site: Site) -> Fix | None:
    """Turn a flag off on the last iteration of the loop around a call.

    Args:
        source: the file's text.
        site: the call that says the flag.

    Returns:
        An unsafe fix, or None where the call doesn't say `True` literally, or which iteration is
        the last can't be said in a few words: the loop has to count, to go over what has a length,
        or to take item by item out of a list.
    """
    text = unix_newlines(source)
    tree = parse(text)
    loop = loop_around(text, tree, site) if tree else None
    if isinstance(loop, WhileLoop):
        more = _more_to_take(loop) or _more_to_count(loop)
        return say_flag(source, site, more) if more else None
    if loop is None:
        return None
    if isinstance(loop.target, ast.Name) and loop.target.id == UNUSED:
        return _with_name(source, text, loop, site)
    more = _said(loop)
    return say_flag(source, site, more) if more else _with_counter(source, text, loop, site)


# ------------------------------------------------------------------------------- loops over items
def _said(loop: Loop) -> str | None:
    """Write what holds on every iteration but the last, unless the loop changes what that asks."""
    more = _more_to_come(loop)
    return None if more is None or is_changed(loop.body, names_in(ast.parse(more))) else more


def _more_to_come(loop: Loop) -> str | None:
    """Write what holds on every iteration but the last, with the names that the loop binds."""
    match loop.target, loop.iter:
        case ast.Name(id=number), ast.Call(func=ast.Name("range")) as numbers:
            return _before_end(number, numbers)
        case ast.Name(id=number), ast.Call(func=ast.Name("reversed"), args=[ast.Call() as numbers]):
            counts = isinstance(numbers.func, ast.Name) and numbers.func.id == "range"
            return f"{number} > 0" if counts and len(numbers.args) == 1 else None
        case ast.Tuple(elts=[ast.Name(id=number), _]), ast.Call(func=ast.Name("enumerate")) as rows:
            return _before_last_pair(loop, number, rows)
        case ast.Name(id=item), ast.Name(id=items) if is_list(loop.scope, items):
            return f"{item} is not {items}[-1]"
        case (
            ast.Name(id=item),
            ast.Call(func=ast.Name("reversed"), args=[ast.Name(id=items)]),
        ) if is_list(loop.scope, items):
            return f"{item} is not {items}[0]"
        case ast.Name(id=item), (
            ast.Tuple(elts=[*_, ast.Name(id=last)]) | ast.List(elts=[*_, ast.Name(id=last)])
        ):
            return f"{item} is not {last}"
    return None


def _before_end(number: str, numbers: ast.Call) -> str | None:
    """Write that a number is not the last of a range."""
    if numbers.keywords or not numbers.args:
        return None
    if len(numbers.args) == 3:
        return _before_stop(number, numbers.args[1], _constant(numbers.args[2]))
    end = numbers.args[-1]
    if isinstance(end, ast.Constant) and type(end.value) is int:
        return f"{number} < {end.value - 1}"
    return _less(number, ast.unparse(end), 0) if _is_count(end) else None


def _before_stop(number: str, stop: ast.expr, step: int | None) -> str | None:
    """Write that a number is not the last of a range that goes on by a step, up or down."""
    end = _constant(stop)
    if not step or (end is None and not _is_count(stop)):
        return None
    if end is not None:
        return f"{number} < {end - step}" if step > 0 else f"{number} > {end - step}"
    text = ast.unparse(stop)
    return f"{number} + {step} < {text}" if step > 0 else f"{number} - {-step} > {text}"


def _constant(value: ast.expr) -> int | None:
    match value:
        case ast.Constant(value=int(number)) if type(number) is int:
            return number
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))):
            return -number
    return None


def _before_last_pair(loop: Loop, number: str, pairs: ast.Call) -> str | None:
    """Write that a number is not the last that `enumerate` gives, if that can be counted."""
    items = counted(loop.scope, pairs.args[0]) if pairs.args else None
    match items, [*pairs.args[1:], *(keyword.value for keyword in pairs.keywords)]:
        case str(), []:
            return _less(number, f"len({items})", 0)
        case str(), [ast.Constant(value=int(first))]:
            return _less(number, f"len({items})", first)
    return None


def _less(number: str, count: str, first: int) -> str:
    """Write that a number is not the last of so many, counted from the first."""
    if first == 1:
        return f"{number} < {count}"
    return f"{number} < {count} - {1 - first}" if first < 1 else f"{number} < {count} + {first - 1}"


def _is_count(expr: ast.expr) -> bool:
    """Whether an expression is a count that can as well be asked for again."""
    match expr:
        case ast.Name() | ast.Attribute(value=ast.Name()):
            return True
        case ast.Call(func=ast.Name("len"), args=[ast.Name() | ast.Attribute(value=ast.Name())]):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(), attr=name), args=args):
            return name in _COUNTS and all(isinstance(arg, ast.Constant) for arg in args)
        case ast.Subscript(
            value=ast.Attribute(value=ast.Name(), attr="shape"), slice=ast.Constant()
        ):
            return True
    return False


# --------------------------------------------------------------------------- a counter of its own
def _free_name(loop: Loop) -> str | None:
    """Return a name for a counter that nothing around a loop is called."""
    taken = names_in(loop.scope.own)
    return next((name for name in _COUNTERS if name not in taken), None)


def _with_name(source: str, text: str, loop: Loop, site: Site) -> Fix | None:
    """Give the number that a loop counts with, and has no use for, a name to ask for."""
    counter = _free_name(loop)
    if counter is None or UNUSED in names_in(*loop.body):
        return None
    more = _said(replace(loop, target=ast.Name(counter)))
    flag = say_flag(source, site, more) if more else None
    if flag is None:
        return None
    start, end = extent(text, loop.target)
    return _with_edits(flag, [replacement(Lines(text), start, end, counter)])


def _with_counter(source: str, text: str, loop: Loop, site: Site) -> Fix | None:
    """Number the items of a loop, and turn the flag off where the number is the last."""
    items = counted(loop.scope, loop.iter)
    counter = _free_name(loop)
    if items is None or counter is None or is_changed(loop.body, names_in(ast.parse(items))):
        return None
    flag = say_flag(source, site, f"{counter} < len({items}) - 1")
    return _with_edits(flag, _numbered(text, loop, counter)) if flag else None


def _with_edits(flag: Fix, edits: Iterable[Edit]) -> Fix:
    """Add edits of a loop's header to that of the flag, in the order of the text."""
    every = (*edits, *flag.edits)
    return replace(flag, edits=tuple(sorted(every, key=lambda edit: edit.location)))


def _numbered(text: str, loop: Loop, counter: str) -> Iterator[Edit]:
    """Write a loop's header so that it numbers its items."""
    lines = Lines(text)
    start, end = extent(text, loop.target)
    target = text[start:end]
    if isinstance(loop.target, ast.Tuple) and not in_parentheses(target):
        target = f"({target})"
    yield replacement(lines, start, end, f"{counter}, {target}")
    start, end = extent(text, loop.iter)
    yield replacement(lines, start, end, f"enumerate({text[start:end]})")


# -------------------------------------------------------------------------------- `while` loops
def _more_to_take(loop: WhileLoop) -> str | None:
    """Write that a list has items left, where a loop takes them out of it one by one."""
    items = _emptied(loop.test)
    mentions = [
        (statement, node)
        for statement in loop.body
        for node in _uses(statement)
        if isinstance(node, ast.Name) and node.id == items
    ]
    if items is None or len(mentions) != 1:
        return None
    statement, mention = mentions[0]
    plain = isinstance(statement, (ast.Assign, ast.AnnAssign, ast.Expr))
    if not plain or not any(_takes_from(node, items) for node in ast.walk(statement)):
        return None
    at_once = statement is loop.within and mention in ast.walk(loop.call.func)
    return f"bool({items})" if at_once or _is_before(loop, statement) else None


def _emptied(test: ast.expr) -> str | None:
    """Return the name of a list that a loop goes on with for as long as it has items."""
    match test:
        case ast.Name(id=items) | ast.Call(func=ast.Name("len"), args=[ast.Name(id=items)]):
            return items
        case ast.Compare(left=left, ops=[ast.Gt()], comparators=[ast.Constant(value=0)]):
            return _emptied(left) if isinstance(left, ast.Call) else None
    return None


def _uses(node: ast.AST) -> Iterator[ast.AST]:
    """Walk a node, but not what is asked for its length only."""
    yield node
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Call(func=ast.Name("len")):
                continue
        yield from _uses(child)


def _takes_from(node: ast.AST, items: str) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=name)):
            return owner == items and name in _TAKES
    return False


def _is_before(loop: WhileLoop, statement: ast.stmt) -> bool:
    """Whether a statement of a loop's body comes before the one with the call."""
    return loop.body.index(statement) < loop.body.index(loop.within)


def _more_to_count(loop: WhileLoop) -> str | None:
    """Write that a number is not the last, where a loop counts by ones."""
    match loop.test:
        case ast.Compare(left=ast.Name(id=number), ops=[ast.Lt()], comparators=[end]):
            pass
        case _:
            return None
    binds = [
        (statement, node)
        for statement in loop.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and node.id == number and isinstance(node.ctx, ast.Store)
    ]
    if len(binds) != 1 or not _counts(binds[0][0]):
        return None
    known = _constant(end)
    if is_changed(loop.body, names_in(end)) or not (known is not None or _is_count(end)):
        return None
    if _is_before(loop, binds[0][0]):
        return f"{number} < {ast.unparse(end)}"
    return _less(number, ast.unparse(end), 0) if known is None else f"{number} < {known - 1}"


def _counts(statement: ast.stmt) -> bool:
    """Whether a statement adds one to a number."""
    match statement:
        case ast.AugAssign(op=ast.Add(), value=ast.Constant(value=1)):
            return True
    return False
