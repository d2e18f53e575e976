"""Classes of the program: their bases, and the attributes that instances find in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from graphlint.static.execute.state import State
from graphlint.static.execute.values import (
    Address,
    Class,
    External,
    Func,
    Instance,
    Ref,
    Sym,
    Value,
)


def resolution_order(state: State, address: Address) -> list[Address | External | Sym]:
    """Return a class and its bases, depth first; a base outside the program is named."""
    found = state.heap[address]
    order: list[Address | External | Sym] = [address]
    for base in found.bases if isinstance(found, Class) else ():
        if isinstance(base, Ref) and isinstance(state.object(base), Class):
            if base.address not in order:
                order += resolution_order(state, base.address)
        elif isinstance(base, (External, Sym)):
            order.append(base)
    return order


def members(state: State, address: Address, after: Address | None = None) -> Iterator[Class]:
    """Walk the classes of the program that an attribute is looked up in."""
    order = resolution_order(state, address)
    if after is not None and after in order:
        order = order[order.index(after) + 1 :]
    for each in order:
        found = state.heap[each] if isinstance(each, int) else None
        if isinstance(found, Class):
            yield found


def is_module(state: State, address: Address) -> bool:
    """Whether a class inherits from `torch.nn.Module` or one of its layers."""
    for base in resolution_order(state, address):
        if isinstance(base, External) and is_module_name(base.name):
            return True
    return False


def is_named_tuple(state: State, address: Address) -> bool:
    """Whether a class is a named tuple, whose fields are its items."""
    order = resolution_order(state, address)
    return any(isinstance(b, External) and b.name.endswith("NamedTuple") for b in order)


def is_module_name(name: str) -> bool:
    """Whether a library class is a module, by its dotted name."""
    last = name.rpartition(".")[2]
    return last.endswith("Module") or ".nn." in f".{name}."


def find_method(state: State, owner: Ref, name: str, after: Address | None = None) -> Value | None:
    """Find a class attribute of an instance; a function comes back bound to it."""
    found = state.object(owner)
    if not isinstance(found, Instance):
        return None
    for cls in members(state, found.cls, after):
        value = cls.members.get(name)
        if value is not None:
            return _bind(value, owner, Ref(found.cls))
    return None


def _bind(value: Value, owner: Value, cls: Ref) -> Value:
    if isinstance(value, Func) and value.kind != "static":
        return replace(value, bound=cls if value.kind == "class" else owner)
    return value
