"""What `torch.compile` makes of functions and modules: their outputs come from one node.

The compiler runs the whole backward pass of what it compiled at once, so that a pass from one
output visits what all of them saved. Where the compiled code has to stop for Python, it makes
several such nodes: that its node saves anything is likely, and no more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.paths.values import (
    Func,
    Instance,
    Layer,
    List,
    NodeId,
    Ref,
    Sym,
    Tensor,
    Tuple,
    Value,
)
from graphlint.static.knowledge.facts import MAYBE

if TYPE_CHECKING:
    from graphlint.static.execute.paths.state import State

COMPILED_OP = "compiled"
COMPILED_MODULE = "OptimizedModule"
"""The class of what `torch.compile` wraps a module in."""


def compile_value(state: State, place: ir.Node, value: Value) -> Value:
    """Compile a function or a module: a module is wrapped, and is itself what it was."""
    if isinstance(value, Func) and not value.wrapper:
        return replace(value, wrapper=COMPILED_OP)
    if isinstance(value, Ref) and isinstance(state.object(value), Instance | Layer):
        return state.new(place, Layer(COMPILED_MODULE, (value,)))
    return value


def compile_in_place(state: State, owner: Ref) -> Ref:
    """Run a module's `compile` method: it is known by its address from then on."""
    state.facts["compiled", owner.address] = True
    return owner


def is_compiled(state: State, func: Value) -> bool:
    """Whether what is called was compiled."""
    if isinstance(func, Func):
        return func.wrapper == COMPILED_OP
    if not isinstance(func, Ref):
        return False
    found = state.get(func, Layer)
    wrapped = found is not None and found.name == COMPILED_MODULE
    return wrapped or ("compiled", func.address) in state.facts


def join_outputs(state: State, place: ir.Node, value: Value) -> Value:
    """Return what compiled code returned, with one node for all tensors in it."""
    roots = tuple(state.nodes(value))
    if not roots:
        return value
    node = state.record(place, COMPILED_OP, roots, frozenset(), MAYBE, saved_inputs=roots)
    return _from_node(state, place, value, node)


def _from_node(state: State, place: ir.Node, value: Value, node: NodeId) -> Value:
    if isinstance(value, Tuple):
        return Tuple(tuple(_from_node(state, place, item, node) for item in value.items))
    if isinstance(value, Sym):
        return Sym(value.name, node) if value.node is not None else value
    found = state.object(value) if isinstance(value, Ref) else None
    if isinstance(found, Tensor) and found.node is not None:
        return state.tensor(place, node)
    if isinstance(found, List):
        items = tuple(_from_node(state, place, item, node) for item in found.items)
        return state.new(place, List(items, found.length, found.kind))
    return value
