"""Functions that work on objects as such: `vars`, `types.MethodType`, `operator` and others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static.execute.library.attributes import get_attribute, set_plainly
from graphlint.static.execute.library.builtins import Handler, all_items
from graphlint.static.execute.library.ops import apply_op, has_graph, is_tensor
from graphlint.static.execute.library.subscripts import get_item, set_item
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.numbers import arithmetic, name_of
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    NONE,
    Class,
    Const,
    Dict,
    External,
    Func,
    Instance,
    List,
    Method,
    Partial,
    Ref,
    Sym,
    Tuple,
    Value,
)

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

CHOSEN = "operator.<chosen>"
"""How what `methodcaller` and its like return is called: with what was chosen before the rest."""
REFERRED = "weakref.<referred>"
"""How what a weak reference gives is called, with what it refers to."""
ARITHMETIC = {
    "add": ("Add", "add"),
    "iadd": ("Add", "add"),
    "concat": ("Add", "add"),
    "sub": ("Sub", "sub"),
    "mul": ("Mult", "mul"),
    "imul": ("Mult", "mul"),
    "truediv": ("Div", "div"),
    "matmul": ("MatMult", "matmul"),
    "pow": ("Pow", "pow"),
    "neg": ("USub", "neg"),
}


def _vars(ex: Executor, state: State, call: Invocation) -> Results:
    """Return the dictionary of an object's attributes, or of a function's variables."""
    if not call.args:
        return ex.invoke(state, call, External("locals"))
    if state.get(call.args[0], Dict) is not None:  # the program's own namespaces are dictionaries
        return [(state, call.args[0])]
    return get_attribute(ex, state, call.node, call.args[0], "__dict__")


def _new(ex: Executor, state: State, call: Invocation) -> Results:
    """Make an object of a class of the program, and set nothing on it."""
    cls = call.args[0] if call.args else NONE
    if not isinstance(cls, Ref) or state.get(cls, Class) is None:
        return [(state, state.sym(call.node))]
    return [(state, state.new(call.node, Instance(cls.address, {})))]


def bind(func: Value, owner: Value) -> Value:
    """Return a function as the method of an object."""
    if isinstance(func, Func):
        return replace(func, bound=owner)
    return Partial(func, (owner,), ())


def _method_type(ex: Executor, state: State, call: Invocation) -> Results:
    args = call.args
    return [(state, bind(args[0], args[1]) if len(args) > 1 else state.sym(call.node))]


def _refer(ex: Executor, state: State, call: Invocation) -> Results:
    """Make a weak reference, which holds nothing and gives what it refers to where it is called."""
    if not call.args:
        return [(state, state.sym(call.node))]
    return [(state, Partial(External(REFERRED), tuple(call.args[:1]), ()))]


def _referred(ex: Executor, state: State, call: Invocation) -> Results:
    return [(state, call.args[0])]


def _replace(ex: Executor, state: State, call: Invocation) -> Results:
    """Copy an object with some of its attributes changed."""
    found = state.get(call.args[0], Instance) if call.args else None
    if found is None:
        return [(state, state.sym(call.node))]
    changes = dict(call.keywords)
    return [(state, state.new(call.node, replace(found, attrs={**found.attrs, **changes})))]


def _set_attribute(ex: Executor, state: State, call: Invocation) -> Results:
    args = call.args
    if len(args) > 2 and isinstance(args[0], Ref) and isinstance(args[1], Const):
        set_plainly(state, args[0], str(args[1].value), args[2])
    return [(state, NONE)]


# --------------------------------------------------------------------------------- operator
def _arithmetic(name: str) -> Handler:
    op, row = ARITHMETIC[name]

    def compute(ex: Executor, state: State, call: Invocation) -> Results:
        args = tuple(call.args)
        if any(is_tensor(state, value) or has_graph(state, value) for value in args):
            return [(state, apply_op(ex, state, call.node, row, args))]
        if op == "Add" and any(_is_list(state, value) for value in args):
            parts = [all_items(ex, state, call.node, value) for value in args]
            length = next((part.length for part in parts if part.length is not None), None)
            items = tuple(item for part in parts for item in part.values)
            return [(state, state.new(call.node, List(items, length)))]
        known = arithmetic(op, *args) if len(args) == 2 else None
        return [(state, known or Sym(("number", op, *map(name_of, args))))]

    return compute


def _is_list(state: State, value: Value) -> bool:
    return isinstance(value, Tuple) or state.get(value, List) is not None


def _choosing(how: str) -> Handler:
    """Return what makes a function that asks for an attribute or item, or calls a method."""

    def choose(ex: Executor, state: State, call: Invocation) -> Results:
        chosen = Tuple(tuple(call.args))
        known = tuple(call.keywords.items())
        return [(state, Partial(External(CHOSEN), (Const(how), chosen), known))]

    return choose


def _chosen(ex: Executor, state: State, call: Invocation) -> Results:
    """Call what `methodcaller`, `attrgetter` or `itemgetter` made."""
    how, chosen, *given = call.args
    names = chosen.items if isinstance(chosen, Tuple) else ()
    if not given or not names:
        return [(state, state.sym(call.node))]
    if how == Const("methodcaller"):
        if not isinstance(names[0], Const):
            return [(state, state.sym(call.node))]
        inner = Invocation(call.node, names[1:], call.keywords)
        method = get_attribute(ex, state, call.node, given[0], str(names[0].value))
        return [result for s, each in method for result in ex.invoke(s, inner, each)]
    results: list[tuple[State, tuple[Value, ...]]] = [(state, ())]
    for name in names:
        results = [
            (after, (*made, value))
            for before, made in results
            for after, value in _looked_up(ex, before, call, given[0], how, name)
        ]
    return [(s, made[0] if len(names) == 1 else Tuple(made)) for s, made in results]


def _looked_up(
    ex: Executor, state: State, call: Invocation, owner: Value, how: Value, name: Value
) -> Results:
    if how == Const("itemgetter"):
        return get_item(ex, state, call.node, owner, name)
    results: Results = [(state, owner)]
    for part in str(name.value if isinstance(name, Const) else "").split("."):
        results = [
            result
            for s, value in results
            for result in get_attribute(ex, s, call.node, value, part)
        ]
    return results


def _get_item(ex: Executor, state: State, call: Invocation) -> Results:
    if len(call.args) < 2:
        return [(state, state.sym(call.node))]
    return get_item(ex, state, call.node, call.args[0], call.args[1])


def _set_item(ex: Executor, state: State, call: Invocation) -> Results:
    if len(call.args) < 3:
        return [(state, NONE)]
    return [(after, NONE) for after in set_item(ex, state, call.node, *call.args[:3])]


ITEM_METHODS: Mapping[str, Handler] = {"__getitem__": _get_item, "__setitem__": _set_item}
"""Methods that are there for `value[index]`, called by their names."""


def call_item_method(ex: Executor, state: State, call: Invocation, method: Method) -> Results:
    """Call `value.__getitem__(index)` and the like."""
    given = replace(call, args=(method.owner, *call.args))
    return ITEM_METHODS[method.name](ex, state, given)


HANDLERS: Mapping[str, Handler] = {
    "vars": _vars,
    "types.MethodType": _method_type,
    "weakref.ref": _refer,
    REFERRED: _referred,
    "dataclasses.replace": _replace,
    "copy.replace": _replace,
    "object.__new__": _new,
    "object.__setattr__": _set_attribute,
    "operator.methodcaller": _choosing("methodcaller"),
    "operator.attrgetter": _choosing("attrgetter"),
    "operator.itemgetter": _choosing("itemgetter"),
    CHOSEN: _chosen,
    "operator.getitem": _get_item,
    "operator.setitem": _set_item,
    **{f"operator.{name}": _arithmetic(name) for name in ARITHMETIC},
}
