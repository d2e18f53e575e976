"""Puts the executor together from its rooms, and runs a file."""

from __future__ import annotations

from collections.abc import Iterable

from graphlint.static import ir
from graphlint.static.execute.calls import invoke
from graphlint.static.execute.definitions import RUN_DEFINITIONS
from graphlint.static.execute.entries import run_program
from graphlint.static.execute.executor import Executor
from graphlint.static.execute.expressions import EVALUATE
from graphlint.static.execute.flow import RUN_FLOW
from graphlint.static.execute.statements import RUN_SIMPLE
from graphlint.trace import Call, Trace

RUN = {**RUN_SIMPLE, **RUN_DEFINITIONS, **RUN_FLOW}


def execute(
    module: ir.Module,
    calls: tuple[Call, ...],
    backward_functions: Iterable[str] = (),
    sinks: Iterable[str] = (),
) -> Trace:
    """Run a file on every path that the budget allows, and return what was seen."""
    ex = Executor(EVALUATE, RUN, invoke, backward_functions, sinks)
    run_program(ex, module)
    return ex.records.to_trace(calls)
