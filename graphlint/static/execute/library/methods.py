"""Calls of methods, by what they are called on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.accumulated import note_used, set_apart
from graphlint.static.execute.autograd.evaluations import note_forward_hook
from graphlint.static.execute.autograd.foreign import conclude
from graphlint.static.execute.autograd.grad_reads import note_method
from graphlint.static.execute.autograd.gradients import note_step
from graphlint.static.execute.autograd.hooks import note_registered
from graphlint.static.execute.autograd.passes import run_pass
from graphlint.static.execute.library import (
    containers,
    forward_hooks,
    kinds,
    module_methods,
    objects,
    optimizers,
    subclassed,
    sublayers,
    tensor_methods,
    training,
    unknown,
)
from graphlint.static.execute.library.distributions import call_distribution
from graphlint.static.execute.library.modules import (
    asked_mode,
    call_optimizer,
    leaf_tensors,
    make_leaf,
    rebind,
    set_training,
)
from graphlint.static.execute.library.ops import apply_op, has_graph, is_tensor, note_tensor
from graphlint.static.execute.library.stepping import steps_parameters
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    NONE,
    Class,
    Const,
    Context,
    Dict,
    Distribution,
    Func,
    FunctionContext,
    Instance,
    Layer,
    List,
    Method,
    Object,
    Optimizer,
    Partial,
    Ref,
    Scaler,
    Super,
    Sym,
    Tensor,
    Value,
)
from graphlint.static.knowledge.frameworks import MANUAL
from graphlint.static.knowledge.names import (
    AMBIGUOUS,
    DATA_METHODS,
    DETACHING,
    PARAMETER_METHODS,
    QUIET_METHODS,
    SINKS,
)
from graphlint.static.knowledge.ops import cuts, find_op
from graphlint.trace import Form

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

MOVES = frozenset("to cuda cpu double half float bfloat16 type contiguous clone long int".split())
VIEWS = frozenset(
    "view reshape permute transpose squeeze unsqueeze repeat expand flatten t chunk split "
    "flip".split()
)
TEXT_METHODS = frozenset(
    "startswith endswith lower upper strip lstrip rstrip removeprefix removesuffix title".split()
)
CHAINED = frozenset(("manual_seed",))
"""Methods that return what they are called on, whatever they are given."""
NODE_HOOKS = frozenset(("register_hook", "register_prehook"))
ENGINES = ("accelerator", "fabric", "engine", "strategy", "scaler", "trainer")
"""Names of objects whose `backward(loss)` runs a pass over their argument."""
MOST_POSITIONAL = 2
"""With more arguments in a row than these, the `backward` of who knows what is its own."""


def call_method(ex: Executor, state: State, call: Invocation, method: Method) -> Results:
    """Call `owner.name(…)`."""
    args = call.args
    owner, name = method.owner, method.name
    if name == "step" and steps_parameters(state, call, owner):
        ex.records.note_step(state.frame)
        note_step(state)
        conclude(state, steps=True)
    if name in forward_hooks.REGISTERING and _is_module(state, owner):
        note_forward_hook(state)
        return [(state, forward_hooks.register(state, call, owner, name))]
    functions = kinds.dispatcher(state, owner)
    if functions is not None and name == kinds.REGISTER:
        return kinds.register(ex, state, call, functions)
    if name in objects.ITEM_METHODS and not isinstance(owner, Super):
        return objects.call_item_method(ex, state, call, method)
    if isinstance(owner, Sym):
        return _of_unknown(ex, state, call, owner, name)
    if isinstance(owner, Super):
        return module_methods.call_super(ex, state, call, owner, name)
    if isinstance(owner, Ref):
        return _of_object(ex, state, call, owner, name)
    if isinstance(owner, Context) and isinstance(owner.argument, Ref):
        return call_method(ex, state, call, Method(owner.argument, name))
    if isinstance(owner, Const):
        return [(state, _of_text(state, call, owner, name))]
    if isinstance(owner, (Func, Partial)) and name == "__get__" and args:
        return [(state, objects.bind(owner, args[0]))]
    return unknown.call_unknown(ex, state, call, method)


def _is_module(state: State, value: Value) -> bool:
    """Whether a value is a module, or may be one."""
    return isinstance(value, Sym) or isinstance(state.get(value, Object), (Layer, Instance))


def _of_text(state: State, call: Invocation, owner: Const, name: str) -> Value:
    """Call a string's method: computed where all is known, and the result is a plain value."""
    given = [arg.value for arg in call.args if isinstance(arg, Const)]
    if isinstance(owner.value, str) and name in TEXT_METHODS and len(given) == len(call.args):
        try:
            return Const(getattr(owner.value, name)(*given))
        except (TypeError, ValueError):
            pass
    return state.sym(call.node, "text")


def _of_object(ex: Executor, state: State, call: Invocation, owner: Ref, name: str) -> Results:
    found = state.object(owner)
    if isinstance(found, Tensor):
        return tensor_methods.call_tensor(ex, state, call, owner, name)
    if isinstance(found, List):
        return containers.call_list(ex, state, call, owner, found, name)
    if isinstance(found, Dict):
        return containers.call_dict(ex, state, call, owner, found, name)
    if isinstance(found, Optimizer):
        return call_optimizer(ex, state, call, found, name)
    if isinstance(found, Distribution):
        return call_distribution(ex, state, call, owner, found, name)
    if isinstance(found, Scaler):
        return _of_scaler(ex, state, call, owner, name)
    if isinstance(found, FunctionContext):
        return [(state, NONE)]  # it keeps for the backward pass what it is given
    if isinstance(found, (Layer, Instance)):
        inherited = subclassed.call_inherited(ex, state, call, owner, name)
        inherited = inherited or sublayers.call_layer_method(ex, state, call, owner, name)
        inherited = inherited or optimizers.call_inherited_step(ex, state, call, owner, name)
        return inherited or module_methods.call_module(ex, state, call, owner, name)
    if isinstance(found, Class):
        return module_methods.call_class(ex, state, call, owner, name)
    return unknown.call_unknown(ex, state, call, Method(owner, name))


