"""Where in the user's code a pass is run: from the frames on the stack to a call's span."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import torch

from graphlint.trace import Form

_OURS = (
    str(Path(__file__).parent) + os.sep,
    str(Path(__file__).parent.parent / "cli") + os.sep,
    str(Path(__file__).parent.parent / "integrations") + os.sep,
)
_RUNNER = str(Path(__file__).with_name("program.py"))
_ENGINE = str(Path(__file__).with_name("engine.py"))
_TORCH = str(Path(torch.__file__).parent) + os.sep
_STDLIB = sysconfig.get_paths()["stdlib"] + os.sep
_LIBRARIES = tuple(
    {path + os.sep for path in (*site.getsitepackages(), site.getusersitepackages())}
)
# Files of torch whose frames stand between its own functions, not between these and the user.
_TRANSPARENT = ("autograd/__init__.py", "_vmap_internals.py", "overrides.py")
_CONTEXT = 8
_GENERATED = ("<frozen ", "<eval_with_key>", "<__array_function__")


@dataclass(frozen=True, slots=True)
class RawSpan:
    """Where Python says that a call stands.

    Rows count from 1 and columns from 0, in bytes of UTF-8, as in `ast`; a column of None is not
    known. For a method call over several rows Python starts the span at the method's name.
    """

    row: int
    column: int | None
    end_row: int
    end_column: int | None


class Caller(NamedTuple):
    """Who ran a pass. It holds frames: keep it for no longer than the pass runs.

    Attributes:
        frame: the user's frame; a library's where no user's is in sight, or else Python's own.
        engine: the frame that called the engine.
        inner: the frame that `frame` called: the engine's caller, or one between the two.
    """

    frame: FrameType
    engine: FrameType
    inner: FrameType

    @property
    def is_direct(self) -> bool:
        """Whether the user's code called a function of torch, and that the engine."""
        near = self.inner is self.engine or self.inner is self.engine.f_back
        return near and classify(self.frame.f_code.co_filename) is Whose.USER

    @property
    def is_known(self) -> bool:
        """Whether there is a call to name: a thread may have been handed `loss.backward` itself."""
        return classify(self.frame.f_code.co_filename) is not Whose.NOBODY

    @property
    def form(self) -> Form:
        """Which function of torch was called."""
        form: Form | None = None
        frame: FrameType | None = self.engine
        while frame is not None and frame is not self.frame:
            code = frame.f_code
            inside = classify(code.co_filename) is Whose.TORCH
            form = _outer_form(code.co_filename, code.co_name, form) if inside else Form.WRAPPER
            frame = frame.f_back
        return form or Form.WRAPPER

    @property
    def span(self) -> RawSpan:
        """The span of the call, as far as this version of Python knows it."""
        row = self.frame.f_lineno
        # Python 3.10 has no `co_positions`: the row is all that is known there.
        if sys.version_info >= (3, 11):
            positions = self.frame.f_code.co_positions()
            place = next(islice(positions, self.frame.f_lasti // 2, None), None)
            if place is not None and place[0] is not None:
                return RawSpan(place[0], place[2], place[1] or place[0], place[3])
        return RawSpan(row, None, row, None)

    @property
    def context(self) -> int:
        """A number for the places that the innermost frames are at: a loop repeats the same."""
        frame: FrameType | None = self.frame
        places: list[tuple[int, int]] = []
        while frame is not None and len(places) < _CONTEXT:
            places.append((id(frame.f_code), frame.f_lasti))
            frame = frame.f_back
        return hash(tuple(places))


def find_caller(engine: FrameType) -> Caller | None:
    """Find who ran a pass: the first frame in the user's code.

    Frames of torch, of installed packages, of the standard library and of graphlint are passed
    over, so that a training framework's own call of `backward` is not blamed. Where there are no
    others, an installed package's frame counts, or else one of Python's own: nobody is to be named
    then, but the pass visits graphs all the same. Nobody runs a pass that torch or a library runs
    within another pass: that one's caller has been named already.

    Args:
        engine: the frame that called the engine.
    """
    fallback: Caller | None = None
    last: Caller | None = None
    inner: FrameType = engine
    frame: FrameType | None = engine
    while frame is not None:
        where = classify(frame.f_code.co_filename)
        if where is Whose.USER:
            return Caller(frame, engine, inner)
        if where is Whose.ENGINE:
            return None
        if where is Whose.RUNNER:
            break  # what called `run_program` is no part of the program: a console script, say
        if where is Whose.LIBRARY and fallback is None:
            fallback = Caller(frame, engine, inner)
        if where is Whose.NOBODY and last is None and _is_of_python(frame):
            last = Caller(frame, engine, inner)
        inner, frame = frame, frame.f_back
    return fallback or last


def _is_of_python(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_STDLIB)


class Whose(Enum):
    """Whose code a file is."""

    USER = "user"
    LIBRARY = "library"
    TORCH = "torch"
    RUNNER = "runner"
    ENGINE = "engine"
    NOBODY = "nobody"


@lru_cache(maxsize=4096)
def classify(filename: str) -> Whose:
    """Say whose code a file is; nobody's is what a user does not know of."""
    if filename.startswith(_TORCH):
        return Whose.TORCH
    if filename == _RUNNER:
        return Whose.RUNNER
    if filename == _ENGINE:
        return Whose.ENGINE
    if filename.startswith((*_OURS, *_GENERATED)):
        return Whose.NOBODY
    if filename.startswith(_LIBRARIES):
        return Whose.LIBRARY
    return Whose.NOBODY if filename.startswith(_STDLIB) else Whose.USER


@lru_cache(maxsize=4096)
def _outer_form(filename: str, function: str, form: Form | None) -> Form | None:
    """Tell the form of a call from one more of torch's functions, from the engine outwards."""
    file = filename.removeprefix(_TORCH).replace(os.sep, "/")
    if file == "autograd/__init__.py" and function == "grad":
        return Form.AUTOGRAD_GRAD
    if file == "autograd/__init__.py" and function == "backward" and form is None:
        return Form.AUTOGRAD_BACKWARD
    if file == "_tensor.py" and function == "backward" and form is Form.AUTOGRAD_BACKWARD:
        return Form.TENSOR_BACKWARD
    return form if file in _TRANSPARENT else Form.WRAPPER
