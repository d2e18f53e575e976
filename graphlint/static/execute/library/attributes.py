"""Reading and writing `value.name`, and finding methods through base classes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.accumulated import note_thrown_away, set_apart
from graphlint.static.execute.autograd.foreign import conclude
from graphlint.static.execute.autograd.grad_reads import read_grad, read_unknown_grad
from graphlint.static.execute.autograd.gradients import note_cleared, note_escape
from graphlint.static.execute.autograd.passes import is_mixed
from graphlint.static.execute.library.dictionaries import attributes
from graphlint.static.execute.library.distributions import attribute_of
from graphlint.static.execute.library.imports import module_attribute, resolve
from graphlint.static.execute.library.modules import make_leaf, rebind, set_requires_grad
from graphlint.static.execute.library.ops import apply_op, is_tensor
from graphlint.static.execute.library.optimizers import GROUPS, groups_of
from graphlint.static.execute.paths.classes import (
    find_member,
    find_method,
    inner_layer,
    is_module,
    only_setting,
    value_of_member,
)
from graphlint.static.execute.paths.compiled import COMPILED_MODULE
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    NONE,
    TRUE,
    Class,
    Const,
    Dict,
    Distribution,
    External,
    Func,
    FunctionContext,
    Instance,
    Layer,
    Member,
    Method,
    Module,
    Optimizer,
    Ref,
    Super,
    Sym,
    Tensor,
    Tuple,
    Value,
)
from graphlint.static.execute.records.records import site_of

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

DATA = frozenset(
    "shape device dtype ndim layout names itemsize nbytes is_cuda is_cpu is_mps is_meta is_sparse "
    "is_sparse_csr is_quantized is_nested is_xla retains_grad output_nr _version".split()
)
"""Attributes of tensors that are plain values."""
NAMES = {"__name__": "name", "__qualname__": "qualname"}
"""Attributes of functions and classes that say how these are called."""
VIEWS = frozenset(("T", "mT", "H", "mH", "real", "imag"))
FIELDS = {
    2: {"values": 0, "indices": 1, "eigenvalues": 0, "eigenvectors": 1, "min": 0, "max": 1}
    | {"Q": 0, "R": 1, "sign": 0, "logabsdet": 1},
    3: {"U": 0, "S": 1, "V": 2, "Vh": 2},
    4: {"data": 0, "batch_sizes": 1, "solution": 0},
}
"""The names of what ops return that return several tensors, by their number: `x.max(1).values`."""


# ---------------------------------------------------------------------------------- reading
def get_attribute(ex: Executor, state: State, node: ir.Node, owner: Value, name: str) -> Results:
    """Read an attribute of a value."""
    if isinstance(owner, External):
        return [(state, _of_external(owner, name))]
    if name == "value" and (value := value_of_member(owner)) is not None:
        return [(state, value)]
    if name == "name" and isinstance(owner, Const) and isinstance(owner.value, Member):
        return [(state, Const(owner.value.name))]
    if isinstance(owner, Sym):
        return [(state, _of_unknown(ex, state, node, owner, name))]
    if isinstance(owner, Module):
        return [(state, resolve(ex, state, module_attribute(ex, state, owner, name)))]
    if isinstance(owner, Super):
        return [(state, _of_super(state, owner, name))]
    if isinstance(owner, Ref):
        return _of_object(ex, state, node, owner, name)
    if isinstance(owner, Func):
        return [(state, _of_function(state, owner, name))]
    if isinstance(owner, Const) and name == "value" and isinstance(owner.value, (str, int)):
        return [(state, owner)]  # the member of an enumeration whose members are strings or numbers
    if isinstance(owner, Tuple) and name in (fields := FIELDS.get(len(owner.items), {})):
        return [(state, owner.items[fields[name]])]
    return [(state, Method(owner, name))]


def _of_function(state: State, owner: Func, name: str) -> Value:
    """Read an attribute of a function: its name, or what the program put there."""
    if name in NAMES:
        return Const(getattr(owner.function, NAMES[name]))
    return state.attrs.get(("attribute", owner.function.qualname, name)) or Method(owner, name)


def _of_external(owner: External, name: str) -> Value:
    """Read an attribute of something of a library; a class knows how it is called."""
    last = owner.name.rpartition(".")[2]
    is_class = last == owner.name or last[:1].isupper()
    return Const(last) if name in NAMES and is_class else External(f"{owner.name}.{name}")


def _of_object(ex: Executor, state: State, node: ir.Node, owner: Ref, name: str) -> Results:
    found = state.object(owner)
    if isinstance(found, Instance):
        return _of_instance(ex, state, node, owner, found, name)
    if isinstance(found, Tensor):
        return [(state, _of_tensor(ex, state, node, owner, found, name))]
    if isinstance(found, Class):
        return [(state, _of_class(state, owner, name))]
    if isinstance(found, Layer):
        if found.name == COMPILED_MODULE and name not in ("_orig_mod", *found.attrs):
            return get_attribute(ex, state, node, found.children[0], name)
        return [(state, _of_layer(state, node, owner, found, name))]
    if isinstance(found, Optimizer) and name == GROUPS:
        return [(state, groups_of(state, node, found))]
    if isinstance(found, Distribution):
        return [(state, attribute_of(owner, found, name))]
    if isinstance(found, FunctionContext) and name in found.attrs:
        return [(state, found.attrs[name])]
    if isinstance(found, Dict) and name in found.items and not hasattr(dict, name):
        return [(state, found.items[name])]
    return [(state, Method(owner, name))]


def _of_unknown(ex: Executor, state: State, node: ir.Node, owner: Sym, name: str) -> Value:
    written = state.attrs.get(("attribute", owner.name, name))
    if name == "grad":
        made = read_unknown_grad(ex, state, node)
        return made if written is None else written
    if written is not None:
        return written
    if name == "data":
        return state.tensor(node)
    carries = None if name in DATA else owner.node
    return Sym(("attribute", owner.name, name), carries)


def _of_super(state: State, owner: Super, name: str) -> Value:
    if isinstance(owner.bound, Ref):
        method = find_method(state, owner.bound, name, owner.after)
        if method is not None:
            return method
    return Method(owner, name)


def _of_instance(
    ex: Executor, state: State, node: ir.Node, owner: Ref, found: Instance, name: str
) -> Results:
    value = found.attrs.get(name)
    method = find_method(state, owner, name)
    described = descriptor_method(state, method, "__get__")
    if described is not None and (value is None or descriptor_method(state, method, "__set__")):
        return ex.invoke(state, Invocation(node, (owner, Ref(found.cls))), described)
    if value is not None:
        return [(state, value)]
    if isinstance(method, Func) and method.kind == "property":
        return ex.invoke(state, Invocation(node), method)
    if isinstance(method, Func) and method.kind == "cached":
        results = ex.invoke(state, Invocation(node), method)
        return [(s, v) for s, v in results for s in set_attribute(ex, s, node, owner, name, v)]
    if method is not None:
        return [(state, method)]
    if name == "__class__":
        return [(state, Ref(found.cls))]
    if name == "__dict__":
        return [(state, attributes(state, node, owner, found.opaque))]
    fallback = find_method(state, owner, "__getattr__")
    if fallback is not None and not is_module(state, found.cls):
        return ex.invoke(state, Invocation(node, (Const(name),)), fallback)
    if name == "training" and is_module(state, found.cls) and _runs_whole_program(state):
        return [(state, TRUE)]  # modules start in training mode, and nothing has changed it
    inner = inner_layer(state, owner)
    layer = state.get(inner, Layer)
    if inner is not None and layer is not None and name != "training":
        return [(state, _of_layer(state, node, inner, layer, name))]
    setting = only_setting(state, found.cls, name)  # its constructor was not followed to the end
    return [(state, setting or Sym(("attribute", owner.address, name)))]


def descriptor_method(state: State, member: Value | None, name: str) -> Value | None:
    """Return a method of a descriptor that is a class's member, None if it is none or has none."""
    return find_method(state, member, name) if isinstance(member, Ref) else None