def _of_scaler(ex: Executor, state: State, call: Invocation, owner: Value, name: str) -> Results:
    """Call a gradient scaler's method; what is not known of it does something to gradients."""
    args = call.args
    if name == "scale" and args:
        scaled = apply_op(ex, state, call.node, "mul", (args[0],))
        state.facts.update({("scaled", made): owner for made in state.nodes(scaled)})
        return [(state, scaled)]
    set_apart(state)
    if name == "step" and args:
        optimizer = state.get(args[0], Optimizer)
        if optimizer is not None:
            return call_optimizer(ex, state, call.after(1), optimizer, "step")
    return [(state, NONE)]


# --------------------------------------------------------------------------- unknown objects
def _of_unknown(ex: Executor, state: State, call: Invocation, owner: Sym, name: str) -> Results:
    args, keywords = call.args, call.keywords
    if name in MANUAL and isinstance(call.node, ir.Call):
        return _unknown_backward(ex, state, call, owner, name)
    if _scales(state, owner, name, args):
        return _of_scaler(ex, state, call, owner, name)
    note_method(ex, state, call.node, owner, name)
    if name in ("step", "unscale_"):
        note_used(ex, state)
    quiet = _quiet(state, call, owner, name)
    if quiet is not None:
        return [(state, quiet)]
    if name in DETACHING or _is_sink(call, name) or cuts(name):
        return [(state, state.tensor(call.node) if name == "detach" else state.sym(call.node))]
    if name in ("items", "keys", "values", "get", "append", "extend", "add"):
        return containers.call_unknown_container(ex, state, call, owner, name)
    graph = owner.node is not None or any(has_graph(state, value) for value in args)
    if not graph and name in MOVES:
        return [(state, owner)]
    if not graph and name in VIEWS:
        return [(state, Sym(("view", owner.name, name, call.node)))]
    likely_tensor = name not in DATA_METHODS and name not in AMBIGUOUS
    if find_op(name) is not None and (likely_tensor or owner.node is not None):
        if graph or not any(is_tensor(state, value) for value in args):
            note_tensor(state, owner)
            return [(state, apply_op(ex, state, call.node, name, (owner, *args), keywords))]
    if name == "requires_grad_" and owner.node is None:
        return [(state, _ask_gradients(state, call, owner))]
    return unknown.call_unknown(ex, state, call, Method(owner, name))


def _is_sink(call: Invocation, name: str) -> bool:
    """Whether a method looks at what it is given; given nothing, `log` is that of a tensor."""
    return name in SINKS and (bool(call.values) or find_op(name) is None)


def _ask_gradients(state: State, call: Invocation, owner: Sym) -> Value:
    """Call `requires_grad_` of what may be a leaf, or a module: modules are told the flag."""
    made = make_leaf(state, call.node)
    if not call.values:
        rebind(state, owner, made)
    return made


def _quiet(state: State, call: Invocation, owner: Sym, name: str) -> Value | None:
    """Call a method that hands no graph on, None where this is none."""
    if name in ("train", "eval"):
        set_training(state, owner, asked_mode(name, call))
        return owner
    if name in CHAINED:
        return owner
    same = training.wrapped(state, call, owner, name)
    if same is not None:
        return same
    if name == "remove" and owner.name[0] == forward_hooks.HANDLE:
        forward_hooks.remove(state, owner)
        return NONE
    if name in NODE_HOOKS:
        kind, *rest = owner.name
        if kind == "attribute" and rest[1] == "grad_fn" and isinstance(rest[0], int):
            note_registered(state, call, Ref(rest[0]))
        return state.sym(call.node, "handle")
    if name in PARAMETER_METHODS:
        return leaf_tensors(state, call.node, [("unknown", owner.name)])
    return NONE if name in QUIET_METHODS else None


def _scales(state: State, owner: Sym, name: str, args: Sequence[Value]) -> bool:
    """Whether a method of an unknown object is a gradient scaler's, by what it is called on."""
    if name == "step":
        return bool(args) and state.get(args[0], Optimizer) is not None
    return name == "scale" and bool(args) and "scaler" in str(owner.name[-1]).lower()


def _unknown_backward(
    ex: Executor, state: State, call: Invocation, owner: Sym, name: str
) -> Results:
    """Run `loss.backward()`, or `engine.backward(loss)`: by who has the graph, or by the name."""
    args = call.args
    said = str(owner.name[-1]).lower()
    engine = name != "backward" or owner.name[0] == "object" or any(e in said for e in ENGINES)
    if owner.node is None and (len(args) > MOST_POSITIONAL or (not engine and _has_no_flag(args))):
        return unknown.call_unknown(ex, state, call, Method(owner, name))
    if args and (engine or (owner.node is None and has_graph(state, args[0]))):
        return run_pass(ex, state, call, Form.WRAPPER)
    return run_pass(ex, state, call.on(owner), Form.TENSOR_BACKWARD)


def _has_no_flag(args: Sequence[Value]) -> bool:
    """Whether a second argument is no flag: layers written by hand have `backward(input, grad)`."""
    return len(args) > 1 and not isinstance(args[1], Const)
