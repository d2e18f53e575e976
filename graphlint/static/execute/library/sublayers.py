"""Objects of classes that inherit from a layer of `torch.nn`: what the layer has is kept apart."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static.execute.library.modules import make_layer
from graphlint.static.execute.paths.classes import LAYER, inner_layer, library_bases
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    Address,
    Instance,
    Method,
    Ref,
    Value,
)
from graphlint.static.knowledge.layers import CONTAINERS, WRAPPERS, find_layer

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

INHERITED = frozenset(("forward", "__call__", "extra_repr"))
OF_CONTAINERS = frozenset(
    "append extend insert values items keys add_module register_module".split()
)


def layer_of(state: State, address: Address) -> str:
    """Return the name of the one layer that a class inherits from, empty where there is none."""
    names = library_bases(state, address)
    layers = [name for name in names if name.startswith("torch.nn.") and _is_known(name)]
    return layers[0].rpartition(".")[2] if len(layers) == 1 else ""


def _is_known(name: str) -> bool:
    last = name.rpartition(".")[2]
    return last in CONTAINERS or last in WRAPPERS or find_layer(name) is not None


def give_layer(ex: Executor, state: State, call: Invocation, owner: Ref) -> bool:
    """Do what the layer's own `__init__` does; tell whether an object inherits from one."""
    found = state.get(owner, Instance)
    kind = layer_of(state, found.cls) if found else ""
    if found is None or not kind:
        return False
    made = make_layer(ex, state, call, kind)
    state.put(owner, replace(found, attrs={**found.attrs, LAYER: made}))
    return True


def call_layer_method(
    ex: Executor, state: State, call: Invocation, owner: Value, name: str
) -> Results | None:
    """Call a method that an object has of its layer, None if it inherits from none."""
    inner = inner_layer(state, owner)
    if inner is None:
        return None
    if name in INHERITED:
        return ex.invoke(state, call, inner)
    if name in OF_CONTAINERS:
        return ex.invoke(state, call, Method(inner, name))
    return None
