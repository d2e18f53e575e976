"""The one choke point that every backward pass goes through.

`_engine_run_backward` (torch/autograd/graph.py) is what `Tensor.backward`, `autograd.backward` and
`autograd.grad` call, whoever calls those: gradient scalers, checkpoints, data parallelism, training
frameworks. It is looked up at each call in two modules, so that it can be replaced there even for
programs that hold `backward` or `grad` under names of their own.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from functools import cache
from types import FrameType
from typing import Any, NamedTuple, Protocol

import torch
from torch._guards import TracingContext

from graphlint.runtime.guard import Guard
from graphlint.runtime.places import Caller, find_caller

_NAME = "_engine_run_backward"


class BackwardCall(NamedTuple):
    """One call of the engine.

    Attributes:
        outputs: the tensors or gradient edges that the pass starts from.
        keeps: the pass keeps the graph.
        creates: it makes gradients that can be differentiated.
        inputs: the targets, where the pass is limited to the paths to these; else None.
        accumulates: it adds to `.grad`; otherwise it returns gradients.
        caller: who ran the pass, None where nobody in sight did.
    """

    outputs: Sequence[Any]
    keeps: bool
    creates: bool
    inputs: Sequence[Any] | None
    accumulates: bool
    caller: Caller


class Observer(Protocol):
    """Who is told of passes. What it raises is swallowed and counted by its guard."""

    guard: Guard

    def before(self, call: BackwardCall) -> Any:
        """Take note of a pass that is about to run; what is returned is handed on."""

    def after(self, call: BackwardCall, note: Any, result: Any) -> None:
        """Take note of a pass that ran; `result` is what the engine returned."""

    def failed(self, call: BackwardCall, note: Any, error: BaseException) -> None:
        """Take note of a pass that raised."""


class ChokePoint:
    """Replaces the engine's entry while anybody observes, and tells the observers of each pass."""

    def __init__(self) -> None:
        """Start with no observer and nothing replaced."""
        self._observers: tuple[Observer, ...] = ()
        self._lock = threading.RLock()
        self._original: Callable[..., Any] | None = None
        self._replacement: Callable[..., Any] | None = None
        self._running = threading.local()

    def attach(self, observer: Observer) -> None:
        """Begin to tell an observer of passes."""
        with self._lock:
            if observer not in self._observers:
                self._observers = (*self._observers, observer)
            if self._replacement is None:
                self._install()

    def detach(self, observer: Observer) -> None:
        """Stop telling an observer; with the last one, the engine's own entry is put back."""
        with self._lock:
            self._observers = tuple(o for o in self._observers if o is not observer)
            if not self._observers:
                self._restore()

    def _install(self) -> None:
        original = getattr(torch.autograd.graph, _NAME)

        def _engine_run_backward(outputs: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
            # A tool that replaced us may put us back long after we were replaced by a later one.
            current = self._replacement is _engine_run_backward
            if not (current and self._observers) or _is_transformed():
                return original(outputs, *args, **kwargs)
            return self._observe(original, outputs, args, kwargs)

        self._original, self._replacement = original, _engine_run_backward
        for module in (torch.autograd.graph, torch.autograd):
            setattr(module, _NAME, _engine_run_backward)

    def _restore(self) -> None:
        """Put the original back where the replacement still stands.

        Somebody may have replaced it in turn (torch.compiler does, while it traces): what they
        will put back then is our replacement, which passes everything on.
        """
        for module in (torch.autograd.graph, torch.autograd):
            if getattr(module, _NAME) is self._replacement:
                setattr(module, _NAME, self._original)
        self._original = self._replacement = None

    def _observe(
        self,
        original: Callable[..., Any],
        outputs: Sequence[Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        observers = self._observers
        running = self._frames_running()
        # The frame that called the replacement: torch's own `backward` or `grad`.
        call = observers[0].guard.run(_read_call, sys._getframe(2), outputs, args, kwargs)
        if call is None or call.caller.frame in running:
            # Nobody's pass, or one that torch runs within a pass of the same line (a reentrant
            # checkpoint's): it belongs to that line's pass.
            return original(outputs, *args, **kwargs)
        notes = [observer.guard.run(observer.before, call) for observer in observers]
        running.append(call.caller.frame)
        try:
            result = original(outputs, *args, **kwargs)
        except BaseException as error:
            _tell_failed(observers, call, notes, error)
            # This frame lives on in the error's traceback: it must not keep graphs alive.
            notes.clear()
            raise
        finally:
            running.pop()
        for observer, note in zip(observers, notes, strict=True):
            observer.guard.run(observer.after, call, note, result)
        return result

    def _frames_running(self) -> list[FrameType]:
        frames: list[FrameType] | None = getattr(self._running, "frames", None)
        if frames is None:
            frames = self._running.frames = []
        return frames


def _tell_failed(
    observers: Sequence[Observer], call: BackwardCall, notes: Sequence[Any], error: BaseException
) -> None:
    for observer, note in zip(observers, notes, strict=True):
        observer.guard.run(observer.failed, call, note, error)


@cache
def choke_point() -> ChokePoint:
    """Return the process's one choke point."""
    return ChokePoint()


def _is_transformed() -> bool:
    """Whether a transform or a tracer runs the pass: on tensors that stand for others."""
    return (
        torch._C._are_functorch_transforms_active()
        or torch.compiler.is_compiling()
        or ("torch._dynamo" in sys.modules and TracingContext.try_get() is not None)
    )


def _read_call(
    frame: FrameType, outputs: Sequence[Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> BackwardCall | None:
    """Read the arguments that torch's own functions call the engine with.

    After the outputs these are the gradients, keep_graph, create_graph, inputs, allow_unreachable
    and accumulate_grad (torch/csrc/autograd/python_engine.cpp, `THPEngine_run_backward`).
    """
    caller = find_caller(frame)
    if caller is None:
        return None
    keeps, creates, inputs, accumulates = _engine_arguments(*args, **kwargs)
    return BackwardCall(outputs, keeps, creates, inputs or None, accumulates, caller)


def _engine_arguments(
    grad_tensors: Any = None,
    keep_graph: bool = False,
    create_graph: bool = False,
    inputs: Sequence[Any] | None = None,
    allow_unreachable: bool = False,
    accumulate_grad: bool = False,
) -> tuple[bool, bool, Sequence[Any] | None, bool]:
    """Pick what matters of the engine's arguments, whether they come by place or by name."""
    return keep_graph, create_graph, inputs, accumulate_grad
