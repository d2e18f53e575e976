"""Run a generated program in this process, with its backward passes watched and overridden."""

from __future__ import annotations

import ast
import builtins
import contextlib
import inspect
import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any
from unittest import mock

import torch

from .nodes import FREED, Node, is_stale, saves, visited
from .places import FILENAME, ITERATION_HOOK, LOOP_HOOK, Source, find_flag, program_frames
from .program import Setting
from .surroundings import environment, opener

MOST_PASSES = 300
MOST_ITERATIONS = 3000
ORIGINALS: dict[str, Callable[..., Any]] = {
    "backward": torch.Tensor.backward,
    "autograd.backward": torch.autograd.backward,
    "grad": torch.autograd.grad,
}
SIGNATURES = {kind: inspect.signature(function) for kind, function in ORIGINALS.items()}


class RunawayError(BaseException):
    """A program runs more passes or iterations than a generated program may."""


@dataclass(frozen=True)
class Control:
    """How a run differs from the program as it is written.

    Attributes:
        retain_all: every pass retains its graph.
        off: executions (counted from 0 over the whole run) that don't retain, whatever they say;
            passes that create a graph are left alone.
        survey: look at the nodes of each pass.
        tolerant: a pass that torch refuses is taken for done.
        mutable: changing a saved tensor in place is allowed.
    """

    retain_all: bool = False
    off: frozenset[int] = frozenset()
    survey: bool = False
    tolerant: bool = False
    mutable: bool = False


