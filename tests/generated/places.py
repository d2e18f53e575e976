"""Where a program is: from running frames to calls in its source, and who wrote a flag."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FrameType

from .hooks import Loop, Points, add_hooks, loop_name

FOLDER = "<generated>/"
FLAG_NAMES = {"keep", "retain", "retain_graph", "options"}
FLAG_POSITION = {"backward": 1, "autograd.backward": 2, "grad": 3}
Function = ast.FunctionDef | ast.Lambda
Place = tuple[str, int, int]


@dataclass(frozen=True)
class Source:
    """The parsed files of a program: its calls by where they end, and the loops around each.

    Attributes:
        codes: what to execute, by file name.
        calls: the calls, by where they stand.
        files: the file of each call.
        loops: the loops, in the call's own function, around a call.
        points: the stores and reads that a run may watch or change.
    """

    codes: dict[str, CodeType]
    calls: dict[Place, ast.Call]
    files: dict[ast.Call, str]
    loops: dict[Place, tuple[str, ...]]
    points: Points

    def call_of(self, frame: FrameType) -> ast.Call | None:
        """Return the call that a frame is executing."""
        return self.calls.get(_place(frame))

    def loops_of(self, frame: FrameType) -> tuple[str, ...]:
        """Return the loops, in the frame's own function, around the call that it is executing."""
        return self.loops.get(_place(frame), ())

    def where(self, call: ast.Call) -> tuple[str, int]:
        """Return the file and the first row of a call."""
        return self.files[call], call.lineno


def parse(files: dict[str, str]) -> Source:
    """Parse the files of a program and compile them with hooks for loops, stores and reads."""
    source = Source({}, {}, {}, {}, Points())
    for name, text in files.items():
        _index(ast.parse(text), name, (), source)
        hooked = add_hooks(ast.parse(text), name, source.points)
        source.codes[name] = compile(hooked, FOLDER + name, "exec")
    return source


def _index(node: ast.AST, file: str, around: tuple[str, ...], source: Source) -> None:
    if isinstance(node, ast.Call):
        place = file, node.end_lineno or 0, node.end_col_offset or 0
        source.calls[place] = node
        source.files[node] = file
        source.loops[place] = around
    if isinstance(node, Function):
        around = ()
    if isinstance(node, Loop):
        around = (*around, loop_name(node, file))
    for child in ast.iter_child_nodes(node):
        _index(child, file, around, source)


def _place(frame: FrameType) -> Place:
    """Return where the expression ends that a frame executes; Python 3.11 is the first to know."""
    positions = list(getattr(frame.f_code, "co_positions")())  # noqa: B009 (3.10 has no such thing)
    _, end_row, _, end_column = positions[frame.f_lasti // 2]
    return frame.f_code.co_filename.removeprefix(FOLDER), end_row or 0, end_column or 0


def program_frames(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield the frames of the program's own code, innermost first."""
    while frame is not None:
        if frame.f_code.co_filename.startswith(FOLDER):
            yield frame
        frame = frame.f_back


@dataclass(frozen=True)
class Flag:
    """How a call passes `retain_graph`.

    Attributes:
        origin: the call of the program's own that hands the flag over, None if the pass itself
            says it.
        literal: the flag is written out where it comes from.
    """

    origin: ast.Call | None
    literal: bool


def find_flag(source: Source, kind: str, frame: FrameType) -> Flag:
    """Trace the flag of the pass that a frame executes back to the call that wrote it."""
    call = source.call_of(frame)
    value = _argument(call, "retain_graph", FLAG_POSITION[kind]) if call else None
    origin: ast.Call | None = None
    at: FrameType | None = frame
    while at is not None and (name := _parameter(value, at.f_code)):
        caller = next(program_frames(at.f_back), None)
        handed = source.call_of(caller) if caller else None
        value = _handed_over(handed, name, at.f_code) if handed else None
        if value is not None:
            origin = handed
        at = caller
    return Flag(origin, isinstance(value, ast.Constant))


def _argument(call: ast.Call, name: str, position: int) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == name or keyword.arg is None:
            return keyword.value
    return call.args[position] if 0 <= position < len(call.args) else None


def _parameter(value: ast.expr | None, code: CodeType) -> str | None:
    """Return the name of the parameter that a value passes on, as it is or on a detour."""
    if isinstance(value, ast.Constant):
        return None
    names = [*code.co_varnames[: code.co_argcount + code.co_kwonlyargcount], _rest(code)]
    if isinstance(value, ast.Name) and value.id in names:
        return value.id
    return next((name for name in names if name in FLAG_NAMES), None)


def _rest(code: CodeType) -> str | None:
    """Return the name of the parameter that takes the remaining keywords."""
    if not code.co_flags & inspect.CO_VARKEYWORDS:
        return None
    count = code.co_argcount + code.co_kwonlyargcount
    return code.co_varnames[count + bool(code.co_flags & inspect.CO_VARARGS)]


def _handed_over(call: ast.Call, name: str, code: CodeType) -> ast.expr | None:
    if name == _rest(code):
        return _argument(call, "retain_graph", -1)
    names = list(code.co_varnames[: code.co_argcount])
    bound = bool(names) and names[0] == "self"
    return _argument(call, name, names.index(name) - bound if name in names else -1)
