"""The static observer: executes source symbolically and writes a trace. It never imports torch."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from graphlint.static import ir
from graphlint.static.lower import lower
from graphlint.trace import Call, Site, Trace

DEEPEST = 8_000
"""Nested Python calls that lowering and executing one file may need."""


def observe(
    source: str,
    filename: str,
    backward_functions: Iterable[str] = (),
    sinks: Iterable[str] = (),
) -> Trace:
    """Execute a file symbolically: what it does with autograd's graphs, on every path.

    Args:
        source: the file's text.
        filename: what the file is called in sites.
        backward_functions: extra names of functions that run a pass over their first argument.
        sinks: extra names of functions that only log what they are handed.

    Raises:
        SyntaxError: the text is no Python of the version that runs graphlint.
        ValueError: the text has null bytes.
        RecursionError: the text is nested too deeply.
    """
    from graphlint.static.execute.run import execute

    with roomy():
        module = lower(source, filename)
        return execute(module, _calls(module), backward_functions, sinks)


def _calls(module: ir.Module) -> tuple[Call, ...]:
    return tuple(
        [
            Call(
                Site(module.filename, flagged.span, flagged.function),
                flagged.retain,
                flagged.create,
            )
            for flagged in module.flagged
        ]
    )


@contextmanager
def roomy() -> Iterator[None]:
    """Allow deeper recursion for a while, and collect no garbage: none of it is cyclic for long.

    Syntax trees and chains of calls are walked recursively; the collector would walk every tree and
    state again and again, for a quarter of the time.
    """
    depth, collecting = sys.getrecursionlimit(), gc.isenabled()
    sys.setrecursionlimit(max(depth, DEEPEST))
    gc.disable()
    try:
        yield
    finally:
        sys.setrecursionlimit(depth)
        if collecting:
            gc.enable()
