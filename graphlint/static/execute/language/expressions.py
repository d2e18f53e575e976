"""Evaluating expressions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.foreign import may_be_tensor
from graphlint.static.execute.language import calls
from graphlint.static.execute.language.comparisons import comparison
from graphlint.static.execute.language.comprehensions import comprehension
from graphlint.static.execute.language.operators import own_arithmetic, own_sign
from graphlint.static.execute.language.unbound import is_unbound, is_unset
from graphlint.static.execute.library import containers, subscripts
from graphlint.static.execute.library.attributes import get_attribute
from graphlint.static.execute.library.dictionaries import UNKNOWN, overlaid
from graphlint.static.execute.library.externals import BUILTINS
from graphlint.static.execute.library.imports import resolve
from graphlint.static.execute.library.items import every
from graphlint.static.execute.library.ops import apply_op, has_graph, is_tensor
from graphlint.static.execute.paths.branches import negate, truth
from graphlint.static.execute.paths.generators import is_sent_to, note_yield, run_managed
from graphlint.static.execute.paths.implied import is_weighed
from graphlint.static.execute.paths.numbers import (
    arithmetic,
    depends_on_position,
    is_exact,
    is_number,
    join_text,
    less,
    name_of,
)
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.suppositions import note_supposition
from graphlint.static.execute.paths.values import (
    NONE,
    Const,
    Dict,
    Env,
    External,
    Imported,
    List,
    Some,
    Sym,
    Tuple,
    Value,
)

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

OPERATORS = {
    "Add": "add",
    "Sub": "sub",
    "Mult": "mul",
    "Div": "div",
    "Pow": "pow",
    "MatMult": "matmul",
    "Mod": "remainder",
}
READING = frozenset(("item", "tolist"))
"""Methods that make numbers of tensors, and that numbers do not have."""
REFLECTED = {"Sub": "rsub", "Div": "rdiv", "Pow": "rpow", "Mod": "rmod"}


def _const(ex: Executor, node: ir.Const, state: State) -> Results:
    return [(state, Const(node.value))]


def _name(ex: Executor, node: ir.Name, state: State) -> Results:
    value = state.lookup(node.id)
    if isinstance(value, Imported):
        value = resolve(ex, state, value)
    elif value is None and is_unbound(state, node.id):
        ex.raised(state)
        return []
    elif value is None:
        value = External(node.id) if node.id in BUILTINS else Sym(("global", node.id))
    return [(state, value)]


def _attribute(ex: Executor, node: ir.Attribute, state: State) -> Results:
    results: Results = []
    for after, owner in ex.eval(node.value, state):
        if is_unset(after, owner, node.name):
            ex.raised(after)
        else:
            results += get_attribute(ex, after, node, owner, node.name)
    return results


def _text(ex: Executor, node: ir.Text, state: State) -> Results:
    return [
        (after, _joined(after, node, parts)) for after, parts in ex.eval_each(node.parts, state)
    ]


def _joined(state: State, node: ir.Text, parts: Sequence[Value]) -> Value:
    known = [part for part in parts if isinstance(part, Const)]
    whole = node.joined and len(known) == len(parts)
    return join_text(known) if whole else state.sym(node, "text")


def _starred(ex: Executor, node: ir.Starred, state: State) -> Results:
    return ex.eval(node.value, state)


def _sequence(ex: Executor, node: ir.Sequence, state: State) -> Results:
    results: Results = []
    for after, values in ex.eval_each(node.items, state):
        items: list[Value] = []
        length: Value | None = None
        for syntax, value in zip(node.items, values, strict=True):
            if isinstance(syntax, ir.Starred):
                unpacked = every(ex, after, value, syntax)
                items += unpacked.values
                length = length or unpacked.length
            else:
                items.append(value)
        if node.kind == "tuple" and length is None:
            listed = not any(isinstance(syntax, ir.Starred) for syntax in node.items)
            results.append((after, Tuple(tuple(items), written=listed)))
        else:
            results.append((after, after.new(node, List(tuple(items), length, node.kind))))
    return results


def _dict(ex: Executor, node: ir.Dict, state: State) -> Results:
    parts = [part for pair in node.items for part in pair if part is not None]
    results: Results = []
    for after, values in ex.eval_each(parts, state):
        queue = list(values)
        made = Dict({})
        for key, _ in node.items:
            first = queue.pop(0)
            if key is None:
                spread = after.get(first, Dict) or UNKNOWN
            else:
                spread = Dict({subscripts.dict_key(first): queue.pop(0)})
            made = overlaid(after, node, made, spread)
        results.append((after, after.new(node, made)))
    return results


def _unary(ex: Executor, node: ir.Unary, state: State) -> Results:
    results: Results = []
    for after, value in ex.eval(node.operand, state):
        own = own_sign(ex, after, node, node.op, value)
        if own is not None:
            results += own
        elif node.op == "Not":
            results += _not(after, value)
        elif is_tensor(after, value) or has_graph(after, value):
            name = "neg" if node.op == "USub" else "bitwise_not" if node.op == "Invert" else "alias"
            results.append((after, apply_op(ex, after, node, name, (value,))))
        elif node.op == "USub" and isinstance(value, Some) and is_number(value):
            results.append((after, less(0, value)))
        elif is_exact(value) and isinstance(value.value, (int, float)):
            results.append((after, _signed(node.op, value)))
        else:
            results.append((after, Sym(("number", node.op, name_of(value)))))
    return results


def _signed(op: str, value: Const) -> Value:
    if op == "USub":
        return Const(-value.value)
    if op == "Invert" and isinstance(value.value, int):
        return Const(-value.value - 1)
    return value


def _not(state: State, value: Value) -> Results:
    if isinstance(value, Sym):
        return [(state, negate(value))]
    if isinstance(value, Const):
        return [(state, replace(value, value=not value.value))]
    return [(after, Const(not way)) for after, way in truth(state, value)]


def _boolean(ex: Executor, node: ir.Boolean, state: State) -> Results:
    results: Results = []
    for after, left in ex.eval(node.left, state):
        for decided, way in truth(after, left):
            if way == node.is_and:
                results += assumed(left, ex.eval(node.right, decided))
            else:
                results.append((decided, _decided(left, way)))
    return results


def _decided(left: Value, way: bool) -> Value:
    """Return what `left and …` or `left or …` is where it ends at its left side."""
    if isinstance(left, Sym) and not (way and may_be_tensor(left)):
        return Const(way, assumed=depends_on_position(left))
    return left


def _binary(ex: Executor, node: ir.Binary, state: State) -> Results:
    results: Results = []
    for after, (left, right) in ex.eval_each((node.left, node.right), state):
        own = own_arithmetic(ex, after, node, node.op, left, right)
        if own is None:
            own = [(after, binary(ex, after, node, node.op, left, right))]
        results += own
    return results


def binary(ex: Executor, state: State, node: ir.Node, op: str, left: Value, right: Value) -> Value:
    """Compute `left op right` for whatever the two are."""
    if op == "BitOr" and (state.get(left, Dict) or state.get(right, Dict)):
        below, above = (state.get(value, Dict) or UNKNOWN for value in (left, right))
        return state.new(node, overlaid(state, node, below, above))
    if _is_tensorish(state, left) or _is_tensorish(state, right):
        if not (_is_list(state, left) or _is_list(state, right)):
            if op in REFLECTED and not _is_tensorish(state, left):
                return apply_op(ex, state, node, REFLECTED[op], (right, left))
            return apply_op(ex, state, node, OPERATORS.get(op, "floor_divide"), (left, right))
    if _is_list(state, left) or _is_list(state, right):
        return _join(ex, state, node, op, left, right)
    if op == "Mult" and (_is_nothing_of(state, left, right) or _is_nothing_of(state, right, left)):
        return Const(0)
    return arithmetic(op, left, right) or Sym(("number", op, name_of(left), name_of(right)))


def _is_nothing_of(state: State, zero: Value, weight: Value) -> bool:
    """Whether a zero is multiplied by what is known for a number, if not for which."""
    is_zero = is_exact(zero) and is_number(zero) and zero.value == 0
    return is_zero and isinstance(weight, Sym) and is_weighed(state.conds, weight.name)


def _is_tensorish(state: State, value: Value) -> bool:
    return is_tensor(state, value) or has_graph(state, value)


def _is_list(state: State, value: Value) -> bool:
    return isinstance(value, Tuple) or state.get(value, List) is not None


def _join(ex: Executor, state: State, node: ir.Node, op: str, left: Value, right: Value) -> Value:
    """Compute `list + list` or `list * number`."""
    if op == "Mult":
        items, times = (left, right) if _is_list(state, left) else (right, left)
        known = every(ex, state, items, node)
        if isinstance(times, Const) and isinstance(times.value, int) and 0 <= times.value <= 4:
            return state.new(node, List(known.values * times.value, known.length))
        return state.new(node, List(known.values * 2, known.length or state.sym(node, "length")))
    first, second = every(ex, state, left, node), every(ex, state, right, node)
    if op in ("Sub", "BitAnd"):
        return containers.left_of_set(state, node, first, second, op == "BitAnd")
    if isinstance(left, Tuple) and isinstance(right, Tuple):
        return Tuple(first.values + second.values)
    return state.new(node, List(first.values + second.values, first.length or second.length))


def _if_else(ex: Executor, node: ir.IfElse, state: State) -> Results:
    results: Results = []
    for after, test in ex.eval(node.test, state):
        likely = _fitting_way(after, node)
        ways = [each for each in truth(after, test) if likely in (None, each[1])]
        if not ways and isinstance(test, Sym):
            ex.raised(after)  # what was assumed does not go with what the variable is
            continue
        for decided, way in ways or truth(after, test):
            note_supposition(decided, node.test, test, way)
            results += assumed(test, ex.eval(node.body if way else node.orelse, decided))
    return results


def _fitting_way(state: State, node: ir.IfElse) -> bool | None:
    """Tell which way `loss.item() if task else loss` goes by what the variable is.

    Where it starts as a number, whatever is asked there tells tensors from numbers, or the program
    would fail.
    """
    for read, other, way in ((node.body, node.orelse, True), (node.orelse, node.body, False)):
        if isinstance(other, ir.Name) and _reads_tensor(read, other.id):
            value = state.lookup(other.id)
            if is_tensor(state, value) and _starts_as_number(state, other.id):
                return way
            return not way if isinstance(value, Const) else None
    return None


def _starts_as_number(state: State, name: str) -> bool:
    """Whether the function that runs, or the file, sets a variable to a number somewhere."""
    scopes = (frame.detail for frame in state.frame.chain())
    scope = next((each for each in scopes if isinstance(each, (ir.Function, ir.Module))), None)
    return scope is not None and any(
        isinstance(node, ir.Assign)
        and isinstance(node.value, ir.Const)
        and any(isinstance(target, ir.Name) and target.id == name for target in node.targets)
        for statement in scope.body
        for node in ir.walk(statement)
    )


def _reads_tensor(expr: ir.Expr, name: str) -> bool:
    """Whether an expression calls a method of a variable that tensors alone have."""
    method = expr.func if isinstance(expr, ir.Call) else None
    if not isinstance(method, ir.Attribute) or method.name not in READING:
        return False
    return isinstance(method.value, ir.Name) and method.value.id == name


def assumed(condition: Value, results: Results) -> Results:
    """Mark constants that follow from a condition on where in a loop the program is."""
    if not (isinstance(condition, Sym) and depends_on_position(condition)):
        return results
    return [
        (state, replace(value, assumed=True) if isinstance(value, Const) else value)
        for state, value in results
    ]


def _walrus(ex: Executor, node: ir.Walrus, state: State) -> Results:
    results = ex.eval(node.value, state)
    for after, value in results:
        after.bind(node.target.id, value)
        scope, inner = after.env, after.heap[after.env]
        if isinstance(after.frame.place, (ir.Comprehension, ir.Generator)):
            if isinstance(inner, Env) and inner.parent is not None:
                after.env = inner.parent  # the name belongs to who runs the comprehension
                after.bind(node.target.id, value)
                after.env = scope
    return results


def _await(ex: Executor, node: ir.Await, state: State) -> Results:
    return ex.eval(node.value, state)


def _yield(ex: Executor, node: ir.Yield, state: State) -> Results:
    if state.managed is not None and not node.delegate:
        entered: Results = [(state, NONE)] if node.value is None else ex.eval(node.value, state)
        return [(going, NONE) for after, value in entered for going in _managed(after, value)]
    if node.value is None:
        note_yield(state)
        state.yields = (*state.yields, NONE)
        state.yielded = (*state.yielded, state.frame)
        return [(state, state.sym(node, "sent"))]
    results: Results = []
    for after, value in ex.eval(node.value, state):
        note_yield(after)
        if is_sent_to(after):
            ex.escape(after, (value,), for_use=True)
        given = every(ex, after, value, node).values if node.delegate else (value,)
        after.yields = (*after.yields, *given)
        after.yielded = (*after.yielded, *[after.frame for _ in given])
        found = after.get(value, List) if node.delegate else None
        returned = found.returned if found is not None else None
        results.append((after, returned or after.sym(node, "sent")))
    return results


def _managed(state: State, value: Value) -> list[State]:
    """Run the body of the `with` that a context manager is made for."""
    assert state.managed is not None
    return run_managed(state, state.managed, value)


def _slice(ex: Executor, node: ir.Slice, state: State) -> Results:
    """Evaluate the bounds of a slice; its value is a tuple of the three."""
    bounds = [node.lower, node.upper, node.step]
    results: Results = []
    for after, values in ex.eval_each([b for b in bounds if b is not None], state):
        queue = list(values)
        made = tuple(NONE if b is None else queue.pop(0) for b in bounds)
        results.append((after, Tuple((subscripts.SLICE, *made))))
    return results


def _lambda(ex: Executor, node: ir.Lambda, state: State) -> Results:
    return calls.make_function(ex, node.function, state)


EVALUATE: dict[type, Callable[..., Results]] = {
    ir.Const: _const,
    ir.Name: _name,
    ir.Attribute: _attribute,
    ir.Text: _text,
    ir.Starred: _starred,
    ir.Sequence: _sequence,
    ir.Dict: _dict,
    ir.Unary: _unary,
    ir.Boolean: _boolean,
    ir.Compare: comparison,
    ir.Binary: _binary,
    ir.IfElse: _if_else,
    ir.Walrus: _walrus,
    ir.Await: _await,
    ir.Yield: _yield,
    ir.Slice: _slice,
    ir.Lambda: _lambda,
    ir.Call: calls.call,
    ir.Subscript: subscripts.subscript,
    ir.Comprehension: comprehension,
}
