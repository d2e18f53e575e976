"""Modules of `torch.nn`, the parameters that they own, and the optimizers that change them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.accumulated import note_thrown_away, note_used
from graphlint.static.execute.autograd.gradients import note_cleared
from graphlint.static.execute.library.items import every
from graphlint.static.execute.library.ops import Input, adopt_unknown, op_inputs, record_op
from graphlint.static.execute.paths.classes import LAYER
from graphlint.static.execute.paths.graph import Leaf
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    FALSE,
    NONE,
    TRUE,
    Address,
    Const,
    Dict,
    Env,
    Instance,
    Layer,
    List,
    Object,
    Optimizer,
    Ref,
    Sym,
    Tensor,
    Tuple,
    Value,
)
from graphlint.static.execute.records.records import site_of
from graphlint.static.knowledge.facts import MAYBE, YES, Op
from graphlint.static.knowledge.facts import Layer as Row
from graphlint.static.knowledge.layers import CONTAINERS, WRAPPERS, find_layer

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

LINEAR = {"Linear": "linear", "LazyLinear": "linear"}
"""Layers that are one known op, by the name of that op."""
UNKNOWN_LAYER = Row(Op(MAYBE, "?*"), weights="?")


def weight_leaf(ref: Ref) -> Leaf:
    """Return the name of all parameters that a layer has itself, but for its bias."""
    return ("weight", ref.address)


def bias_leaf(ref: Ref) -> Leaf:
    """Return the name of a layer's bias, which no layer saves."""
    return ("bias", ref.address)


def has_weights(layer: Layer) -> bool:
    """Whether a layer has parameters of its own."""
    row = find_layer(layer.name)
    holds = layer.name in CONTAINERS or layer.name in WRAPPERS
    return not holds and (row is None or bool(row.weights))


# -------------------------------------------------------------------------------- making one
def make_layer(ex: Executor, state: State, call: Invocation, name: str) -> Ref:
    """Make a module of `torch.nn`, with the modules that it is made of."""
    args = call.args
    children: tuple[Value, ...] = ()
    keys: tuple[str, ...] = ()
    if name in WRAPPERS:
        children = tuple(args[:1]) or tuple(call.keywords.values())[:1]
    elif name in CONTAINERS:
        given = state.get(args[0], Dict) if args else None
        if given is not None:
            children = tuple(given.items.values())
            keys = tuple(str(key) for key in given.items)
        elif name == "Sequential" and not (len(args) == 1 and state.get(args[0], List)):
            children = tuple(args)
        elif args:
            children = every(ex, state, args[0], call.node).values
    return state.new(call.node, Layer(name, children, keys))


def parameters(state: State, value: Value | None) -> list[Leaf]:
    """Return the leaves that a module, a parameter or a container of them owns."""
    return list(dict.fromkeys(leaf for _, leaf in named_parameters(state, value)))


def has_parameters(state: State, value: Value | None) -> bool:
    """Whether a module, a parameter or a container of them owns any leaf."""
    return next(named_parameters(state, value), None) is not None


def named_parameters(
    state: State, value: Value | None, prefix: str = "", seen: set[int] | None = None
) -> Iterator[tuple[str, Leaf]]:
    """Walk the leaves that something owns, by the names that `named_parameters()` gives them.

    What is owned in several ways is walked once, as torch does (`remove_duplicate`).
    """
    seen = set() if seen is None else seen
    if isinstance(value, Sym):
        yield prefix, ("unknown", value.name)
    elif isinstance(value, Tuple):
        for index, item in enumerate(value.items):
            yield from named_parameters(state, item, f"{prefix}{index}.", seen)
    elif isinstance(value, Ref) and value.address not in seen:
        seen.add(value.address)
        found = state.object(value)
        if isinstance(found, Tensor) and found.leaf is not None and found.node is None:
            yield prefix.rstrip("."), found.leaf
        elif isinstance(found, Layer) and has_weights(found):
            yield f"{prefix}weight", weight_leaf(value)
            yield f"{prefix}bias", bias_leaf(value)
        for name, part in _owned(found):
            inner = prefix if name == LAYER else f"{prefix}{name}."
            yield from named_parameters(state, part, inner, seen)


