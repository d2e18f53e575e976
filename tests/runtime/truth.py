"""What torch's own allocator says: the truth that measurements are held against."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor
from torch.profiler import ProfilerActivity, profile, record_function

Built = tuple[Tensor, Any]


def bytes_freed_by_passes(builds: Iterable[Callable[[], Built]]) -> dict[str, int]:
    """Return for each model how many bytes a second pass gives back because it does not retain.

    Torch reports every allocation and release of its CPU allocator. Gradients that grow in the pass
    (sparse ones do) would spoil the sum; so a second pass that does retain is measured as well, on
    a graph of its own, and what that one changes is taken off. All models share one recording, as
    starting the profiler takes longer than running them.
    """
    builds = list(builds)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        for build in builds:
            for retain in (True, False):
                _second_pass(build, retain)
    change = _changes(recorded)
    names = [build.__name__ for build in builds]
    return {name: change(f"{name} True") - change(f"{name} False") for name in names}


def bytes_freed_by(build: Callable[[], Callable[[], None]]) -> int:
    """Return how many bytes are given back by a function that another one returns."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        drop = build()
        gc.collect()
        with record_function("mark begin drop"):
            pass
        drop()
        gc.collect()
        with record_function("mark end drop"):
            pass
    return -_changes(recorded)("drop")


def _changes(recorded: profile) -> Callable[[str], int]:
    """Return what tells by how many bytes the memory in use changed between two marks."""
    events = recorded.profiler.kineto_results.events()
    memory = [(e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"]
    times = {e.name(): e.start_ns() for e in events if e.name().startswith("mark ")}

    def change(name: str) -> int:
        begin, end = times[f"mark begin {name}"], times[f"mark end {name}"]
        return sum(count for time, count in memory if begin < time < end)

    return change


def _second_pass(build: Callable[[], Built], retain: bool) -> None:
    """Run a pass over a graph that was retained, between two marks."""
    loss, keep = build()
    loss.backward(retain_graph=True)
    gc.collect()
    with record_function(f"mark begin {build.__name__} {retain}"):
        pass
    loss.backward(retain_graph=retain)
    gc.collect()
    with record_function(f"mark end {build.__name__} {retain}"):
        pass
    del keep
