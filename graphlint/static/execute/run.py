"""Puts the executor together from its rooms, and runs files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphlint.static import ir
from graphlint.static.execute.entries import run_program
from graphlint.static.execute.executor import Executor
from graphlint.static.execute.headed import run_headed
from graphlint.static.execute.language.calls import invoke
from graphlint.static.execute.language.definitions import RUN_DEFINITIONS
from graphlint.static.execute.language.expressions import EVALUATE
from graphlint.static.execute.language.flow import RUN_FLOW
from graphlint.static.execute.language.statements import RUN_SIMPLE
from graphlint.static.execute.missed import run_missed
from graphlint.static.execute.steps import budget_for
from graphlint.static.execute.unrepeated import run_unrepeated
from graphlint.static.project import Project
from graphlint.static.relevance import Relevance
from graphlint.trace import Call, Site, Trace

RUN = {**RUN_SIMPLE, **RUN_DEFINITIONS, **RUN_FLOW}
Failures = list[tuple[str, Exception]]


def execute(
    modules: Sequence[ir.Module],
    project: Project | None,
    backward_functions: Iterable[str] = (),
    sinks: Iterable[str] = (),
    telling: bool = False,
) -> tuple[Trace, Failures]:
    """Run files on every path that the budget allows: what was seen, and what went wrong where.

    `telling` asks for every pass in full (`Trace.visits`).
    """
    budget = budget_for(len(modules))
    ex = Executor(EVALUATE, RUN, invoke, backward_functions, sinks, budget, project)
    ex.records.telling = telling
    calls = tuple([call for module in modules for call in _calls(module)])
    ex.records.wanted = frozenset([c.site for c in calls if c.retain not in (None, "False")])
    ex.relevance = Relevance(modules, project, ex.backward_functions.last)
    run_program(ex, modules, ex.relevance)
    run_missed(ex, modules, ex.relevance)
    run_headed(ex, modules, ex.relevance)
    run_unrepeated(ex, modules, ex.relevance)
    return ex.records.to_trace(calls), ex.failures


def _calls(module: ir.Module) -> list[Call]:
    return [
        Call(Site(module.filename, f.span, f.function), f.retain, f.create) for f in module.flagged
    ]


__all__ = ["Failures", "execute"]
