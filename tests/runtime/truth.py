"""What torch's own allocator says of more than passes: the truth that measurements are held to."""

from __future__ import annotations

import gc
from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile, record_function

from graphlint.runtime.allocator import changes_on_cpu


def bytes_freed_by(build: Callable[[], Callable[[], None]]) -> int:
    """Return how many bytes are given back by a function that another one returns."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        drop = build()
        gc.collect()
        with record_function("begin drop"):
            pass
        drop()
        gc.collect()
        with record_function("end drop"):
            pass
    return -changes_on_cpu(recorded)["drop"]