def _runs_whole_program(state: State) -> bool:
    """Whether a path began at the top of a file, not at a function that nothing calls."""
    return all(frame.kind != "entry" for frame in state.frame.chain())


def _of_tensor(
    ex: Executor, state: State, node: ir.Node, owner: Ref, found: Tensor, name: str
) -> Value:
    if name == "data":
        return state.tensor(node)
    if name == "grad":
        written = state.attrs.get(("attribute", owner.address, "grad"))
        return written or read_grad(ex, state, node, owner, found)
    if name in VIEWS:
        return apply_op(ex, state, node, name, (owner,))
    if name == "requires_grad":
        return Const(next(state.handles(owner), None) is not None)
    if name == "is_leaf":
        return Const(found.node is None)
    if name in DATA:
        return Sym(("attribute", owner.address, name))
    if name == "grad_fn":
        known = found.node is None and not is_mixed(state, owner)
        return NONE if known else Sym(("attribute", owner.address, name))
    return Method(owner, name)


def _of_class(state: State, owner: Ref, name: str) -> Value:
    value = find_member(state, owner.address, name)
    if isinstance(value, Func) and value.kind == "class":
        return replace(value, bound=owner)
    if value is not None:
        return value
    found = state.get(owner, Class)
    return Const(found.name) if found and name in NAMES else Method(owner, name)


