"""The iterations that a loop's body asks for: the numbers that it compares a counter with.

Only what decides about passes counts: where a loop is left or gone on with, what runs passes under
conditions, and values, which may be flags. What else a body does in its first iteration, such as to
show a picture, is not worth another iteration.

A body may also run passes every so often: `if step % 4 == 0`, or once enough losses are gathered,
which are then let go of. The first iteration doesn't say when, so that two of those that stand for
others are run: what two such passes do to each other is what such loops are about.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.paths.turns import MOST_ASKED
from graphlint.static.execute.records.records import site_of
from graphlint.static.relevance import PASS_NAMES

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor
    from graphlint.static.execute.paths.state import State

JUMPS = (ir.Break, ir.Continue, ir.Return, ir.Raise)
TRUTHS = ("bool", "int")
LOOKED_BACK = frozenset((1, 2))
"""The iterations that are run of a loop which goes back in a list, besides the first and last."""


def asked(
    ex: Executor, state: State, loop: ir.Node, target: ir.Node, body: Sequence[ir.Node]
) -> frozenset[int]:
    """Return the numbers that a loop's body compares a variable of the loop with."""
    key = (loop, target)
    if key not in ex.asked:
        passes = _pass_names(ex, state, loop)
        names = frozenset(n.id for n in ir.walk(target) if isinstance(n, ir.Name))
        parts = [node for each in body for node in ir.walk(each)]
        runs = any(_runs_pass(node, passes) or isinstance(node, ir.Yield) for node in parts)
        ex.asked[key] = frozenset(_asked(body, names, passes)) if runs else frozenset()
    return ex.asked[key]


def runs_every_so_often(ex: Executor, state: State, loop: ir.For | ir.While) -> bool:
    """Whether a loop runs passes in every so many iterations, or when enough is gathered."""
    if loop not in ex.periodic:
        passes = _pass_names(ex, state, loop)
        branches = (n for each in loop.body for n in ir.walk(each) if isinstance(n, ir.If))
        ex.periodic[loop] = any(
            any(_runs_pass(inner, passes) for each in branch.body for inner in ir.walk(each))
            and _is_periodic(branch)
            for branch in branches
        )
    return ex.periodic[loop]


def looks_back(ex: Executor, state: State, loop: ir.For | ir.While) -> frozenset[int]:
    """Return the iterations that a loop with passes asks for by going back in what it appends to.

    `states[-2]` is an item of an earlier iteration: which one it is can only be told of those that
    are run one after the other.
    """
    if loop not in ex.backward_looking:
        passes = _pass_names(ex, state, loop)
        parts = [node for each in loop.body for node in ir.walk(each)]
        grown = {name for node in parts for name in _appended_to(node)}
        found = any(_is_further_back(node, grown) for node in parts)
        ex.backward_looking[loop] = found and any(_runs_pass(node, passes) for node in parts)
    return LOOKED_BACK if ex.backward_looking[loop] else frozenset()


def _appended_to(node: ir.Node) -> Iterator[str]:
    if isinstance(node, ir.Call) and _last_name(node.func) in ("append", "appendleft"):
        owner = node.func.value if isinstance(node.func, ir.Attribute) else None
        if isinstance(owner, (ir.Name, ir.Attribute)):
            yield _last_name(owner)


def _is_further_back(node: ir.Node, grown: set[str]) -> bool:
    """Whether an item of a list is asked for by its distance from the end, and not the last one."""
    if not isinstance(node, ir.Subscript) or not isinstance(node.value, (ir.Name, ir.Attribute)):
        return False
    return _last_name(node.value) in grown and _is_distance(node.index)


def _is_distance(index: ir.Expr) -> bool:
    """Whether an index counts from the end: `-2`, or `-i - 1`."""
    if isinstance(index, ir.Binary):
        return _is_distance(index.left)
    if not isinstance(index, ir.Unary) or index.op != "USub":
        return False
    return not (isinstance(index.operand, ir.Const) and index.operand.value == 1)


def _pass_names(ex: Executor, state: State, loop: ir.Node) -> frozenset[str]:
    seen = ex.relevance.seen_by(site_of(loop, state.frame).filename) if ex.relevance else ()
    return PASS_NAMES.union(ex.backward_functions.last, seen)


def _is_periodic(branch: ir.If) -> bool:
    """Whether a branch asks for a remainder, or starts anew what it asks for."""
    tested = list(ir.walk(branch.test))
    names = {node.id for node in tested if isinstance(node, ir.Name)}
    return any(isinstance(node, ir.Binary) and node.op == "Mod" for node in tested) or any(
        not names.isdisjoint(_started_anew(node)) for each in branch.body for node in ir.walk(each)
    )


def _started_anew(node: ir.Node) -> Iterator[str]:
    """Walk the variables that a piece of syntax assigns, or empties."""
    if isinstance(node, ir.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ir.Name))
    elif isinstance(node, ir.Delete):
        walked = (n for target in node.targets for n in ir.walk(target))
        yield from (n.id for n in walked if isinstance(n, ir.Name))
    elif isinstance(node, ir.Call) and isinstance(node.func, ir.Attribute):
        if node.func.name == "clear" and isinstance(node.func.value, ir.Name):
            yield node.func.value.id


