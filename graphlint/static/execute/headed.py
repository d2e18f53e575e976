"""Passes behind settings: each is looked for on its own, on the way that leads there.

A function that does another thing for each method that it knows is too long to be followed whole.
Conditions outside of its loops, and settings, say then which way to go (`language.ahead`). What is
seen on the way to one pass says nothing of the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from graphlint.static import ir
from graphlint.static.execute.executor import TOO_MANY_PATHS, Executor
from graphlint.static.execute.missed import missed_calls, run_again
from graphlint.static.execute.paths.ahead import Ahead, ahead_of, way_to
from graphlint.static.relevance import Relevance
from graphlint.trace import Site

MOST_HEADED = 6
"""So many passes of one file are looked for."""


def run_headed(ex: Executor, modules: Sequence[ir.Module], relevant: Relevance) -> None:
    """Run functions once more for each of their passes that was missed, and is behind a branch."""
    for module in modules:
        left = [(call, Site(module.filename, call.span)) for call in missed_calls(ex, module)]
        branches = [n for n in ir.walk(module) if isinstance(n, ir.If)] if left else []
        headed = [(c, s) for c, s in left if any(way_to(b, s) is not None for b in branches)]
        for call, site in headed[:MOST_HEADED]:
            with _heading(ex, ahead_of(site, branches)):
                run_again(ex, module, relevant, frozenset((call.function,)))


@contextmanager
def _heading(ex: Executor, ahead: Ahead) -> Iterator[None]:
    """Believe nothing but what becomes of the passes of one call, which is likely at most."""
    site, records = ahead.site, ex.records
    wanted, runs = records.wanted, set(records.runs)
    ex.ahead, records.wanted = ahead, frozenset((site,))
    try:
        with records.of_passes_alone():
            yield
    finally:
        ex.ahead, records.wanted = None, wanted
        for run in [run for run in records.runs if run not in runs]:
            if all(site not in (each.site, each.origin) for each in run.passes):
                del records.runs[run]
        records.doubts[site, TOO_MANY_PATHS] = None
