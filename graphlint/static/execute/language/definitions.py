"""Statements that bind names: assignments, imports, functions and classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.foreign import adopt_total
from graphlint.static.execute.autograd.holds import note_stored
from graphlint.static.execute.autograd.merge import NEXT, Outcome
from graphlint.static.execute.autograd.sums import note_rebuilt, note_sum
from graphlint.static.execute.language import calls
from graphlint.static.execute.language.creation import introduce, metaclass
from graphlint.static.execute.language.expressions import binary
from graphlint.static.execute.language.operators import own_arithmetic
from graphlint.static.execute.language.statements import run_block
from graphlint.static.execute.language.targets import assign
from graphlint.static.execute.library.imports import import_all, import_value
from graphlint.static.execute.library.items import every
from graphlint.static.execute.library.kinds import dispatcher, make_dispatcher
from graphlint.static.execute.library.ops import apply_inplace, is_tensor
from graphlint.static.execute.paths.classes import enum_members, find_method, is_enum
from graphlint.static.execute.paths.compiled import COMPILED_OP
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    FALSE,
    Class,
    Context,
    Env,
    External,
    Func,
    List,
    Method,
    Partial,
    Ref,
    Tensor,
    Value,
)
from graphlint.static.knowledge.names import NEUTRAL_DECORATORS

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor

INPLACE = {"Add": "add_", "Sub": "sub_", "Mult": "mul_", "Div": "div_", "Pow": "pow_"}
WRAPPERS = {
    "compile": COMPILED_OP,
    "lru_cache": "memo",
    "cache": "memo",
    "contextmanager": "manager",
    "asynccontextmanager": "manager",
}
DISPATCHING = frozenset(("singledispatch", "singledispatchmethod"))
GRAD_MODES = {"no_grad": False, "inference_mode": False, "enable_grad": True}


# ------------------------------------------------------------------------------- assignment
def assign_stmt(ex: Executor, node: ir.Assign, state: State) -> list[Outcome]:
    """Run an assignment."""
    outcomes: list[Outcome] = []
    for after, value in ex.eval(node.value, state):
        states = [after]
        for target in node.targets:
            states = [done for s in states for done in assign(ex, s, target, value, node)]
            note_rebuilt(ex, states, node, target, node.value, value)
        outcomes += [(done, NEXT) for done in states]
    return outcomes


def aug_assign(ex: Executor, node: ir.AugAssign, state: State) -> list[Outcome]:
    """Run `target op= value`: tensors and lists change in place, all else is bound anew."""
    outcomes: list[Outcome] = []
    for after, (left, right) in ex.eval_each((node.target, node.value), state):
        if is_tensor(after, left) and isinstance(left, Ref) and node.op in INPLACE:
            for done, value in _tensor_in_place(ex, node, after, left, right):
                note_sum(ex, done, node, right, value)
                outcomes += [(s, NEXT) for s in assign(ex, done, node.target, value, node)]
            continue
        listed = after.get(left, List)
        if listed and isinstance(left, Ref) and node.op == "Add":
            more = every(ex, after, right, node)
            items = (*listed.items, *more.values)
            after.put(left, List(items, listed.length or more.length, listed.kind))
            note_stored(ex, after, node, left, more.values)
            outcomes.append((after, NEXT))
            continue
        if node.op in ("Add", "Sub"):
            adopt_total(after, node, left, right)
        own = own_arithmetic(ex, after, node, node.op, left, right, own="i")
        if own is None:
            own = [(after, binary(ex, after, node, node.op, left, right))]
        for done, value in own:
            if value != left:  # an object that takes it in sums it up itself
                note_sum(ex, done, node, right, value)
            outcomes += [(s, NEXT) for s in assign(ex, done, node.target, value, node)]
    return outcomes


def _tensor_in_place(
    ex: Executor, node: ir.AugAssign, state: State, left: Ref, right: Value
) -> list[tuple[State, Value]]:
    """Run `total += loss`: in place on a tensor without a graph of its own it makes one.

    `a += b` on a tensor that saves nothing behaves as `a = a + b` for the graph, and as an in-place
    change for whoever saved `a`.
    """
    found = state.get(left, Tensor)
    assert found is not None
    if found.leaf is not None and found.node is None and state.grad:
        return [(state, binary(ex, state, node, node.op, left, right))]
    return [(state, apply_inplace(ex, state, node, left, INPLACE[node.op], (right,)))]


# ---------------------------------------------------------------------------- import statements
def import_stmt(ex: Executor, node: ir.Import, state: State) -> list[Outcome]:
    """Run an import."""
    if node.member == "*":
        import_all(ex, state, node)
    else:
        state.bind(node.name, import_value(ex, state, node))
    return [(state, NEXT)]


# ------------------------------------------------------------------------------ definitions
def function_def(ex: Executor, node: ir.FunctionDef, state: State) -> list[Outcome]:
    """Run `def`, and its decorators from the innermost."""
    outcomes: list[Outcome] = []
    for made, value in calls.make_function(ex, node.function, state):
        for done, func, name in _decorated(ex, made, node.decorators, value, node.function.name):
            done.bind(name, func)
            outcomes.append((done, NEXT))
    return outcomes


def _decorated(
    ex: Executor, state: State, syntax: Sequence[ir.Expr], value: Value, name: str
) -> list[tuple[State, Value, str]]:
    """Apply decorators from the innermost: what they make, and the name that this is bound to."""
    outcomes: list[tuple[State, Value, str]] = []
    for after, decorators in ex.eval_each(syntax, state):
        results = [(after, value, name)]
        for each, decorator in reversed(list(zip(syntax, decorators, strict=True))):
            results = [
                done
                for s, made, bound in results
                for done in _decorate(ex, s, each, decorator, made, bound)
            ]
        outcomes += results
    return outcomes


def _decorate(
    ex: Executor, state: State, syntax: ir.Expr, decorator: Value, func: Value, name: str
) -> list[tuple[State, Value, str]]:
    """Apply a decorator: what it makes of a function, and the name that this is bound to."""
    if isinstance(decorator, (Func, Partial)) or _is_callable(state, decorator):
        wrapped = ex.invoke(state, Invocation(syntax, (func,)), decorator)
        known = isinstance(func, Func)
        return [(s, v if known or s.get(v, Class) else func, name) for s, v in wrapped]
    if isinstance(func, Func):
        last = _decorator_name(syntax, decorator)
        if last in GRAD_MODES:
            func = replace(func, grad=GRAD_MODES[last])
        elif last in ("property", "cached_property"):
            func = replace(func, kind="property" if last == "property" else "cached")
        elif last in ("staticmethod", "classmethod"):
            func = replace(func, kind=last.removesuffix("method"))
        elif isinstance(decorator, Context) and decorator.kind == "set_grad_enabled":
            func = replace(func, grad=state.grad)
            state.grad = decorator.argument != FALSE
        elif last in DISPATCHING:
            made = make_dispatcher(state, syntax, func, last != "singledispatch")
            return [(state, made, name)]
        elif last in WRAPPERS:
            func = replace(func, wrapper=WRAPPERS[last])
        elif last == "setter":
            name = f"{name}.setter"
        elif last not in NEUTRAL_DECORATORS and not isinstance(decorator, Context):
            ex.records.evaluations.decorated.add(func.function)
    return [(state, func, name)]


def _is_callable(state: State, decorator: Value) -> bool:
    """Whether a decorator can be called: a class or object of the program, or a `register`."""
    if isinstance(decorator, Method):
        return dispatcher(state, decorator.owner) is not None
    if not isinstance(decorator, Ref):
        return False
    callable_object = find_method(state, decorator, "__call__") is not None
    return callable_object or state.get(decorator, Class) is not None


def _decorator_name(syntax: ir.Expr, decorator: Value) -> str:
    """Return the last part of a decorator's name, with or without a call."""
    if isinstance(decorator, External):
        return decorator.name.rpartition(".")[2]
    target = syntax.func if isinstance(syntax, ir.Call) else syntax
    if isinstance(target, ir.Attribute):
        return target.name
    return target.id if isinstance(target, ir.Name) else ""