def counters(body: Sequence[ir.Node]) -> list[ir.Name]:
    """Return the variables that a body adds something to, or takes something off."""
    found: dict[str, ir.Name] = {}
    for node in (node for statement in body for node in ir.walk(statement)):
        if isinstance(node, ir.AugAssign) and isinstance(node.target, ir.Name):
            found[node.target.id] = node.target
        elif isinstance(node, ir.Assign) and isinstance(node.value, ir.Binary):
            names = [n.id for n in (node.value.left, node.value.right) if isinstance(n, ir.Name)]
            found.update(
                (t.id, t) for t in node.targets if isinstance(t, ir.Name) and t.id in names
            )
    return list(found.values())


def _asked(node: object, names: frozenset[str], passes: frozenset[str]) -> Iterator[int]:
    """Walk the numbers that a piece of syntax asks for, but for conditions on what is no matter."""
    if isinstance(node, (tuple, list)):
        for item in node:
            yield from _asked(item, names, passes)
    elif isinstance(node, ir.Node):
        if isinstance(node, ir.If) and not _decides((*node.body, *node.orelse), passes):
            return
        yield from _compared(node, names)
        if isinstance(node, ir.If) and any(_leaves(each) for each in (*node.body, *node.orelse)):
            yield from _until_remainder(node.test, names)
            yield from _before_last(node.test, names)
        for field in fields(node):
            yield from _asked(getattr(node, field.name), names, passes)


def _compared(node: ir.Node, names: frozenset[str]) -> Iterator[int]:
    """Walk the numbers that one condition compares a counter with."""
    if isinstance(node, ir.Compare):
        for left, right in ((node.left, node.right), (node.right, node.left)):
            offset = _offset(left, names)
            if offset is not None:
                yield from (number - offset for number in _numbers(right))
    elif isinstance(node, (ir.If, ir.IfElse)):
        yield from _truth(node.test, names)
    elif isinstance(node, ir.Boolean):
        yield from (n for side in (node.left, node.right) for n in _truth(side, names))
    elif isinstance(node, ir.Unary) and node.op == "Not":
        yield from _truth(node.operand, names)
    elif isinstance(node, ir.Call) and isinstance(node.func, ir.Name) and node.func.id in TRUTHS:
        yield from (number for arg in node.args for number in _truth(arg, names))


def _leaves(statement: ir.Stmt) -> bool:
    return any(isinstance(node, (ir.Break, ir.Return)) for node in ir.walk(statement))


def _until_remainder(test: ir.Expr, names: frozenset[str]) -> Iterator[int]:
    """Walk the first iterations up to the one in which `i % 2` is what it was at first."""
    for node in ir.walk(test):
        if isinstance(node, ir.Binary) and node.op == "Mod" and _offset(node.left, names) == 0:
            divisor = next(_numbers(node.right), 0)
            yield from range(1, divisor + 1 if divisor <= MOST_ASKED else 1)


def _before_last(test: ir.Expr, names: frozenset[str]) -> Iterator[int]:
    """Ask for a second iteration where the last one is left out: `if i == n - 1: break`."""
    for node in ir.walk(test):
        if isinstance(node, ir.Compare) and _offset(node.left, names) is not None:
            if isinstance(node.right, ir.Binary) and node.right.op == "Sub":
                yield 1


def _truth(test: ir.Expr, names: frozenset[str]) -> Iterator[int]:
    """A counter that is a condition asks whether it is 0."""
    offset = _offset(test, names)
    if offset is not None:
        yield -offset


def _offset(expr: ir.Expr, names: frozenset[str]) -> int | None:
    """Return what is added to a counter, None for anything else."""
    if isinstance(expr, ir.Name):
        return 0 if expr.id in names else None
    if isinstance(expr, ir.Binary) and expr.op in ("Add", "Sub"):
        added = next(_numbers(expr.right), None)
        if _offset(expr.left, names) == 0 and added is not None:
            return added if expr.op == "Add" else -added
    return None


def _numbers(expr: ir.Expr) -> Iterator[int]:
    if isinstance(expr, ir.Const) and type(expr.value) is int:
        yield expr.value
    elif isinstance(expr, ir.Sequence):
        yield from (number for item in expr.items for number in _numbers(item))


def _decides(block: Sequence[ir.Node], passes: frozenset[str]) -> bool:
    """Whether a branch decides which passes run: it jumps, or calls what may run one."""
    nodes = (node for statement in block for node in ir.walk(statement))
    return any(isinstance(node, JUMPS) or _runs_pass(node, passes) for node in nodes)


def _runs_pass(node: ir.Node, passes: frozenset[str]) -> bool:
    return isinstance(node, ir.Call) and _last_name(node.func) in passes


def _last_name(func: ir.Expr) -> str:
    if isinstance(func, ir.Attribute):
        return func.name
    return func.id if isinstance(func, ir.Name) else ""
