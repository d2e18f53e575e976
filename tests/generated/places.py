"""Where a program is: from running frames to calls in its source, and who wrote a flag."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FrameType

FILENAME = "<generated>"
LOOP_HOOK = "__loop__"
ITERATION_HOOK = "__iteration__"
FLAG_NAMES = {"keep", "retain", "retain_graph", "options"}
FLAG_POSITION = {"backward": 1, "autograd.backward": 2, "grad": 3}
Loop = ast.For | ast.While
Function = ast.FunctionDef | ast.Lambda


@dataclass(frozen=True)
class Source:
    """A parsed program: its calls by where they end, and the loops around each."""

    code: CodeType
    calls: dict[tuple[int, int], ast.Call]
    loops: dict[tuple[int, int], tuple[int, ...]]

    def call_of(self, frame: FrameType) -> ast.Call | None:
        """Return the call that a frame is executing."""
        return self.calls.get(_end(frame))

    def loops_of(self, frame: FrameType) -> tuple[int, ...]:
        """Return the loops, in the frame's own function, around the call that it is executing."""
        return self.loops.get(_end(frame), ())


def parse(text: str) -> Source:
    """Parse a program and compile it with hooks that tell when loops start and iterate."""
    tree = ast.parse(text)
    calls: dict[tuple[int, int], ast.Call] = {}
    loops: dict[tuple[int, int], tuple[int, ...]] = {}
    _index(tree, (), calls, loops)
    hooked = ast.fix_missing_locations(_Hooks().visit(tree))
    return Source(compile(hooked, FILENAME, "exec"), calls, loops)


def _index(
    node: ast.AST,
    around: tuple[int, ...],
    calls: dict[tuple[int, int], ast.Call],
    loops: dict[tuple[int, int], tuple[int, ...]],
) -> None:
    if isinstance(node, ast.Call):
        end = (node.end_lineno or 0, node.end_col_offset or 0)
        calls[end] = node
        loops[end] = around
    if isinstance(node, Function):
        around = ()
    if isinstance(node, Loop):
        around = (*around, node.lineno)
    for child in ast.iter_child_nodes(node):
        _index(child, around, calls, loops)


class _Hooks(ast.NodeTransformer):
    """Put a call of a hook before each loop and at the start of each iteration."""

    def visit_For(self, node: ast.For) -> list[ast.stmt]:
        return self._hook(node)

    def visit_While(self, node: ast.While) -> list[ast.stmt]:
        return self._hook(node)

    def _hook(self, node: Loop) -> list[ast.stmt]:
        self.generic_visit(node)
        node.body.insert(0, _call(ITERATION_HOOK, node))
        return [_call(LOOP_HOOK, node), node]


def _call(hook: str, loop: Loop) -> ast.stmt:
    name = ast.Name(hook, ast.Load())
    statement = ast.Expr(ast.Call(name, [ast.Constant(loop.lineno)], []))
    return ast.copy_location(statement, loop)


def _end(frame: FrameType) -> tuple[int, int]:
    """Return where the expression ends that a frame executes; Python 3.11 is the first to know."""
    positions = list(getattr(frame.f_code, "co_positions")())  # noqa: B009 (3.10 has no such thing)
    _, end_row, _, end_column = positions[frame.f_lasti // 2]
    return end_row or 0, end_column or 0


def program_frames(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield the frames of the program's own code, innermost first."""
    while frame is not None:
        if frame.f_code.co_filename == FILENAME:
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
