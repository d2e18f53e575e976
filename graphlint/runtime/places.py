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
    """Who ran a pass. It holds a frame: keep it for no longer than the pass runs.

    Attributes:
        frame: the frame that called torch.
        form: which function of torch was called.
    """

    frame: FrameType
    form: Form

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


def find_caller(frame: FrameType | None) -> Caller | None:
    """Find who ran a pass: the first frame in the user's code.

    Frames of torch, of installed packages, of the standard library and of graphlint are passed
    over, so that a training framework's own call of `backward` is not blamed. Where there are no
    others, an installed package's frame counts; where there are none of these either, nobody does.

    Args:
        frame: the frame that called the engine.
    """
    form = None
    fallback: Caller | None = None
    while frame is not None:
        code = frame.f_code
        where = classify(code.co_filename)
        if where is Whose.TORCH:
            form = _outer_form(code.co_filename, code.co_name, form)
        elif where is Whose.USER:
            return Caller(frame, form or Form.WRAPPER)
        elif where is Whose.RUNNER:
            break  # what called `run_program` is no part of the program: a console script, say
        else:
            if where is Whose.LIBRARY and fallback is None:
                fallback = Caller(frame, form or Form.WRAPPER)
            form = Form.WRAPPER
        frame = frame.f_back
    return fallback


class Whose(Enum):
    """Whose code a file is."""

    USER = "user"
    LIBRARY = "library"
    TORCH = "torch"
    RUNNER = "runner"
    NOBODY = "nobody"


@lru_cache(maxsize=4096)
def classify(filename: str) -> Whose:
    """Say whose code a file is; nobody's is what a user does not know of."""
    if filename.startswith(_TORCH):
        return Whose.TORCH
    if filename == _RUNNER:
        return Whose.RUNNER
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
