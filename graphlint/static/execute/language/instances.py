"""Making objects of the program's classes: `__init__`, and the fields of dataclasses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.library import externals
from graphlint.static.execute.library.optimizers import give_optimizer, optimizer_of
from graphlint.static.execute.library.subclassed import fill_contents, give_contents
from graphlint.static.execute.library.sublayers import give_layer, layer_of
from graphlint.static.execute.paths import classes
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    NONE,
    UNKNOWN_KEYWORDS,
    Context,
    External,
    Func,
    Instance,
    Ref,
    Sym,
    Tuple,
    Value,
)

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

KNOWN_BASES = frozenset(
    External(name) for name in ("object", "torch.nn.Module", "nn.Module", "abc.ABC", "ABC")
)


def instantiate(ex: Executor, state: State, call: Invocation, cls: Ref) -> Results:
    """Make an object of a class of the program, and run its `__init__`."""
    args = call.args
    if classes.is_plain_dict(state, cls.address):
        return externals.call_external(ex, state, call, "dict")
    if args and classes.is_enum(state, cls.address):
        return [(state, classes.call_enum(state, cls.address, args[0]))]
    layer = layer_of(state, cls.address)
    opaque = any(
        not isinstance(base, int)
        and base not in KNOWN_BASES
        and not (layer and base == External(f"torch.nn.{layer}"))
        for base in classes.resolution_order(state, cls.address)
    )
    kind = classes.kind_of_contents(state, cls.address)
    made = state.new(call.node, Instance(cls.address, {}, opaque and not kind))
    if kind:
        give_contents(state, call.node, made, kind)
    own = classes.find_member(state, cls.address, "__new__")
    if isinstance(own, Func) and not (opaque or kind or layer):
        return _made_by_itself(ex, state, call, cls, own)
    method = classes.find_method(state, made, "__init__")
    if method is None and kind:
        return [(after, made) for after in fill_contents(ex, state, call, made)]
    if method is None and (layer or optimizer_of(state, made)):
        give_layer(ex, state, call, made) or give_optimizer(ex, state, call, made)
        return [(state, made)]
    if method is None:
        state.put(made, Instance(cls.address, _generated_fields(state, made, call), opaque))
        if opaque and _is_exception(state, cls):
            _keep_arguments(state, made, call)
        filled = _default_fields(ex, state, call.node, made)
        return [result for each, _ in filled for result in _completed(ex, each, call.node, made)]
    return [(after, made) for after, _ in ex.invoke(state, call, method)]


def _made_by_itself(ex: Executor, state: State, call: Invocation, cls: Ref, maker: Func) -> Results:
    """Make an object as the class says, in its `__new__`, and run its `__init__`."""
    results: Results = []
    first = Invocation(call.node, (cls, *call.args), call.keywords)
    for after, made in ex.invoke(state, first, maker):
        found = after.get(made, Instance)
        of_class = found and cls.address in classes.resolution_order(after, found.cls)
        method = None
        if isinstance(made, Ref) and of_class:
            method = classes.find_method(after, made, "__init__")
        ended = ex.invoke(after, call, method) if method is not None else [(after, made)]
        results += [(done, made) for done, _ in ended]
    return results


def _is_exception(state: State, cls: Ref) -> bool:
    bases = classes.resolution_order(state, cls.address)
    names = [base.name for base in bases if isinstance(base, External)]
    return any(name.endswith(("Exception", "Error", "Warning")) for name in names)


def _keep_arguments(state: State, made: Ref, call: Invocation) -> None:
    """Give an exception its `args`."""
    found = state.object(made)
    assert isinstance(found, Instance)
    state.put(made, replace(found, attrs={**found.attrs, "args": Tuple(tuple(call.args))}))


def _generated_fields(state: State, made: Ref, call: Invocation) -> dict[str, Value]:
    """Fill an object's fields as the `__init__` of a dataclass does.

    A field that the call may or may not pass (`Config(**settings)`) is unknown, whatever its
    default.
    """
    found = state.object(made)
    assert isinstance(found, Instance)
    names = [
        name for cls in reversed(list(classes.members(state, found.cls))) for name in cls.fields
    ]
    fields = dict(zip(names, call.args, strict=False))
    fields.update(
        (name, value) for name, value in call.keywords.items() if name != UNKNOWN_KEYWORDS
    )
    if UNKNOWN_KEYWORDS in call.keywords:
        for name in names:
            fields.setdefault(name, Sym(("attribute", made.address, name)))
    return fields


def _default_fields(ex: Executor, state: State, node: ir.Node, made: Ref) -> Results:
    """Make the fields that have a factory and were not given."""
    found = state.object(made)
    assert isinstance(found, Instance)
    results: Results = [(state, made)]
    for cls in classes.members(state, found.cls):
        for name, value in cls.members.items():
            if isinstance(value, Context) and value.kind == "field factory":
                results = [
                    (_with_field(after, made, name, default), made)
                    for before, _ in results
                    for after, default in ex.invoke(
                        before, Invocation(node), value.argument or NONE
                    )
                ]
    return results


def _completed(ex: Executor, state: State, node: ir.Node, made: Ref) -> Results:
    """Run what a dataclass does once its fields are there."""
    names = ("__post_init__", "__attrs_post_init__")
    methods = [classes.find_method(state, made, name) for name in names]
    method = next((each for each in methods if each is not None), None)
    if method is None:
        return [(state, made)]
    return [(after, made) for after, _ in ex.invoke(state, Invocation(node), method)]


def _with_field(state: State, made: Ref, name: str, value: Value) -> State:
    found = state.object(made)
    if isinstance(found, Instance) and name not in found.attrs:
        state.put(made, replace(found, attrs={**found.attrs, name: value}))
    return state
