"""Run a generated program in this process, with its backward passes watched and overridden."""

from __future__ import annotations

import builtins
import contextlib
import inspect
import io
import sys
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any
from unittest import mock

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from .counting import counted
from .hooks import ITERATION_HOOK, LOOP_HOOK, READ_HOOK, STORE_HOOK
from .importing import importable
from .outcome import Control, Outcome
from .places import FOLDER, Source
from .program import MAIN, Setting
from .surroundings import environment, opener
from .watching import ORIGINALS, Watch

SIGNATURES = {kind: inspect.signature(function) for kind, function in ORIGINALS.items()}


def run(source: Source, setting: Setting, control: Control, main: str = MAIN) -> Outcome:
    """Run a program once, from a fresh state, and say what it did."""
    watch = Watch(source, control)
    counting = counted(watch.population) if control.count else contextlib.nullcontext()
    with _patched(watch), _in_place(control), counting, _stepping(watch):
        printed, error = execute(source.codes, setting, main, _hooks(watch))
    return Outcome(
        tuple(watch.executions),
        printed,
        error,
        tuple(watch.lives),
        frozenset(watch.stored),
        frozenset(watch.missed),
        frozenset(watch.retained),
        tuple(watch.steps),
    )


def execute(
    codes: dict[str, CodeType],
    setting: Setting,
    main: str = MAIN,
    hooks: dict[str, Any] | None = None,
) -> tuple[str, str]:
    """Run compiled files as a program of their own.

    Args:
        codes: what to execute, by file name.
        setting: what the program finds around it.
        main: the file that runs.
        hooks: functions that the files call without defining them.

    Returns:
        what the program printed, and how it ended if not well.
    """
    printed = io.StringIO()
    error = ""
    known = {**vars(builtins), "open": opener(setting), **(hooks or {})}
    with environment(setting, printed), importable(codes, main, known):
        names = {"__name__": "__main__", "__file__": FOLDER + main, "__builtins__": known}
        try:
            exec(codes[main], names)
        except SystemExit as stop:
            error = f"SystemExit: {stop.code}" if stop.code else ""
        except Exception as failure:  # noqa: BLE001 (a program may raise anything)
            error = f"{type(failure).__name__}: {failure}"
    return printed.getvalue(), error


def _shim(watch: Watch, kind: str) -> Callable[..., Any]:
    original, signature = ORIGINALS[kind], SIGNATURES[kind]

    def shim(*args: Any, **kwargs: Any) -> Any:
        frame = sys._getframe(1)
        if not frame.f_code.co_filename.startswith(FOLDER):
            return original(*args, **kwargs)
        return watch.passes(kind, frame, dict(signature.bind(*args, **kwargs).arguments))

    return shim


def _retain_grad(watch: Watch) -> Callable[[Any], None]:
    def shim(tensor: Any) -> None:
        watch.retain_grad(sys._getframe(1), tensor)

    return shim


@contextlib.contextmanager
def _patched(watch: Watch) -> Iterator[None]:
    with (
        mock.patch.object(torch.Tensor, "backward", _shim(watch, "backward")),
        mock.patch.object(torch.autograd, "backward", _shim(watch, "autograd.backward")),
        mock.patch.object(torch.autograd, "grad", _shim(watch, "grad")),
        mock.patch.object(torch.Tensor, "retain_grad", _retain_grad(watch)),
    ):
        yield


@contextlib.contextmanager
def _stepping(watch: Watch) -> Iterator[None]:
    """Take note of each step of an optimizer."""
    handle = register_optimizer_step_post_hook(watch.step)
    try:
        yield
    finally:
        handle.remove()


def _in_place(control: Control) -> contextlib.AbstractContextManager[Any]:
    allowed: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()
    if control.mutable:
        allowed = torch.autograd.graph.allow_mutation_on_saved_tensors()
    return allowed


def _hooks(watch: Watch) -> dict[str, Any]:
    return {
        LOOP_HOOK: watch.loop,
        ITERATION_HOOK: watch.iteration,
        STORE_HOOK: watch.store,
        READ_HOOK: watch.read,
    }
