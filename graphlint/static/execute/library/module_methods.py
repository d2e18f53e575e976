"""Methods that modules inherit from `torch.nn.Module`, and those of classes themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.grad_reads import note_method
from graphlint.static.execute.autograd.passes import run_pass
from graphlint.static.execute.library import unknown
from graphlint.static.execute.library.functions import apply_function, is_custom_function
from graphlint.static.execute.library.items import every
from graphlint.static.execute.library.modules import (
    asked_mode,
    clear_gradients,
    leaf_tensors,
    named_parameters,
    parameters,
    set_requires_grad,
    set_training,
)
from graphlint.static.execute.library.optimizers import call_inherited_step, give_optimizer
from graphlint.static.execute.library.subclassed import call_inherited
from graphlint.static.execute.library.sublayers import call_layer_method, give_layer
from graphlint.static.execute.library.training import call_framework_module
from graphlint.static.execute.paths.classes import LAYER, contents, find_method, inner_layer
from graphlint.static.execute.paths.compiled import compile_in_place
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    CLASS_BODY,
    NONE,
    TRUE,
    Class,
    Const,
    Instance,
    Layer,
    List,
    Method,
    Ref,
    Super,
    Tuple,
    Value,
)
from graphlint.static.execute.records.records import site_of
from graphlint.static.knowledge.frameworks import MANUAL
from graphlint.static.knowledge.names import PARAMETER_METHODS, SINKS
from graphlint.trace import Form

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

RETURN_SELF = frozenset(
    "to cuda cpu double half float bfloat16 type share_memory compile apply xpu".split()
)
RETURN_NOTHING = frozenset(
    "zero_grad load_state_dict register_full_backward_hook "
    "save_hyperparameters __init__ __setstate__".split()
)
ADD = frozenset(("add_module", "register_module"))
REGISTER = ADD | {"register_buffer", "register_parameter"}


def call_module(ex: Executor, state: State, call: Invocation, owner: Ref, name: str) -> Results:
    """Call a method that a module inherits from the library."""
    args = call.args
    if name in MANUAL and args and isinstance(call.node, ir.Call):
        return run_pass(ex, state, call, Form.WRAPPER)
    if name in PARAMETER_METHODS:
        return [(state, _parameters(state, call.node, owner, name))]
    if name == "requires_grad_":
        set_requires_grad(state, owner, args[0] if args else TRUE)
        return [(state, owner)]
    if name in ("train", "eval"):
        set_training(state, owner, asked_mode(name, call))
        return [(state, owner)]
    note_method(ex, state, call.node, owner, name)
    if name in RETURN_SELF:
        return [(state, compile_in_place(state, owner) if name == "compile" else owner)]
    if name == "load_state_dict":
        for leaf in parameters(state, owner):
            state.touch(leaf, site_of(call.node, state.frame))
    if name == "zero_grad":
        clear_gradients(ex, state, call, parameters(state, owner))
    if name in RETURN_NOTHING or name in SINKS:
        return [(state, NONE)]
    if name in REGISTER and len(args) > 1 and _register(state, owner, name, args[0], args[1]):
        return [(state, NONE)]
    return _structure(ex, state, call, owner, name)


def _structure(ex: Executor, state: State, call: Invocation, owner: Ref, name: str) -> Results:
    """Call a method that looks at, or changes, what a module is made of."""
    args = call.args
    found = state.object(owner)
    if isinstance(found, Layer):
        if name in ("append", "extend", "insert") and args:
            added = every(ex, state, args[0], call.node).values if name == "extend" else args[-1:]
            state.put(owner, replace(found, children=(*found.children, *added)))
            return [(state, owner)]
        if name == "values":
            return [(state, state.new(call.node, List(found.children)))]
        if name == "items":
            pairs = zip(found.keys, found.children, strict=False)
            items = tuple(Tuple((Const(key), child)) for key, child in pairs)
            return [(state, state.new(call.node, List(items)))]
        if name in ("forward", "__call__"):
            return ex.invoke(state, call, owner)
    if name in ("children", "modules"):
        parts = _children(state, owner)
        whole = (owner, *parts) if name == "modules" else parts
        return [(state, state.new(call.node, List(whole)))]
    if name == "named_children" and isinstance(found, Layer) and found.name == "Sequential":
        return [(state, state.new(call.node, List(_named_layers(found))))]
    if name in ("named_children", "named_modules"):
        items = tuple(
            Tuple((state.sym(call.node, "text"), part)) for part in _children(state, owner)
        )
        return [(state, state.new(call.node, List(items)))]
    lent = call_framework_module(ex, state, call, owner, name)
    return lent or unknown.call_unknown(ex, state, call, Method(owner, name))


def _named_layers(found: Layer) -> tuple[Value, ...]:
    """Return the layers of a `Sequential` with their names, which are numbers unless given."""
    keys = found.keys if len(found.keys) == len(found.children) else ()
    names = keys or tuple(map(str, range(len(found.children))))
    pairs = zip(names, found.children, strict=True)
    return tuple([Tuple((Const(name), child)) for name, child in pairs])


def _register(state: State, owner: Ref, method: str, name: Value, value: Value) -> bool:
    """Give a module a part of a name; a container of unknown names gets it all the same."""
    found = state.get(owner, Layer)
    if found is not None and method in ADD:
        keys = found.keys
        if isinstance(name, Const) and len(keys) == len(found.children):
            keys = (*keys, str(name.value))
        state.put(owner, replace(found, children=(*found.children, value), keys=keys))
        return True
    if isinstance(name, Const):
        _set(state, owner, str(name.value), value)
        return True
    return False


def _children(state: State, owner: Ref) -> tuple[Value, ...]:
    found = state.object(owner)
    values: list[Value] = list(found.children) if isinstance(found, Layer) else []
    if isinstance(found, (Layer, Instance)):
        values += (value for name, value in found.attrs.items() if name != LAYER)
    inner = inner_layer(state, owner)
    if inner is not None:
        values += _children(state, inner)
    return tuple(v for v in values if state.get(v, Layer) or state.get(v, Instance))


def _parameters(state: State, node: ir.Node, owner: Ref, name: str) -> Value:
    named = dict.fromkeys(named_parameters(state, owner))
    found = state.get(owner, Instance)
    if not named and found is not None and found.opaque:
        named = {("", ("unknown", owner.address)): None}
    made = leaf_tensors(state, node, [leaf for _, leaf in named])
    if name != "named_parameters":
        return made
    listed = state.get(made, List)
    assert listed is not None
    names = [Const(path) if path else state.sym(node, "text") for path, _ in named]
    pairs = tuple(Tuple(pair) for pair in zip(names, listed.items, strict=True))
    return state.new(node, List(pairs, listed.length))


def _set(state: State, owner: Ref, name: str, value: Value) -> None:
    found = state.object(owner)
    if isinstance(found, (Instance, Layer)):
        state.put(owner, replace(found, attrs={**found.attrs, name: value}))


def call_super(ex: Executor, state: State, call: Invocation, owner: Super, name: str) -> Results:
    """Call a method of a base class that is not in the program."""
    forward = find_method(state, owner.bound, "forward") if isinstance(owner.bound, Ref) else None
    if name == "__call__" and forward is not None:
        return ex.invoke(state, call, forward)
    if isinstance(owner.bound, Ref) and contents(state, owner.bound):
        return call_inherited(ex, state, call, owner.bound, name) or []
    if name == "__new__" and call.args:
        return [(state, _made_by_metaclass(state, call))]
    if name == "__init__" and isinstance(owner.bound, Ref):
        give_layer(ex, state, call, owner.bound) or give_optimizer(ex, state, call, owner.bound)
        return [(state, NONE)]
    inherited = call_layer_method(ex, state, call, owner.bound, name)
    inherited = inherited or call_inherited_step(ex, state, call, owner.bound, name)
    if inherited is not None:
        return inherited
    if name.startswith("__"):
        return [(state, NONE)]
    if isinstance(owner.bound, Ref):
        return call_module(ex, state, call, owner.bound, name)
    return unknown.call_unknown(ex, state, call, Method(owner, name))


def _made_by_metaclass(state: State, call: Invocation) -> Value:
    """Return the class that a metaclass makes, or the object that `__new__` of a class makes."""
    body = call.args[-1]
    made = state.facts.get((CLASS_BODY, body.address)) if isinstance(body, Ref) else None
    if isinstance(made, Ref):
        return made
    cls = call.args[0]
    if isinstance(cls, Ref) and state.get(cls, Class):
        return state.new(call.node, Instance(cls.address, {}))
    return NONE


def call_class(ex: Executor, state: State, call: Invocation, owner: Ref, name: str) -> Results:
    """Call a class's own method: `Function.apply`, or one that the library defines."""
    if name == "apply" and is_custom_function(state, owner.address):
        return [(state, apply_function(ex, state, call, owner))]
    return unknown.call_unknown(ex, state, call, Method(owner, name))
