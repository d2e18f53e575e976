"""The static observer: executes source symbolically and writes a trace. It never imports torch."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from graphlint.static.lower import lower
from graphlint.trace import Trace

DEEPEST = 8_000
"""Nested Python calls that lowering and executing one file may need."""


def observe(
    source: str,
    filename: str,
    backward_functions: Iterable[str] = (),
    sinks: Iterable[str] = (),
) -> Trace:
    """Execute one file symbolically: what it does with autograd's graphs, on every path.

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
        trace, failures = execute([lower(source, filename)], None, backward_functions, sinks)
    if failures:
        raise failures[0][1]
    return trace


def observe_project(
    files: Sequence[str],
    root: str,
    read: Callable[[str], bytes | None],
    decode: Callable[[str], str | None],
    backward_functions: Iterable[str] = (),
    sinks: Iterable[str] = (),
    telling: bool = False,
) -> tuple[Trace, list[str], list[tuple[str, Exception]]]:
    """Execute the files of a project together, following imports and calls between them.

    Args:
        files: the analysed files; what they import is read from `root` where it isn't among them.
        root: the folder that imports are looked for in.
        read: returns a file's bytes, None where it can't be read.
        decode: returns a file's text, None where it can't be read or decoded.
        backward_functions: extra names of functions that run a pass over their first argument.
        sinks: extra names of functions that only log what they are handed.
        telling: ask for every pass in full (`Trace.visits`).

    Returns:
        One trace for all files, the files that were run, and the mistakes of graphlint's own that
        were met, by file.
    """
    from graphlint.static.execute.run import execute
    from graphlint.static.project import Project
    from graphlint.static.roots import choose_roots

    with roomy():
        project = Project(root, decode)
        modules = choose_roots(files, project, read, tuple(backward_functions))
        trace, failures = execute(modules, project, backward_functions, sinks, telling)
    return trace, [module.filename for module in modules], failures


@contextmanager
def roomy() -> Iterator[None]:
    """Allow deeper recursion for a while, and collect no garbage: none of it is cyclic for long.

    Syntax trees and chains of calls are walked recursively; the collector would walk every tree and
    state again and again.
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
