"""The one choke point that every backward pass goes through.

`_engine_run_backward` (torch/autograd/graph.py) is what `Tensor.backward`, `autograd.backward` and
`autograd.grad` call, whoever calls those: gradient scalers, checkpoints, data parallelism, training
frameworks. It is looked up at each call in two modules, so that it can be replaced there even for
programs that hold `backward` or `grad` under names of their own.

# Note [Shortcuts]
Most passes are of no interest: they keep nothing, and there is nothing that they could visit again.
A small training step has emptied the processor's caches of all that the last pass used, so that
every function called here, and every object looked at, costs several times what it costs in a loop
of its own. So such passes are counted in the replacement itself. It finds the record of the call
that runs the pass by the code and the instruction of torch's caller; the observer gives it the
record, and takes all records back when passes become interesting. For the same reason the
replacement calls no function of its own before it has to, and asks for no frame that it can do
without.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from functools import cache
from types import CodeType, FrameType
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch._guards import TracingContext

from graphlint.runtime.frames import other_threads
from graphlint.runtime.guard import Guard
from graphlint.runtime.places import Caller, find_caller
from graphlint.runtime.untraced import untraced, untraced_throughout

_NAME = "_engine_run_backward"
_TENSOR_BACKWARD = Tensor.backward.__code__
_SHORTCUTS = 4096
untraced_throughout(Guard.run)  # not where it is defined: programs without torch are guarded too


class BackwardCall(NamedTuple):
    """One call of the engine.

    Attributes:
        outputs: the tensors or gradient edges that the pass starts from.
        keeps: the pass keeps the graph.
        creates: it makes gradients that can be differentiated.
        inputs: the targets, where the pass is limited to the paths to these; else None.
        accumulates: it adds to `.grad`; otherwise it returns gradients.
        caller: who ran the pass.
    """

    outputs: Sequence[Any]
    keeps: bool
    creates: bool
    inputs: Sequence[Any] | None
    accumulates: bool
    caller: Caller


class Tally(Protocol):
    """What an observer counts a call's passes in.

    Attributes:
        passes: how often it ran.
        rest: how many more of its passes that keep their graph nobody looks at.
        look_at: the number of the next pass that is of interest whatever it keeps.
    """

    passes: int
    rest: int
    look_at: int

    def skip(self, until: int) -> None:
        """Count a pass that kept its graph, which nobody looked at.

        Args:
            until: the number of the thread's next node, after the pass.
        """


class Observer(Protocol):
    """Who is told of passes. What it raises is swallowed and counted by its guard."""

    guard: Guard

    def before(self, call: BackwardCall) -> Any:
        """Take note of a pass that is about to run; what is returned is handed on.

        None says that there is nothing to tell `after`.
        """

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
        self._shortcuts: dict[int, tuple[CodeType, Tally]] = {}

    def attach(self, observer: Observer) -> None:
        """Begin to tell an observer of passes."""
        with self._lock:
            if observer not in self._observers:
                self._observers = (*self._observers, observer)
            self.lengthen()
            if self._replacement is None:
                self._install()

    def detach(self, observer: Observer) -> None:
        """Stop telling an observer; with the last one, the engine's own entry is put back."""
        with self._lock:
            self._observers = tuple(o for o in self._observers if o is not observer)
            self.lengthen()
            if not self._observers:
                self._restore()

    def shorten(self, caller: Caller, tally: Tally) -> None:
        """Count a call's passes without telling the one observer, see Note [Shortcuts].

        Args:
            caller: who ran one of them.
            tally: where to count.
        """
        if len(self._observers) == 1 and caller.is_direct:
            if len(self._shortcuts) >= _SHORTCUTS:
                self._shortcuts.clear()
            code = caller.frame.f_code
            self._shortcuts[id(code) + caller.frame.f_lasti] = code, tally

    def lengthen(self) -> None:
        """Tell the observers of every pass again."""
        self._shortcuts.clear()

    def is_busy_elsewhere(self) -> bool:
        """Say whether another thread is in the engine, or about to enter it.

        The engine works without Python's lock, and frees what the nodes of its graph save: to look
        at those of a graph that another thread's pass may be visiting crashes. Shortcuts are
        forgotten, so that a pass which begins from now on waits until its observer is done.
        """
        self.lengthen()
        inside = getattr(self._original or getattr(torch.autograd.graph, _NAME), "__code__", None)
        entering = (getattr(self._replacement, "__code__", None), ChokePoint._observe.__code__)
        for innermost in other_threads():
            if innermost.f_code in entering:
                return True
            frame: FrameType | None = innermost
            while frame is not None:
                if frame.f_code is inside:
                    return True
                frame = frame.f_back
        return False

    def _install(self) -> None:
        """Put a replacement in place; it is one function for its speed, see Note [Shortcuts]."""
        original, shortcuts = getattr(torch.autograd.graph, _NAME), self._shortcuts
        get_frame, number = sys._getframe, torch.autograd._get_sequence_nr
        transforms = torch._C._are_functorch_transforms_active
        modes = torch._C._len_torch_dispatch_stack

        @untraced
        def _engine_run_backward(outputs: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
            frame: FrameType | None
            try:
                frame = get_frame(2)  # whoever called torch's `backward` or `grad`
            except ValueError:
                frame = None
            if frame is not None and frame.f_code is _TENSOR_BACKWARD:
                frame = frame.f_back
            if frame is not None:
                code = frame.f_code
                known = shortcuts.get(id(code) + frame.f_lasti)
                if known is not None and known[0] is code and not (transforms() or modes()):
                    tally, keeps = known[1], args[1]
                    # What is no plain flag may have a truth value that takes time, or raises.
                    rests = keeps is True and args[2] is False and tally.rest > 0
                    if (rests or keeps is False) and tally.passes + 1 < tally.look_at:
                        tally.passes += 1
                        if rests:
                            tally.skip(number())
                        try:
                            return original(outputs, *args, **kwargs)
                        except BaseException as error:
                            self._tell_failed(get_frame(1), outputs, args, kwargs, error)
                            raise
            # A tool that replaced us may put us back long after we were replaced by a later one.
            if self._replacement is not _engine_run_backward or _is_transformed():
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

    @untraced
    def _observe(
        self,
        original: Callable[..., Any],
        outputs: Sequence[Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        observers = self._observers
        # The frame that called the replacement: torch's own `backward` or `grad`.
        if not observers:
            return original(outputs, *args, **kwargs)
        call = observers[0].guard.run(_read_call, sys._getframe(2), outputs, args, kwargs)
        if call is None:
            # Nobody's pass, or one that torch runs within another (a reentrant checkpoint's).
            return original(outputs, *args, **kwargs)
        notes = _ask(observers, call)
        try:
            result = original(outputs, *args, **kwargs)
        except BaseException as error:
            for observer in observers:
                observer.guard.run(observer.failed, call, notes.pop(0), error)
            # This frame lives on in the error's traceback: it must not keep graphs alive.
            del call
            raise
        for observer, note in zip(observers, notes, strict=True):
            if note is not None:
                observer.guard.run(observer.after, call, note, result)
        return result

    @untraced_throughout
    def _tell_failed(
        self,
        engine: FrameType,
        outputs: Sequence[Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        error: BaseException,
    ) -> None:
        """Tell of a pass that raised, though it was taken to be of no interest."""
        for observer in self._observers:
            call = observer.guard.run(_read_call, engine, outputs, args, kwargs)
            if call is not None:
                observer.guard.run(observer.failed, call, None, error)


@cache
def choke_point() -> ChokePoint:
    """Return the process's one choke point."""
    return ChokePoint()


@untraced_throughout
def _ask(observers: Sequence[Observer], call: BackwardCall) -> list[Any]:
    """Tell the observers of a pass that is about to run; return their notes."""
    return [observer.guard.run(observer.before, call) for observer in observers]


@untraced_throughout
def _is_transformed() -> bool:
    """Whether a transform or a tracer runs the pass: on tensors that stand for others.

    Tracers run it under a dispatch mode of theirs; the rest of the question takes longer.
    """
    if torch._C._are_functorch_transforms_active():
        return True
    return bool(torch._C._len_torch_dispatch_stack()) and (
        torch.compiler.is_compiling()
        or ("torch._dynamo" in sys.modules and TracingContext.try_get() is not None)
        or torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.PROXY) is not None
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
