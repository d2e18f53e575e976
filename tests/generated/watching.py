"""Watch a run: its passes, stores, loops and reads of gradients, changed as the control says."""

from __future__ import annotations

import ast
import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from queue import Queue
from types import FrameType
from typing import Any

import torch

from .counting import Population
from .nodes import FREED, Node, is_stale, saves, visited
from .outcome import Control, Execution, Visit
from .places import Source, find_flag, program_frames

MOST_PASSES = 300
MOST_ITERATIONS = 3000
HOLDERS = (list, dict, set, deque, Queue, torch.Tensor)
FLAGS = {"retain_graph", "create_graph", "inputs"}
ORIGINALS: dict[str, Callable[..., Any]] = {
    "backward": torch.Tensor.backward,
    "autograd.backward": torch.autograd.backward,
    "grad": torch.autograd.grad,
}
RETAIN_GRAD = torch.Tensor.retain_grad


class RunawayError(BaseException):
    """A program runs more passes or iterations than a generated program may."""


@dataclass
class Watch:
    """The state of one run."""

    source: Source
    control: Control
    executions: list[Execution] = field(default_factory=list)
    held: list[Node] = field(default_factory=list)
    numbers: dict[int, int] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)
    iterations: dict[str, int] = field(default_factory=dict)
    iterated: int = 0
    population: Population = field(default_factory=Population)
    instances: dict[str, int] = field(default_factory=dict)
    lives: list[tuple[str, int, int]] = field(default_factory=list)
    stored: set[int] = field(default_factory=set)
    missed: set[int] = field(default_factory=set)
    retained: set[ast.Call] = field(default_factory=set)
    passed: dict[int, Node] = field(default_factory=dict)
    steps: list[float] = field(default_factory=list)
    waiting: dict[int, list[dict[str, Any]]] = field(default_factory=dict)

    def loop(self, loop: str) -> None:
        """Note that a loop is about to start."""
        self.starts.pop(loop, None)
        self.instances[loop] = self.instances.get(loop, 0) + 1

    def iteration(self, loop: str) -> None:
        """Note that a loop begins an iteration."""
        self.iterations[loop] = _now()
        if self.control.count:
            self.lives.append((loop, self.instances[loop], self.population.settled()))
        self.starts.setdefault(loop, self.iterations[loop])
        self.iterated += 1
        if self.iterated > MOST_ITERATIONS:
            raise RunawayError

    def store(self, number: int, value: Any, owner: Any = None) -> Any:
        """Note that a value is stored, and take its graph away if the control says so."""
        if owner is not None and not isinstance(owner, HOLDERS):
            return value
        if _has_graph(value):
            self.stored.add(number)
            if number in self.control.cut:
                return _without_graph(value)
        return value

    def read(self, number: int, owner: Any) -> Any:
        """Read a gradient, and note if a pass through the tensor has left none."""
        value = owner.grad
        if value is None and isinstance(owner, torch.Tensor) and id(owner.grad_fn) in self.passed:
            self.missed.add(number)
        return value

    def retain_grad(self, frame: FrameType, tensor: Any) -> None:
        """Let a tensor keep its gradient, unless the control says not to."""
        call = self.source.call_of(frame)
        if call is not None:
            self.retained.add(call)
        if call is None or call is not self.control.forget:
            RETAIN_GRAD(tensor)

    def passes(self, kind: str, frame: FrameType, arguments: dict[str, Any]) -> Any:
        """Run a pass as the control says, and record it."""
        number = len(self.executions)
        if number >= MOST_PASSES:
            raise RunawayError
        for name, value in arguments.items():
            if isinstance(value, Iterator):
                arguments[name] = list(value)
        execution = self._describe(kind, frame, arguments)
        self.executions.append(execution)
        if not execution.creates:
            kept = self.control.retain_all or execution.asked
            arguments["retain_graph"] = kept and number not in self.control.off
        if self.control.create and execution.call is self.control.create[0]:
            arguments["create_graph"] = self.control.create[1]
            if self.control.create[1] or arguments.get("retain_graph") is None:
                arguments["retain_graph"] = True
        if number in dict(self.control.joined):
            self.waiting.setdefault(dict(self.control.joined)[number], []).append(arguments)
            return None
        if number in self.waiting:
            kind, arguments = "autograd.backward", _joined([*self.waiting.pop(number), arguments])
        try:
            with self._blocked(number):
                return ORIGINALS[kind](**arguments)
        except RuntimeError as error:
            reason = _reason(error)
            self.executions[number] = _with_error(execution, reason)
            if self.control.tolerant and reason != "other":
                return _zeros(arguments)
            raise

    def step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """Note what numbers an optimizer's parameters and their gradients make after its step."""
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        gradients = [p.grad for p in parameters if p.grad is not None]
        self.steps += [sum(map(_fingerprint, each)) for each in (parameters, gradients)]

    @contextlib.contextmanager
    def _blocked(self, number: int) -> Iterator[None]:
        """Let no gradient of an execution through the nodes that the control names."""
        nodes = [self.held[each] for each in dict(self.control.blocked).get(number, ())]
        handles = [node.register_prehook(_nothing) for node in nodes]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

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
            self.passed[id(node)] = node
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


def _joined(passes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the arguments of one pass for several; the flags are the last one's."""
    roots = [root for each in passes for root in _roots(each)]
    seeds = [seed for each in passes for seed in _seeds(each)]
    flags = {name: value for name, value in passes[-1].items() if name in FLAGS}
    return {"tensors": roots, "grad_tensors": seeds, **flags}


def _seeds(arguments: dict[str, Any]) -> list[Any]:
    seeds = arguments.get("gradient", arguments.get("grad_tensors"))
    return [None] * len(_roots(arguments)) if seeds is None else _listed(seeds)


def _fingerprint(tensor: torch.Tensor) -> float:
    """Return a number in which changes that cancel each other out in a sum show."""
    values = tensor.detach().double().flatten()
    return float(values @ torch.arange(len(values), dtype=torch.double).cos())


def _nothing(gradients: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(None if each is None else torch.zeros_like(each) for each in gradients)


def _zeros(arguments: dict[str, Any]) -> Any:
    inputs = _inputs(arguments)
    if inputs is None or "outputs" not in arguments:
        return None
    return tuple(torch.zeros_like(tensor) for tensor in inputs)


def _has_graph(value: Any) -> bool:
    if isinstance(value, torch.Tensor):
        return value.grad_fn is not None
    if isinstance(value, dict):
        value = list(value.values())
    return isinstance(value, (tuple, list)) and any(map(_has_graph, value))


def _without_graph(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach()
    if isinstance(value, dict):
        return {key: _without_graph(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_make"):
        return type(value)(*map(_without_graph, value))
    if isinstance(value, (tuple, list)):
        return type(value)(map(_without_graph, value))
    return value
