"""Loops over passes that no path came to twice: their functions are run once more, on their own.

What calls such a function, and in which order, is a guess, so that next to no claim rests on its
run. One does not depend on callers: that a loop adds up what a pass in the same iteration freed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphlint.static import ir
from graphlint.static.execute.autograd.holders import adds
from graphlint.static.execute.entries import (
    MOST_STATES,
    defined,
    entry_frame,
    own_classes,
    own_functions,
    run_round,
)
from graphlint.static.execute.executor import Executor
from graphlint.static.execute.language.instances import instantiate
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import NONE, Class, Func, Value
from graphlint.static.execute.records.records import Records
from graphlint.static.execute.steps import OutOfSteps
from graphlint.static.relevance import Relevance, functions_in

PART = 3
"""The part of an entry point's steps in which such a loop comes to its second pass, or does not."""


def run_unrepeated(ex: Executor, modules: Sequence[ir.Module], relevant: Relevance) -> None:
    """Run the functions with a loop that adds up something, and never came to a second pass."""
    before, ex.records, ex.leads = ex.records, Records(), ex.reaches
    for module in modules:
        for function in functions_in(module.body):
            if relevant.reaches(function) and any(
                loop not in before.repeated and relevant.leads_to_pass(function, loop)
                for loop in _adding(function)
            ):
                _run_alone(ex, module, function)
    before.take_spent_holds(ex.records)
    ex.records = before


def _run_alone(ex: Executor, module: ir.Module, function: ir.Function) -> None:
    """Run a function or method once, on its own, with all paths joined that can be."""
    with ex.guarded(module.filename), ex.joining():
        ex.begin_file()
        ex.begin(part=PART)
        state = defined(ex, module)
        state.frame = entry_frame(ex, module, function)
        try:
            for func, running in _prepared(ex, state, module, function):
                with ex.steps.sketching():
                    for after, _ in run_round(ex, running, function, func, 0):
                        ex.finish(after)
        except (OutOfSteps, RecursionError):
            ex.records.stop()


def _prepared(
    ex: Executor, state: State, module: ir.Module, function: ir.Function
) -> Iterator[tuple[Func, list[tuple[State, Value]]]]:
    """Find what a file calls a function by; make the object that a method is called of."""
    for func in own_functions(ex, state, module):
        if func.function is function:
            yield func, [(state, NONE)]
    for cls in own_classes(ex, state, module):
        found = state.get(cls, Class)
        for member in found.members.values() if found else ():
            if isinstance(member, Func) and member.function is function:
                yield member, instantiate(ex, state, Invocation(function), cls)[:MOST_STATES]


def _adding(function: ir.Function) -> Iterator[ir.Node]:
    """Walk the loops in a function that may add values to what was there."""
    for loop in ir.walk(function):
        if isinstance(loop, (ir.For, ir.While)) and any(map(adds, ir.walk(loop))):
            yield loop