def _owned(found: Object) -> Iterator[tuple[str, Value]]:
    """Walk the parts of an object that can own parameters, by name."""
    if isinstance(found, Layer):
        names = found.keys or tuple(map(str, range(len(found.children))))
        yield from zip(names, found.children, strict=False)
        yield from found.attrs.items()
    elif isinstance(found, Instance):
        for name, value in found.attrs.items():
            if not isinstance(value, Sym) or value.name[0] in ("made", "object"):
                yield name, value
    elif isinstance(found, List):
        yield from ((str(index), item) for index, item in enumerate(found.items))
    elif isinstance(found, Dict):
        yield from ((str(name), item) for name, item in found.items.items())


def leaf_tensors(state: State, node: ir.Node, leaves: Iterable[Leaf]) -> Ref:
    """Make the list of parameters that `parameters()` returns; how many there are is unknown."""
    tensors = tuple(state.tensor(node, leaf=leaf) for leaf in leaves)
    return state.new(node, List(tensors, state.sym(node, "length")))


# ----------------------------------------------------------------------------- requires_grad
def set_requires_grad(state: State, owner: Value, flag: Value) -> None:
    """Turn gradients on or off for a tensor, or for all parameters of a module."""
    on = not (isinstance(flag, Const) and not flag.value)
    found = state.get(owner, Tensor)
    if found is not None and isinstance(owner, Ref):
        if found.node is not None:
            return
        if found.leaf is None and on:
            state.put(owner, Tensor(None, ("tensor", owner.address)))
            return
        leaves = [found.leaf] if found.leaf is not None else []
    else:
        leaves = parameters(state, owner)
    changed = frozenset(leaves)
    state.unsure = state.unsure - changed
    if not isinstance(flag, Const):
        state.unsure = state.unsure | changed
    state.frozen = state.frozen - changed if on else state.frozen | changed


def make_leaf(state: State, node: ir.Node) -> Ref:
    """Make a tensor that is a leaf, and wants gradients."""
    made = state.tensor(node)
    state.put(made, Tensor(None, ("tensor", made.address)))
    return made


def rebind(state: State, value: Sym, made: Ref) -> None:
    """Let everything that is known to hold an unknown value hold what it turned out to be."""
    if value.name[0] == "attribute":
        state.attrs[value.name] = made
    address: Address | None = state.env
    while address is not None:
        env = state.heap[address]
        assert isinstance(env, Env)
        held = {name: made for name, each in env.vars.items() if each == value}
        if held:
            state.heap[address] = replace(env, vars={**env.vars, **held})
        address = env.parent


def asked_mode(name: str, call: Invocation) -> Value:
    """Return what `train(mode)` or `eval()` sets `training` to."""
    if name == "eval":
        return FALSE
    mode = call.args[0] if call.args else call.keywords.get("mode", TRUE)
    return Const(bool(mode.value)) if isinstance(mode, Const) else mode


def set_training(state: State, owner: Value, mode: Value, seen: set[int] | None = None) -> None:
    """Put a module and all modules in it into training or evaluation mode."""
    if isinstance(owner, Sym):
        state.attrs["attribute", owner.name, "training"] = mode
    seen = set() if seen is None else seen
    if not isinstance(owner, Ref) or owner.address in seen:
        return
    seen.add(owner.address)
    found = state.object(owner)
    if isinstance(found, (Layer, Instance)):
        state.put(owner, replace(found, attrs={**found.attrs, "training": mode}))
        children = found.children if isinstance(found, Layer) else tuple(found.attrs.values())
        for child in children:
            set_training(state, child, mode, seen)


# ------------------------------------------------------------------------------- calling one
def call_layer(ex: Executor, state: State, call: Invocation, ref: Ref, layer: Layer) -> Results:
    """Call a module of `torch.nn`."""
    args = call.args
    if layer.name == "Sequential":
        return _call_in_turn(ex, state, call, layer.children)
    if layer.name in WRAPPERS and layer.children:
        return ex.invoke(state, call, layer.children[0])
    row = find_layer(layer.name) or UNKNOWN_LAYER
    if row.training_only:
        if layer.attrs.get("training") == FALSE:
            return [(state, args[0] if args else NONE)]
        row = replace(row, op=replace(row.op, saves=YES))
    op = LINEAR.get(layer.name, "layer")
    return [(state, _apply_layer(state, call, ref, op, row))]


