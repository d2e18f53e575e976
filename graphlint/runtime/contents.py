"""What an object of the user's leads to, read without running the user's code.

Objects are told apart by their type alone: `isinstance` would ask an object for its `__class__`,
and reading an attribute may run a property. So containers are read by the methods of their built-in
type, and attributes from the instance's own dictionary and slots.
"""

from __future__ import annotations

import functools
import sys
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from types import FrameType
from typing import Any

import torch

from graphlint.runtime.frames import Place, is_function, place_of, variables
from graphlint.runtime.places import Whose, classify
from graphlint.runtime.trails import Trail, Via

# Modules whose objects are not looked into: a test runner's lead to every test of a session.
PASSED_OVER = ("graphlint", "_pytest", "pluggy", "xdist")
_SLICE = 5_000
_MODULE_TABLES = frozenset({"_modules", "_parameters", "_buffers"})

Child = tuple[Any, Trail]
Reader = Callable[[Any, Trail], Iterator[Child]]


def node_of(tensor: Any) -> Any:
    """Return the node that made a tensor, past whatever its class makes of `grad_fn`."""
    return torch._C.TensorBase.grad_fn.__get__(tensor)


def frame_variables(frame: FrameType, before: Trail | None, via: Via) -> Iterator[Child]:
    """Yield a frame's variables, each with the way to it."""
    place = place_of(frame)
    for name, value in variables(frame).items():
        yield value, Trail(before, via, name, place)


def children(value: Any, trail: Trail) -> Iterable[Child]:
    """Return what an object leads to: nothing where it is of no kind that is looked into."""
    kind = type(value)
    reader = _READERS.get(kind)
    if reader is None:
        reader = next((reader for base, reader in _FAMILIES if issubclass(kind, base)), None)
    if reader is not None:
        return reader(value, trail)
    if kind.__flags__ & _HEAP_TYPE == 0 or str(kind.__dict__.get("__module__")).startswith(
        PASSED_OVER
    ):
        return ()
    return _attributes(value, trail)


_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE (CPython, Include/object.h): a class made by `class`


def _items(kind: Any) -> Reader:
    """Make a reader of containers that uses the methods of their built-in type alone."""

    def reader(value: Any, trail: Trail) -> Iterator[Child]:
        step = Trail(trail, Via.ITEM, None, None, type(value).__name__, id(value))
        last = getattr(kind, "__reversed__", lambda _: ())
        return ((item, step) for item in _some(value, kind.__len__(value), kind.__iter__, last))

    return reader


def _some(
    value: Any,
    count: int,
    first: Callable[[Any], Iterable[Any]],
    last: Callable[[Any], Iterable[Any]],
) -> list[Any]:
    """Return what a container holds, of very much only what comes first and last.

    It is copied without a step of Python's in between, so that no other thread can change it.

    Args:
        value: the container.
        count: how many items it has.
        first: iterates over these.
        last: the same, from the last one on.
    """
    if count <= 2 * _SLICE:
        return list(first(value))
    return [*islice(first(value), _SLICE), *islice(last(value), _SLICE)]


def _entries(value: Any, trail: Trail) -> Iterator[Child]:
    """Yield a dictionary's values: by name where there is something behind the name."""
    unnamed = Trail(trail, Via.ITEM, None, None, type(value).__name__, id(value))
    for key, item in _some(dict.items(value), dict.__len__(value), iter, reversed):
        named = type(key) is str and type(item) not in ATOMS and not is_tensor(item)
        yield item, Trail(trail, Via.ITEM, key) if named else unnamed


def is_tensor(value: Any) -> bool:
    """Whether an object is a tensor, by its type."""
    return issubclass(type(value), torch.Tensor)


def _attributes(value: Any, trail: Trail) -> Iterator[Child]:
    for name, item in chain(list(own_dictionary(value).items()), _slots(value)):
        if type(item) in ATOMS or type(name) is not str:
            continue
        if name.endswith("_hooks"):
            yield item, Trail(trail, Via.HOOK, name)
        elif name in _MODULE_TABLES and issubclass(type(value), torch.nn.Module):
            for key, part in list(item.items()):
                yield part, Trail(trail, Via.ATTRIBUTE, key)
        else:
            yield item, Trail(trail, Via.ATTRIBUTE, name)


def _with_attributes(
    reader: Reader,
) -> Reader:
    return lambda value, trail: chain(reader(value, trail), _attributes(value, trail))


def _nothing(value: Any, trail: Trail) -> Iterator[Child]:
    return iter(())


def own_dictionary(value: Any) -> dict[str, Any]:
    """Return the attributes in an object's own dictionary, past whatever its class puts before."""
    for base in type(value).__mro__:
        getter = base.__dict__.get("__dict__")
        if type(getter) is types.GetSetDescriptorType:
            return getter.__get__(value) or {}
    return {}


