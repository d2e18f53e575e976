"""What a function refers to: the objects that it may use besides its arguments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from torch import Tensor, nn

_MOST = 10_000  # a program may hang on an object; a loss function's models are near it


def referred(function: Any) -> Iterator[Any]:
    """Yield a function and what it leads to, each once, the nearest first.

    Looked through are closures, default arguments, globals that the code names, partial functions,
    bound methods, containers and attributes of objects; not modules, tensors, and torch's own code.
    """
    pending, seen = [function], {id(function)}
    for value in pending:  # grows on the way
        yield value
        for part in _parts(value):
            if id(part) not in seen and len(seen) < _MOST:
                seen.add(id(part))
                pending.append(part)


def _parts(value: Any) -> Iterable[Any]:
    match value:
        case nn.Module() | Tensor() | ModuleType() | type() | str() | bytes():
            return ()
        case partial():
            return (value.func, *value.args, *value.keywords.values())
        case MethodType():
            return (value.__self__, value.__func__)
        case FunctionType():
            return _parts_of_function(value)
        case dict():
            return value.values()
        case list() | tuple() | set() | frozenset():
            return value
        case _:
            return getattr(value, "__dict__", {}).values()


def _parts_of_function(function: FunctionType) -> Iterator[Any]:
    if function.__module__ and function.__module__.partition(".")[0] == "torch":
        return
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    names = dict.fromkeys(_names(function.__code__))
    yield from (function.__globals__[name] for name in names if name in function.__globals__)


def _names(code: CodeType) -> Iterator[str]:
    """Yield the names that code looks up, that of comprehensions and inner functions too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
