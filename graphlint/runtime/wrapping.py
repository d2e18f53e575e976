"""Functions of every kind, run inside a context manager for as long as they run themselves.

A generator or a coroutine hands control back while it waits, to code that is none of its own. So
the context is entered anew for every step of it, not once around the whole.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])
Context = AbstractContextManager[Any]


def wrap(context: Context, function: F) -> F:
    """Return the function, run inside the context, of the same kind as before.

    Args:
        context: entered for every step; it must allow that more than once, and nested.
        function: a function, a generator function, or an asynchronous one of either kind.
    """
    if inspect.isasyncgenfunction(function):
        wrapper: Any = _wrap_async_generator(context, function)
    elif inspect.iscoroutinefunction(function):
        wrapper = _wrap_coroutine(context, function)
    elif inspect.isgeneratorfunction(function):
        wrapper = _wrap_generator(context, function)
    else:
        wrapper = _wrap_function(context, function)
    return cast(F, functools.wraps(function)(wrapper))


def _wrap_function(context: Context, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with context:
            return function(*args, **kwargs)

    return wrapper


def _wrap_generator(context: Context, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return (yield from _steps(context, function(*args, **kwargs)))

    return wrapper


def _wrap_coroutine(context: Context, function: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await _Stepped(context, function(*args, **kwargs))

    return wrapper


def _wrap_async_generator(context: Context, function: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        generator = function(*args, **kwargs)
        step = generator.asend(None)
        try:
            while True:
                try:
                    value = await _Stepped(context, step)
                except StopAsyncIteration:
                    return
                try:
                    sent = yield value
                except GeneratorExit:
                    raise
                except BaseException as error:  # noqa: BLE001 - handed on, as it is
                    step = generator.athrow(error)
                else:
                    step = generator.asend(sent)
        finally:
            await _Stepped(context, generator.aclose())

    return wrapper


class _Stepped:
    """Something to await, each step of which runs inside a context."""

    def __init__(self, context: Context, awaited: Any) -> None:
        self._context = context
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield from _steps(self._context, self._awaited))


def _steps(context: Context, inner: Any) -> Generator[Any, Any, Any]:
    """Run a generator, or whatever has its methods, with each of its steps inside the context.

    This is `yield from inner`, spelled out as in PEP 380.
    """
    step: Callable[[], Any] = functools.partial(inner.send, None)
    while True:
        try:
            with context:
                value = step()
        except StopIteration as end:
            return end.value
        try:
            sent = yield value
        except GeneratorExit:
            with context:
                inner.close()
            raise
        except BaseException as error:  # noqa: BLE001 - handed on, as it is
            step = functools.partial(inner.throw, error)
        else:
            step = functools.partial(inner.send, sent)
