"""The variables of running and suspended functions, read without leaving a trace of it.

# Note [Snapshots of local variables]
Before Python 3.13, `frame.f_locals` of a function copies the variables into a dictionary that the
frame keeps, and that goes out of date: what was read once lives until the function returns,
whatever happens to the variable. So the copy is emptied once it was read. It is the user's too
where the function itself called `locals()`: a reference count tells, and it is left alone. What
stands in a module's or a class body's frame is its namespace itself, never a copy.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any, NamedTuple

from graphlint.runtime.places import Whose, classify

_OF_MODULE = "<module>"


class Place(NamedTuple):
    """Whose a variable is.

    Attributes:
        filename: the file.
        function: the function's qualified name, empty for a module.
        row: the function's first row.
    """

    filename: str
    function: str
    row: int


NOWHERE = Place("", "", 0)


def place_of(frame: FrameType) -> Place:
    """Return the function that a frame runs."""
    code = frame.f_code
    name = getattr(code, "co_qualname", code.co_name)
    return Place(code.co_filename, "" if name == _OF_MODULE else name, code.co_firstlineno)


def is_function(frame: FrameType) -> bool:
    """Whether a frame has variables of its own, not those of a module or class."""
    return bool(frame.f_code.co_flags & inspect.CO_OPTIMIZED)


def variables(frame: FrameType) -> dict[str, Any]:
    """Return a copy of a frame's variables: see Note [Snapshots of local variables]."""
    known = frame.f_locals
    copy = dict(known)
    if type(known) is dict and is_function(frame) and sys.getrefcount(known) <= _own_references():
        known.clear()
    return copy


def _own_references() -> int:
    """Return how many references a frame's copy has that nobody but its reader knows of."""
    known = sys._getframe().f_locals
    count = sys.getrefcount(known)
    if type(known) is dict:
        known.clear()
    return count


def user_frames(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield the frames of the user's code from a frame outwards, up to who started the run."""
    while frame is not None:
        whose = classify(frame.f_code.co_filename)
        if whose is Whose.RUNNER:
            return
        if whose is Whose.USER:
            yield frame
        frame = frame.f_back


def other_threads() -> Iterator[FrameType]:
    """Yield the innermost frames of all threads but this one."""
    mine = sys._getframe()
    here = {id(mine)}
    outer = mine.f_back
    while outer is not None:
        here.add(id(outer))
        outer = outer.f_back
    for frame in sys._current_frames().values():
        if id(frame) not in here:
            yield frame