def _slots(value: Any) -> Iterator[tuple[str, Any]]:
    for base in type(value).__mro__:
        if "__slots__" not in base.__dict__:
            continue
        for name, slot in list(base.__dict__.items()):
            if type(slot) is types.MemberDescriptorType:
                try:
                    yield name, slot.__get__(value)
                except AttributeError:  # not set
                    continue


def _tensor(value: Any, trail: Trail) -> Iterator[Child]:
    yield from _attributes(value, trail)
    base = torch._C.TensorBase
    hooks = base._backward_hooks.__get__(value)
    if hooks:
        yield hooks, Trail(trail, Via.HOOK, "_backward_hooks")
    if base.requires_grad.__get__(value) and base.is_leaf.__get__(value):
        yield base.grad.__get__(value), Trail(trail, Via.GRADIENT, "grad")
    node = node_of(value)
    if issubclass(type(node), torch._C._FunctionBase):
        for name, item in list(own_dictionary(node).items()):
            yield item, Trail(trail, Via.CTX, name)


def _function(value: Any, trail: Trail) -> Iterator[Child]:
    code = value.__code__
    place = Place(code.co_filename, value.__qualname__, code.co_firstlineno)
    if classify(code.co_filename) not in (Whose.USER, Whose.LIBRARY):
        return
    for name, cell in zip(code.co_freevars, value.__closure__ or (), strict=False):
        try:
            yield cell.cell_contents, Trail(trail, Via.CLOSURE, name, place)
        except ValueError:  # its variable is not bound yet, or was deleted
            continue
    defaults = value.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount][-len(defaults) or code.co_argcount :]
    for name, item in chain(
        zip(names, defaults, strict=False), (value.__kwdefaults__ or {}).items()
    ):
        yield item, Trail(trail, Via.DEFAULT, name, place)
    for name, item in dict(value.__dict__).items():
        yield item, Trail(trail, Via.ATTRIBUTE, name)


def _method(value: Any, trail: Trail) -> Iterator[Child]:
    step = Trail(trail, Via.PART, None)
    return iter([(value.__self__, step), (value.__func__, step)])


def _partial(value: Any, trail: Trail) -> Iterator[Child]:
    step = Trail(trail, Via.PART, None)
    parts = chain([value.func], value.args, value.keywords.values())
    return ((part, step) for part in parts)


def _suspended(attribute: str, via: Via) -> Reader:
    """Make a reader of a generator's or a coroutine's variables."""

    def reader(value: Any, trail: Trail) -> Iterator[Child]:
        frame = getattr(value, attribute)
        return iter(()) if frame is None else frame_variables(frame, trail, via)

    return reader


def _error(value: Any, trail: Trail) -> Iterator[Child]:
    step = Trail(trail, Via.EXCEPTION, None)
    getters = BaseException.__dict__
    trace = getters["__traceback__"].__get__(value)
    while trace is not None:
        if classify(trace.tb_frame.f_code.co_filename) is Whose.USER and is_function(
            trace.tb_frame
        ):
            yield from frame_variables(trace.tb_frame, step, Via.LOCAL)
        trace = trace.tb_next
    for name in ("args", "__context__", "__cause__"):
        yield getters[name].__get__(value), step
    yield from _attributes(value, trail)


def _class(value: Any, trail: Trail) -> Iterator[Child]:
    """Yield the attributes of a class of the user's: those of libraries hold no losses."""
    namespace = type.__dict__["__dict__"].__get__(value)
    module = sys.modules.get(namespace.get("__module__", ""))
    filename = getattr(module, "__file__", None)
    if type(filename) is str and classify(filename) is Whose.USER:
        for name, item in list(namespace.items()):
            yield item, Trail(trail, Via.ATTRIBUTE, name)


ATOMS = frozenset(
    {
        type(None),
        type(Ellipsis),
        bool,
        int,
        float,
        complex,
        str,
        bytes,
        bytearray,
        range,
        slice,
        property,
        types.ModuleType,
        types.BuiltinFunctionType,
        types.CodeType,
        types.FrameType,
        torch.dtype,
        torch.device,
        torch.Size,
    }
)
_READERS: dict[type, Reader] = {
    list: _items(list),
    tuple: _items(tuple),
    set: _items(set),
    frozenset: _items(frozenset),
    deque: _items(deque),
    dict: _entries,
    types.FunctionType: _function,
    types.MethodType: _method,
    functools.partial: _partial,
    types.GeneratorType: _suspended("gi_frame", Via.GENERATOR),
    types.CoroutineType: _suspended("cr_frame", Via.LOCAL),
    types.AsyncGeneratorType: _suspended("ag_frame", Via.GENERATOR),
    type: _class,
}
# Of subclasses, each with its own attributes too.
_FAMILIES: tuple[tuple[type, Reader], ...] = (
    (torch.Tensor, _tensor),
    (BaseException, _error),
    (dict, _with_attributes(_entries)),
    *((kind, _with_attributes(_READERS[kind])) for kind in (list, tuple, set, frozenset, deque)),
    (type, _class),
    (types.ModuleType, _nothing),
)