def _call_in_turn(
    ex: Executor, state: State, call: Invocation, children: Sequence[Value]
) -> Results:
    results: Results = [(state, call.args[0] if call.args else NONE)]
    for child in children:
        results = [
            result
            for before, value in results
            for result in ex.invoke(before, Invocation(call.node, (value,)), child)
        ]
    return results


def _apply_layer(state: State, call: Invocation, ref: Ref, op: str, row: Row) -> Value:
    if not row.weights:
        adopt_unknown(state, call.node, call.values)
    inputs = op_inputs(state, row.op, call.args, call.keywords)
    if row.weights:
        weight, bias = frozenset((weight_leaf(ref),)), frozenset((bias_leaf(ref),))
        inputs.append(Input(row.weights[0], (), weight - state.frozen, weight))
        inputs.append(Input(".", (), bias - state.frozen, bias))
    made = record_op(state, call.node, op, row.op, inputs)
    tensor = state.tensor(call.node, made)
    given = call.args[0] if call.args else NONE
    packed = isinstance(given, Tuple) and len(given.items) == 4
    first = Tuple((tensor, *given.items[1:])) if packed and isinstance(given, Tuple) else tensor
    if row.returns == "pair":
        return Tuple((first, state.tensor(call.node, made)))
    if row.returns == "lstm":
        cells = Tuple((state.tensor(call.node, made), state.tensor(call.node, made)))
        return Tuple((first, cells))
    return tensor


# -------------------------------------------------------------------------------- optimizers
def make_optimizer(ex: Executor, state: State, call: Invocation, name: str) -> Ref:
    """Make an optimizer over the parameters that it is given, in groups or not."""
    given = call.args[0] if call.args else call.keywords.get("params")
    leaves = [
        leaf
        for value in ([given] if given is not None else [])
        for leaf in parameters(state, value)
    ]
    ex.records.evaluations.trained.update(leaves)
    repeats = name == "LBFGS" and call.keywords.get("max_iter") != Const(1)
    return state.new(call.node, Optimizer(name, frozenset(leaves), repeats))


def call_optimizer(
    ex: Executor, state: State, call: Invocation, found: Optimizer, name: str
) -> Results:
    """Call an optimizer's method; a step changes its parameters in place."""
    if name == "zero_grad":
        note_cleared(ex, state)
        clear_gradients(ex, state, call, found.leaves)
    if name != "step":
        return [(state, NONE if name in ("zero_grad", "add_param_group") else state.sym(call.node))]
    closure = call.args[0] if call.args else call.keywords.get("closure")
    results: Results = [(state, NONE)]
    rounds = 2 if found.repeats else 1
    for index in range(rounds if closure is not None and closure != NONE else 1):
        if closure is not None and closure != NONE:
            results = _run_closure(ex, call.node, closure, results, index)
        for after, _ in results:
            site = site_of(call.node, after.frame)
            note_used(ex, after, found.leaves)
            for leaf in found.leaves & after.graded:
                after.touch(leaf, site)
    return results


def _run_closure(
    ex: Executor, node: ir.Node, closure: Value, before: Results, index: int
) -> Results:
    """Run a step's closure; LBFGS runs it several times, with the weights changed in between."""
    results: Results = []
    for state, _ in before:
        frame = ex.enter(state, node, "loop", index=index)
        for after, value in ex.invoke(state, Invocation(node), closure):
            after.frame = frame
            results.append((after, value))
    return results


def clear_gradients(ex: Executor, state: State, call: Invocation, leaves: Iterable[Leaf]) -> None:
    """Run `zero_grad`: gradients become None, unless the call asks for zeros."""
    note_thrown_away(ex, state, leaves, site_of(call.node, state.frame))
    flag = call.args[0] if call.args else call.keywords.get("set_to_none", TRUE)
    if flag == TRUE:
        state.graded = state.graded.difference(leaves)
