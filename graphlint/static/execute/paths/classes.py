"""Classes of the program: their bases, and the attributes that instances find in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

from graphlint.static import ir
from graphlint.static.execute.paths.state import MAX_DEPTH, State, parts
from graphlint.static.execute.paths.values import (
    Address,
    Class,
    Const,
    External,
    Func,
    Instance,
    Layer,
    Member,
    Partial,
    Ref,
    Sym,
    Tuple,
    Value,
)

ENUM = "enum"
CONTENTS = "<contents>"
LAYER = "<layer>"
MAPPINGS = frozenset(("dict", "OrderedDict", "UserDict"))
LISTS = frozenset(("list", "UserList", "deque"))
DICTS = frozenset(("dict", "OrderedDict", "TypedDict"))
ATTRIBUTE_ACCESS = frozenset(
    "__init__ __getattr__ __setattr__ __delattr__ __dict__ __slots__ __module__ __doc__".split()
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


def library_bases(state: State, address: Address) -> frozenset[str]:
    """Return the classes outside of the program that a class inherits from, by their names.

    Empty where it inherits from something that is not known as well.
    """
    order = resolution_order(state, address)
    if any(isinstance(each, Sym) for each in order):
        return frozenset()
    return frozenset([each.name for each in order if isinstance(each, External)])


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


def holds_module(state: State, value: Value, depth: int = MAX_DEPTH) -> bool:
    """Whether a value is a module, or an object or container that has one."""
    if isinstance(value, Tuple):
        return depth > 0 and any(holds_module(state, item, depth - 1) for item in value.items)
    found = state.object(value) if isinstance(value, Ref) else None
    if isinstance(found, Layer) or (isinstance(found, Instance) and is_module(state, found.cls)):
        return True
    return depth > 0 and any(holds_module(state, part, depth - 1) for part in parts(found))


def is_named_tuple(state: State, address: Address) -> bool:
    """Whether a class is a named tuple, whose fields are its items."""
    order = resolution_order(state, address)
    return any(isinstance(b, External) and b.name.endswith("NamedTuple") for b in order)


def kind_of_contents(state: State, address: Address) -> str:
    """Return which container of the library a class inherits from: `dict`, `list`, or none."""
    order = resolution_order(state, address)
    names = {b.name.rpartition(".")[2] for b in order if isinstance(b, External)}
    return "dict" if names & MAPPINGS else "list" if names & LISTS else ""


def contents(state: State, owner: Value) -> Ref | None:
    """Return the container that an object of a class which inherits from one has its items in."""
    found = state.object(owner) if isinstance(owner, Ref) else None
    kept = found.attrs.get(CONTENTS) if isinstance(found, Instance) else None
    return kept if isinstance(kept, Ref) else None


def inner_layer(state: State, owner: Value) -> Ref | None:
    """Return the layer that an object of a class which inherits from one has its weights in."""
    found = state.object(owner) if isinstance(owner, Ref) else None
    kept = found.attrs.get(LAYER) if isinstance(found, Instance) else None
    return kept if isinstance(kept, Ref) else None


def is_plain_dict(state: State, address: Address) -> bool:
    """Whether a class is a dictionary that only lets its items be attributes too."""
    order = resolution_order(state, address)
    names = {b.name.rpartition(".")[2] for b in order if isinstance(b, External)}
    own = {name for cls in members(state, address) for name in cls.members}
    return not names.isdisjoint(DICTS) and own <= ATTRIBUTE_ACCESS


def is_enum(state: State, address: Address) -> bool:
    """Whether a class is an enumeration whose members are equal to nothing but themselves."""
    bases = resolution_order(state, address)[1:]
    names = {b.name.rpartition(".")[2] for b in bases if isinstance(b, External)}
    return "Enum" in names and names.isdisjoint(("str", "int"))


def enum_members(address: Address, found: Mapping[str, Value]) -> dict[str, Value]:
    """Make members of what is assigned in the body of an enumeration."""
    made: dict[str, Value] = {}
    for number, (name, value) in enumerate(found.items(), 1):
        plain = isinstance(value, (Const, Sym)) and not name.startswith("_")
        known = value.value if isinstance(value, Const) else number
        made[name] = Const(Member(address, name, known)) if plain else value
    return made


def call_enum(state: State, address: Address, value: Value) -> Value:
    """Return the member of an enumeration that has a value."""
    if isinstance(value, Const):
        for cls in members(state, address):
            for each in cls.members.values():
                if isinstance(each, Const) and isinstance(each.value, Member):
                    if value.value in (each.value.value, each.value):
                        return each
    return Sym((ENUM, address, value))


def value_of_member(value: Value) -> Value | None:
    """Return the value of a member of an enumeration, None of anything else."""
    if isinstance(value, Const) and isinstance(value.value, Member):
        return Const(value.value.value)
    if isinstance(value, Sym) and value.name[0] == ENUM:
        made_of: Value = value.name[2]
        return made_of
    return None


def is_module_name(name: str) -> bool:
    """Whether a library class is a module, by its dotted name."""
    last = name.rpartition(".")[2]
    return last.endswith("Module") or ".nn." in f".{name}."


def find_member(
    state: State, address: Address, name: str, after: Address | None = None
) -> Value | None:
    """Find what a class has by a name, of its own or from the classes of the program before it."""
    found = members(state, address, after)
    return next((cls.members[name] for cls in found if name in cls.members), None)


def find_method(state: State, owner: Ref, name: str, after: Address | None = None) -> Value | None:
    """Find a class attribute of an instance; a function comes back bound to it."""
    found = state.object(owner)
    if not isinstance(found, Instance):
        return None
    value = find_member(state, found.cls, name, after)
    return None if value is None else _bind(value, owner, Ref(found.cls))


def only_setting(state: State, address: Address, name: str) -> Const | None:
    """Return the switch that all methods of a class set an attribute to, where it is always one."""
    functions = [
        member.function
        for cls in members(state, address)
        for member in cls.members.values()
        if isinstance(member, Func) and name in member.function.mentions.writes
    ]
    found = {value for function in functions for value in _settings(function, name)}
    return Const(found.pop()) if found in ({True}, {False}) else None


@lru_cache(maxsize=1024)
def _settings(function: ir.Function, name: str) -> frozenset[bool | None]:
    """Return the switches that a function sets an attribute to, None for anything else."""
    set_to: set[bool | None] = set()
    for node in (each for statement in function.body for each in ir.walk(statement)):
        targets = getattr(node, "targets", ()) or (getattr(node, "target", None),)
        for target in targets:
            if isinstance(target, ir.Attribute) and target.name == name:
                value = node.value if isinstance(node, ir.Assign) else None
                given = value.value if isinstance(value, ir.Const) else None
                set_to.add(given if isinstance(given, bool) else None)
            elif isinstance(target, ir.Sequence) and _mentions(target, name):
                set_to.add(None)
    return frozenset(set_to)


def _mentions(target: ir.Expr, name: str) -> bool:
    return any(isinstance(node, ir.Attribute) and node.name == name for node in ir.walk(target))


def _bind(value: Value, owner: Value, cls: Ref) -> Value:
    if isinstance(value, Func) and value.kind != "static":
        return replace(value, bound=cls if value.kind == "class" else owner)
    if isinstance(value, Partial) and value.method:
        if isinstance(value.func, Ref):
            return replace(value, args=(owner, *value.args))
        return replace(value, func=_bind(value.func, owner, cls))
    return value