@dataclass(frozen=True)
class Visit:
    """The nodes that save tensors which a pass is about to visit, as numbers.

    Attributes:
        nodes: all of them.
        stale: those with a saved tensor that has changed.
        carried: those built in an earlier iteration of a loop around the pass.
    """

    nodes: frozenset[int] = frozenset()
    stale: frozenset[int] = frozenset()
    carried: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Execution:
    """One execution of a pass: where, with which flags, and how it ended.

    Attributes:
        call: the call in the source.
        kind: which function was called.
        origin: the call of the program's own that handed the flag over.
        literal: the flag is a literal where it comes from.
        path: the places, by bytecode offset, of the calls that led here.
        explicit: `retain_graph` is passed.
        asked: it is passed and true.
        creates: `create_graph` is on, and keeps the graph: `retain_graph=False` overrules it.
        visit: what it is about to visit, in a survey.
        error: "freed" or "modified", "other" for another reason, or empty.
    """

    call: ast.Call
    kind: str
    origin: ast.Call | None
    literal: bool
    path: tuple[int, ...]
    explicit: bool
    asked: bool
    creates: bool
    visit: Visit = Visit()
    error: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a run did: its passes in order, what it printed, how it ended."""

    executions: tuple[Execution, ...]
    output: str
    error: str


@dataclass
class Watch:
    """The state of one run."""

    source: Source
    control: Control
    executions: list[Execution] = field(default_factory=list)
    held: list[Node] = field(default_factory=list)
    numbers: dict[int, int] = field(default_factory=dict)
    starts: dict[int, int] = field(default_factory=dict)
    iterations: dict[int, int] = field(default_factory=dict)
    iterated: int = 0

    def loop(self, loop: int) -> None:
        """Note that a loop is about to start."""
        self.starts.pop(loop, None)

    def iteration(self, loop: int) -> None:
        """Note that a loop begins an iteration."""
        self.iterations[loop] = _now()
        self.starts.setdefault(loop, self.iterations[loop])
        self.iterated += 1
        if self.iterated > MOST_ITERATIONS:
            raise RunawayError

    def passes(self, kind: str, frame: FrameType, arguments: dict[str, Any]) -> Any:
        """Run a pass as the control says, and record it."""
        number = len(self.executions)
        if number >= MOST_PASSES:
            raise RunawayError
        execution = self._describe(kind, frame, arguments)
        self.executions.append(execution)
        if not execution.creates:
            kept = self.control.retain_all or execution.asked
            arguments["retain_graph"] = kept and number not in self.control.off
        try:
            return ORIGINALS[kind](**arguments)
        except RuntimeError as error:
            reason = _reason(error)
            self.executions[number] = _with_error(execution, reason)
            if self.control.tolerant and reason != "other":
                return _zeros(arguments)
            raise

    def _describe(self, kind: str, frame: FrameType, arguments: dict[str, Any]) -> Execution:
        call = self.source.call_of(frame)
        if call is None:
            raise RunawayError(f"no call at line {frame.f_lineno}")
        flag = find_flag(self.source, kind, frame)
        retain = arguments.get("retain_graph")
        return Execution(
            call=call,
            kind=kind,
            origin=flag.origin,
            literal=flag.literal,
            path=tuple(at.f_lasti for at in program_frames(frame)),
            explicit="retain_graph" in arguments,
            asked=bool(retain),
            creates=bool(arguments.get("create_graph")) and (retain is None or bool(retain)),
            visit=self._survey(frame, arguments) if self.control.survey else Visit(),
        )

    def _survey(self, frame: FrameType, arguments: dict[str, Any]) -> Visit:
        nodes, stale, carried = set(), set(), set()
        windows = self._windows(frame)
        for node in visited(_roots(arguments), _inputs(arguments)):
            kept, changed = saves(node)
            if not kept:
                continue
            if id(node) not in self.numbers:
                self.numbers[id(node)] = len(self.held)
                self.held.append(node)
            number = self.numbers[id(node)]
            nodes.add(number)
            if changed:
                stale.add(number)
            if any(start <= node._sequence_nr() < end for start, end in windows):
                carried.add(number)
        return Visit(frozenset(nodes), frozenset(stale), frozenset(carried))

    def _windows(self, frame: FrameType) -> list[tuple[int, int]]:
        """Return, for each loop around a frame, when its earlier iterations ran."""
        loops = [loop for at in program_frames(frame) for loop in self.source.loops_of(at)]
        return [(self.starts[loop], self.iterations[loop]) for loop in loops if loop in self.starts]


def run(source: Source, setting: Setting, control: Control) -> Outcome:
    """Run a program once, from a fresh state, and say what it did."""
    watch = Watch(source, control)
    printed = io.StringIO()
    error = ""
    with environment(setting, printed), _patched(watch), _in_place(control):
        namespace = _namespace(setting, watch)
        try:
            exec(source.code, namespace)
        except SystemExit as stop:
            error = f"SystemExit: {stop.code}"
        except Exception as failure:  # noqa: BLE001 (a program may raise anything)
            error = f"{type(failure).__name__}: {failure}"
    return Outcome(tuple(watch.executions), printed.getvalue(), error)


def _now() -> int:
    number: int = torch.autograd._get_sequence_nr()
    return number


def _reason(error: RuntimeError) -> str:
    if FREED in str(error):
        return "freed"
    return "modified" if is_stale(error) else "other"


def _with_error(execution: Execution, error: str) -> Execution:
    return Execution(**{**vars(execution), "error": error})


def _listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, torch.Tensor) else list(value)


def _roots(arguments: dict[str, Any]) -> list[Any]:
    for name in ("self", "tensors", "outputs"):
        if name in arguments:
            return _listed(arguments[name])
    return []


def _inputs(arguments: dict[str, Any]) -> list[Any] | None:
    inputs = arguments.get("inputs")
    return None if inputs is None else _listed(inputs)


def _zeros(arguments: dict[str, Any]) -> Any:
    inputs = _inputs(arguments)
    if inputs is None or "outputs" not in arguments:
        return None
    return tuple(torch.zeros_like(tensor) for tensor in inputs)


def _shim(watch: Watch, kind: str) -> Callable[..., Any]:
    original, signature = ORIGINALS[kind], SIGNATURES[kind]

    def shim(*args: Any, **kwargs: Any) -> Any:
        frame = sys._getframe(1)
        if frame.f_code.co_filename != FILENAME:
            return original(*args, **kwargs)
        return watch.passes(kind, frame, dict(signature.bind(*args, **kwargs).arguments))

    return shim


@contextlib.contextmanager
def _patched(watch: Watch) -> Iterator[None]:
    with (
        mock.patch.object(torch.Tensor, "backward", _shim(watch, "backward")),
        mock.patch.object(torch.autograd, "backward", _shim(watch, "autograd.backward")),
        mock.patch.object(torch.autograd, "grad", _shim(watch, "grad")),
    ):
        yield


def _in_place(control: Control) -> contextlib.AbstractContextManager[Any]:
    allowed: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()
    if control.mutable:
        allowed = torch.autograd.graph.allow_mutation_on_saved_tensors()
    return allowed


def _namespace(setting: Setting, watch: Watch) -> dict[str, Any]:
    return {
        "__name__": "__main__",
        "__builtins__": {**vars(builtins), "open": opener(setting)},
        LOOP_HOOK: watch.loop,
        ITERATION_HOOK: watch.iteration,
    }
