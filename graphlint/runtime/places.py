"""Where in the user's code a pass is run: from the frames on the stack to a call's span."""

from __future__ import annotations

import linecache
import os
import site
import sys
import sysconfig
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType

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


@dataclass(frozen=True, slots=True)
class Caller:
    """The frame that ran a pass, without the frame.

    Attributes:
        code: the code of the function.
        instruction: the offset of the call's instruction.
        row: the row that the frame was at.
        form: which function of torch was called.
        frame_id: the identity of the frame, good while the frame is on the stack.
        context: tells this chain of callers from others: a loop repeats the same.
    """

    code: CodeType
    instruction: int
    row: int
    form: Form
    frame_id: int
    context: int

    @property
    def span(self) -> RawSpan:
        """The span of the call, as far as this version of Python knows it."""
        # Python 3.10 has no `co_positions`: the row is all that is known there.
        if sys.version_info >= (3, 11):
            position = next(islice(self.code.co_positions(), self.instruction // 2, None), None)
            if position is not None and position[0] is not None:
                row, end_row, column, end_column = position
                return RawSpan(row, column, end_row or row, end_column)
        return RawSpan(self.row, None, self.row, None)


def find_caller(frame: FrameType | None) -> Caller | None:
    """Find who ran a pass: the first frame in the user's code.

    Frames of torch, of installed packages, of the standard library and of graphlint are passed
    over, so that a training framework's own call of `backward` is not blamed. Where there are no
    others, an installed package's frame counts; where there are none of these either, nobody does.

    Args:
        frame: the frame that called the engine.
    """
    form = None
    fallback: tuple[FrameType, Form] | None = None
    while frame is not None:
        filename = frame.f_code.co_filename
        if filename == _RUNNER:
            break  # what called `run_program` is no part of the program: a console script, say
        where = classify(filename)
        if where == "torch":
            form = _form_of(frame, form)
        else:
            if where == "user":
                return _caller(frame, form or Form.WRAPPER)
            if where == "library" and fallback is None:
                fallback = frame, form or Form.WRAPPER
            form = Form.WRAPPER
        frame = frame.f_back
    return _caller(*fallback) if fallback else None


def _caller(frame: FrameType, form: Form) -> Caller:
    context = _context(frame)
    return Caller(frame.f_code, frame.f_lasti, frame.f_lineno, form, id(frame), context)


def _context(frame: FrameType | None) -> int:
    """Return a number for the places that the innermost frames are at."""
    places: list[tuple[int, int]] = []
    while frame is not None and len(places) < _CONTEXT:
        places.append((id(frame.f_code), frame.f_lasti))
        frame = frame.f_back
    return hash(tuple(places))


@lru_cache(maxsize=4096)
def classify(filename: str) -> str:
    """Say whose code a file is: `user`, `library`, `torch` or `none` (nobody that a user knows)."""
    if filename.startswith(_TORCH):
        return "torch"
    if filename.startswith((*_OURS, *_GENERATED)):
        return "none"
    if filename.startswith(_LIBRARIES):
        return "library"
    return "none" if filename.startswith(_STDLIB) else "user"


def _form_of(frame: FrameType, form: Form | None) -> Form | None:
    """Tell the form of the call from one more of torch's frames, from the engine outwards."""
    name = frame.f_code.co_name
    file = frame.f_code.co_filename.removeprefix(_TORCH).replace(os.sep, "/")
    if file == "autograd/__init__.py" and name == "grad":
        return Form.AUTOGRAD_GRAD
    if file == "autograd/__init__.py" and name == "backward" and form is None:
        return Form.AUTOGRAD_BACKWARD
    if file == "_tensor.py" and name == "backward" and form is Form.AUTOGRAD_BACKWARD:
        return Form.TENSOR_BACKWARD
    return form if file in _TRANSPARENT else Form.WRAPPER


def column_of(filename: str, row: int, byte_column: int) -> int:
    """Turn a column in bytes, from 0, into one in characters, from 1."""
    line = linecache.getline(filename, row)
    return len(line.encode()[:byte_column].decode(errors="replace")) + 1
