"""What torch's own allocators say that a pass gives back: the truth about a recorder."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function

Built = tuple[torch.Tensor, Any]
"""A loss, and what else refers to tensors of its graph."""
Builder = Callable[[], Built]
_MARKS = ("begin ", "end ")
Marker = Callable[[str], AbstractContextManager[object]]


def bytes_freed_by_passes(builders: Iterable[Builder], device: str = "cpu") -> dict[str, int]:
    """Return for each model how many bytes a second pass gives back because it does not retain.

    Gradients that grow in the pass (sparse ones do) would spoil the sum; so a second pass that does
    retain is measured as well, on a graph of its own, and what that one changes is taken off.

    Args:
        builders: build the graphs, on the device; they are told apart by their names.
        device: `cpu`, or a CUDA device.
    """
    builders = list(builders)
    change = _on_cpu(builders) if torch.device(device).type == "cpu" else _on_gpu(builders, device)
    names = [builder.__name__ for builder in builders]
    return {name: change[f"{name} True"] - change[f"{name} False"] for name in names}


def _on_cpu(builders: Iterable[Builder]) -> dict[str, int]:
    """Return what second passes change, by the profiler's record of every allocation.

    All models share one recording, as starting the profiler takes longer than running them.
    """
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        for builder in builders:
            for retain in (True, False):
                _second_pass(builder, retain, record_function)  # graphlint: ignore[RG101] measured
    return changes_on_cpu(recorded)


def changes_on_cpu(recorded: profile) -> dict[str, int]:
    """Return by how many bytes the memory in use changed between marks, by what they mark.

    Args:
        recorded: a finished recording of memory, with marks named `begin WHAT` and `end WHAT`.
    """
    assert recorded.profiler is not None
    results = recorded.profiler.kineto_results
    assert results is not None
    memory = [(e.start_ns(), e.nbytes()) for e in results.events() if e.name() == "[memory]"]
    marks = {e.name(): e.start_ns() for e in results.events() if e.name().startswith(_MARKS)}

    def change(name: str) -> int:
        begin, end = (marks[f"{mark}{name}"] for mark in _MARKS)
        return sum(count for time, count in memory if begin < time < end)

    return {name: change(name) for name in _names(marks)}


def _on_gpu(builders: Iterable[Builder], device: str) -> dict[str, int]:
    """Return what second passes change in the memory that the CUDA allocator has handed out."""
    changes: dict[str, int] = {}

    def mark(name: str) -> AbstractContextManager[object]:
        torch.cuda.synchronize(device)
        changes[name] = _allocated(device)
        return nullcontext()

    for builder in builders:
        for retain in (True, False):
            _second_pass(builder, retain, mark)  # graphlint: ignore[RG101] measured
    return {name: changes[f"end {name}"] - changes[f"begin {name}"] for name in _names(changes)}


def _names(marks: Iterable[str]) -> list[str]:
    begin, _ = _MARKS
    return [mark.removeprefix(begin) for mark in marks if mark.startswith(begin)]


def _allocated(device: str) -> int:
    """Return the bytes in use, as they were asked for; `memory_allocated` counts whole blocks."""
    stats = torch.cuda.memory_stats(device)
    exact = stats.get("requested_bytes.all.current")
    return int(torch.cuda.memory_allocated(device) if exact is None else exact)


def _second_pass(builder: Builder, retain: bool, mark: Marker) -> None:
    """Run a pass over a graph that was retained, between two marks."""
    loss, keep = builder()
    loss.backward(retain_graph=True)
    gc.collect()
    name = f"{builder.__name__} {retain}"
    with mark(f"begin {name}"):
        pass
    loss.backward(retain_graph=retain)
    gc.collect()
    with mark(f"end {name}"):
        pass
    del keep