def _of_layer(state: State, node: ir.Node, owner: Ref, found: Layer, name: str) -> Value:
    if name in found.attrs:
        return found.attrs[name]
    if name in found.keys:
        return found.children[found.keys.index(name)]
    if name in ("module", "_orig_mod") and found.children:
        return found.children[0]
    if name in ("weight", "bias"):
        return state.tensor(node, leaf=(name, owner.address))
    if name == "training":
        return TRUE
    return Sym(("attribute", owner.address, name))


# ---------------------------------------------------------------------------------- writing
def set_attribute(
    ex: Executor, state: State, node: ir.Node, owner: Value, name: str, value: Value
) -> list[State]:
    """Write an attribute of a value."""
    if name == "grad":
        _note_grad_written(ex, state, value)
    if isinstance(owner, Sym):
        _set_on_unknown(state, node, owner, name, value)
        return [state]
    if isinstance(owner, Func):
        state.attrs["attribute", owner.function.qualname, name] = value
        return [state]
    found = state.object(owner) if isinstance(owner, Ref) else None
    if not isinstance(owner, Ref) or found is None:
        note_escape(ex, state, (value,))
        return [state]
    if isinstance(found, Instance):
        return _set_on_instance(ex, state, node, owner, name, value)
    if isinstance(found, Layer):
        set_plainly(state, owner, name, value)
    elif isinstance(found, Dict):
        state.put(owner, replace(found, items={**found.items, name: value}))
    elif isinstance(found, FunctionContext):
        places = {**found.places, name: site_of(node, state.frame)}
        state.put(owner, FunctionContext({**found.attrs, name: value}, places))
    elif isinstance(found, Class):
        state.put(owner, replace(found, members={**found.members, name: value}))
    elif isinstance(found, Tensor):
        if name not in ("grad", "data", "requires_grad"):
            note_escape(ex, state, (value,))
        _set_on_tensor(ex, state, node, owner, found, name, value)
    return [state]


def _set_on_instance(
    ex: Executor, state: State, node: ir.Node, owner: Ref, name: str, value: Value
) -> list[State]:
    """Write an attribute of an object of the program: a setter of its class may see to that."""
    setter: Value | None = _setter(state, owner, name)
    given: tuple[Value, ...] = (value,)
    if setter is None:
        setter = descriptor_method(state, find_method(state, owner, name), "__set__")
        given = (owner, value)
    if setter is not None:
        return [after for after, _ in ex.invoke(state, Invocation(node, given), setter)]
    set_plainly(state, owner, name, value)
    return [state]


def set_plainly(state: State, owner: Ref, name: str, value: Value) -> None:
    """Write an attribute of an object, whatever its class has to say about that."""
    found = state.object(owner)
    if isinstance(found, (Instance, Layer)):
        state.put(owner, replace(found, attrs={**found.attrs, name: value}))


def _note_grad_written(ex: Executor, state: State, value: Value) -> None:
    note_cleared(ex, state)
    set_apart(state)
    if value != NONE:
        conclude(state)


def _set_on_unknown(state: State, node: ir.Node, owner: Sym, name: str, value: Value) -> None:
    if name == "requires_grad" and value == TRUE and owner.node is None:
        rebind(state, owner, make_leaf(state, node))
    else:
        state.attrs["attribute", owner.name, name] = value


def _setter(state: State, owner: Ref, name: str) -> Func | None:
    found = state.get(owner, Instance)
    value = find_member(state, found.cls, f"{name}.setter") if found else None
    return replace(value, bound=owner) if isinstance(value, Func) else None


def _set_on_tensor(
    ex: Executor, state: State, node: ir.Node, owner: Ref, found: Tensor, name: str, value: Value
) -> None:
    if name == "requires_grad":
        set_requires_grad(state, owner, value)
    elif name == "grad" and found.leaf is not None:
        leaf = frozenset((found.leaf,))
        note_thrown_away(ex, state, leaf, site_of(node, state.frame))
        state.graded = state.graded - leaf if value == NONE else state.graded | leaf
    if name == "grad" and is_tensor(state, value):
        state.attrs["attribute", owner.address, "grad"] = value
