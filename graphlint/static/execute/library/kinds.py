"""Of what kind a value is: `isinstance`, and the functions that go by it, `singledispatch`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static.execute.paths.classes import resolution_order
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    NONE,
    Class,
    Const,
    Dict,
    External,
    Func,
    Instance,
    Layer,
    List,
    Member,
    Method,
    Partial,
    Ref,
    Tensor,
    Tuple,
    Value,
)

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

DISPATCH = "functions by kind"
REGISTER = "register"


def is_a(state: State, value: Value, kind: Value) -> bool | None:
    """Tell whether a value is of a kind, or of one of several; None where that can't be told."""
    kinds = kind.items if isinstance(kind, Tuple) else (kind,)
    answers = [_is_of(state, value, each) for each in kinds]
    return True if True in answers else None if None in answers else False


def _is_of(state: State, value: Value, kind: Value) -> bool | None:
    if isinstance(kind, Ref):
        return _is_of_program(state, value, kind)
    actual = _kinds_of(state, value)
    if actual is None or not isinstance(kind, External):
        return None
    asked = kind.name.rpartition(".")[2]
    tensor = state.get(value, Tensor)
    if asked == "Parameter" and tensor is not None and tensor.leaf is not None:
        return None  # a tensor that wants gradients may be one
    return asked in actual


def _is_of_program(state: State, value: Value, kind: Ref) -> bool | None:
    """Tell whether a value is an object of a class of the program.

    An object that is made up for a class that nobody uses may be one of a subclass.
    """
    if not isinstance(state.object(kind), Class):
        return None
    if isinstance(value, Const) and isinstance(value.value, Member):
        return kind.address in resolution_order(state, value.value.enum)
    found = state.get(value, Instance)
    if found is None:
        return None if _kinds_of(state, value) is None else False
    if kind.address in resolution_order(state, found.cls):
        return True
    return None if found.cls in resolution_order(state, kind.address) else False


def _kinds_of(state: State, value: Value) -> tuple[str, ...] | None:
    """Return the names of the classes of the library that a value is an object of."""
    if isinstance(value, Const):
        return tuple(cls.__name__ for cls in type(value.value).__mro__)
    if isinstance(value, Tuple):
        return ("tuple", "Sequence", "Iterable")
    found = state.object(value) if isinstance(value, Ref) else None
    if isinstance(found, Tensor):
        return ("Tensor", "Variable")
    if isinstance(found, List):
        return (found.kind, "Sequence", "Iterable")
    if isinstance(found, Dict):
        return ("dict", "Mapping", "OrderedDict")
    if isinstance(found, Layer):
        return (found.name, "Module")
    return None


# --------------------------------------------------------------------------- singledispatch
def make_dispatcher(state: State, node: object, func: Func, is_method: bool) -> Value:
    """Make what `singledispatch` makes of a function: a list of functions with their kinds."""
    made = state.new(node, List((Tuple((NONE, func)),), kind=DISPATCH))
    return Partial(made, (), (), method=True) if is_method else made


def dispatcher(state: State, value: Value) -> Ref | None:
    """Return the list of functions behind a value, None where it is none."""
    inner = value.func if isinstance(value, Partial) else value
    found = state.get(inner, List)
    return inner if isinstance(inner, Ref) and found and found.kind == DISPATCH else None


def register(ex: Executor, state: State, call: Invocation, functions: Ref) -> Results:
    """Register a function for a kind, which may be that of its first parameter's annotation."""
    found = state.get(functions, List)
    assert found is not None
    args = call.args
    if len(args) == 1 and not isinstance(args[0], Func):
        return [(state, Partial(Method(functions, REGISTER), (args[0],), ()))]
    func = args[-1] if args else NONE
    results: Results = [(state, args[0])] if len(args) > 1 else _annotated(ex, state, func)
    for after, kind in results:
        after.put(functions, replace(found, items=(*found.items, Tuple((kind, func)))))
    return [(after, func) for after, _ in results]


def _annotated(ex: Executor, state: State, func: Value) -> Results:
    parameters = func.function.parameters if isinstance(func, Func) else ()
    written = [p.annotation for p in parameters if p.name != "self"][:1]
    return ex.eval(written[0], state) if written and written[0] else [(state, state.sym(func))]


def call_dispatched(ex: Executor, state: State, call: Invocation, func: Value) -> Results:
    """Call the function that was registered for the kind of the argument, or each that may be."""
    found = state.get(dispatcher(state, func), List)
    assert found is not None
    bound = func.args if isinstance(func, Partial) else ()
    args = (*bound, *call.args)
    position = int(isinstance(func, Partial))
    given = args[position] if len(args) > position else NONE
    fitting = list(_fitting(state, found, given))
    states = [state, *(state.fork() for _ in fitting[1:])]
    return [
        result
        for each, chosen in zip(states, fitting, strict=True)
        for result in ex.invoke(each, Invocation(call.node, args, call.keywords), chosen)
    ]


def _fitting(state: State, found: List, given: Value) -> Iterator[Value]:
    """Walk the functions that may be meant, the one that was registered last first."""
    for entry in reversed(found.items):
        assert isinstance(entry, Tuple)
        kind, func = entry.items
        fits = True if kind == NONE else is_a(state, given, kind)
        if fits is not False:
            yield func
        if fits:
            return