def class_def(ex: Executor, node: ir.ClassDef, state: State) -> list[Outcome]:
    """Run `class`: its body fills an environment, which becomes its members."""
    outcomes: list[Outcome] = []
    keywords = [keyword.value for keyword in node.keywords]
    for after, values in ex.eval_each([*node.bases, *keywords], state):
        bases, given = values[: len(node.bases)], values[len(node.bases) :]
        named = {k.name: v for k, v in zip(node.keywords, given, strict=True) if k.name}
        outer = after.env
        scope = after.new(node, Env({}, outer))
        after.stack, after.env = (*after.stack, outer), scope.address
        for done, flow in run_block(ex, node.body, after):
            body = done.heap[scope.address]
            assert isinstance(body, Env)
            done.env, done.stack = outer, done.stack[:-1]
            made = done.new(node, Class(node.name, bases, {}))
            members = {
                name: _member(value, scope.address, outer, made)
                for name, value in body.vars.items()
            }
            if is_enum(done, made.address):
                members = enum_members(made.address, members)
            meta = metaclass(done, bases, named)
            done.put(made, Class(node.name, bases, members, node.fields, meta))
            outcomes += [
                (decorated, flow)
                for ready in introduce(ex, done, node, made, named)
                for decorated in _bind_decorated(ex, ready, node, made)
            ]
    return outcomes


def _bind_decorated(ex: Executor, state: State, node: ir.ClassDef, made: Ref) -> list[State]:
    """Bind a class's name to what its decorators make of it."""
    states: list[State] = []
    for after, value, name in _decorated(ex, state, node.decorators, made, node.name):
        after.bind(name, value)
        states.append(after)
    return states


def _member(value: Value, scope: int, outer: int, made: Ref) -> Value:
    """Make a function a method: class bodies are no scope for the functions in them."""
    if isinstance(value, Func) and value.env == scope:
        return replace(value, env=outer, owner=made.address)
    return value


RUN_DEFINITIONS: dict[type, Callable[..., list[Outcome]]] = {
    ir.Assign: assign_stmt,
    ir.AugAssign: aug_assign,
    ir.Import: import_stmt,
    ir.FunctionDef: function_def,
    ir.ClassDef: class_def,
}
