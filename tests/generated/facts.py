"""What the passes of one program in one setting do to each other, found out by running it.

A program runs as it is written, and with every pass retaining its graph, where nothing is missing.
In that second world a pass *is needed* if torch refuses a later pass as soon as this one alone
does not retain. A look at the nodes that each pass visits predicts which passes are needed, and
says by whom; the runs have to agree with it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from .outcome import Control, Execution, Outcome
from .places import Source
from .program import Setting
from .running import run

CONFIRMED = 2
Row = tuple[str, int]


class DisagreementError(AssertionError):
    """The runs contradict what the nodes say: the oracle is wrong about this program."""


@dataclass(frozen=True)
class Start:
    """A program that is ready to run: its parsed files, the one that runs, and the setting."""

    source: Source
    main: str
    setting: Setting

    def run(self, control: Control) -> Outcome:
        """Run the program once."""
        return run(self.source, self.setting, control, self.main)


@dataclass(frozen=True)
class Fact:
    """What one execution of a pass shows.

    Attributes:
        execution: the execution.
        needed: a later pass visits what it visited.
        again: a later execution of the same call, with its flag on and from the same place,
            visits it.
        looped: so does one that the same calls lead to: it is a loop that repeats the call.
        carried: a later pass visits it in another iteration than the one that built it.
    """

    execution: Execution
    needed: bool
    again: bool
    looped: bool
    carried: bool


@dataclass(frozen=True)
class Clash:
    """A pass that visits nodes after a tensor that they saved was changed in place.

    Attributes:
        later: the place (file and row) of the pass that torch refuses.
        earlier: the places of the passes that visited those nodes before, if any.
        freed: one of those passes does not keep them: a missing flag hides the change.
    """

    later: Row
    earlier: frozenset[Row]
    freed: bool

    @property
    def rows(self) -> frozenset[Row]:
        """The places at which a finding about it may stand."""
        return self.earlier or frozenset({self.later})


@dataclass(frozen=True)
class View:
    """What one setting shows: the passes, the clashes, whether torch refuses any pass as written.

    Attributes:
        facts: one for each execution of a pass, in order.
        clashes: nodes visited after they changed.
        crashes: torch refuses a pass of the program as it is written.
        error: what else ends the program, when every pass retains its graph.
        written: the run of the program as it is.
        survey: the run in which every pass retains its graph.
    """

    facts: tuple[Fact, ...]
    clashes: tuple[Clash, ...]
    crashes: bool
    error: str
    written: Outcome
    survey: Outcome


def view(start: Start) -> View:
    """Run a program in one setting until everything about its passes is known."""
    written = start.run(Control())
    survey = start.run(Control(retain_all=True, survey=True, tolerant=True))
    facts = tuple(facts_of(survey.executions))
    _confirm(start, written, survey, facts)
    crashes = any(e.error in {"freed", "modified"} for e in written.executions)
    clashes = tuple(_clashes(start.source, survey.executions))
    return View(facts, clashes, crashes, survey.error, written, survey)


def unit(execution: Execution) -> tuple[ast.Call, ast.Call | None]:
    """Return what an execution is judged together with: its call, and who handed the flag over."""
    return execution.call, execution.origin


def facts_of(executions: tuple[Execution, ...]) -> Iterator[Fact]:
    """Yield what the nodes show that the passes of a surveyed run visited."""
    for number, execution in enumerate(executions):
        if execution.error == "other":
            continue
        nodes = execution.visit.nodes
        later = [e for e in executions[number + 1 :] if e.visit.nodes & nodes]
        same = [e for e in later if e.asked and unit(e) == unit(execution)]
        yield Fact(
            execution=execution,
            needed=bool(later),
            again=bool(same),
            looped=any(e.path == execution.path for e in same),
            carried=any(e.visit.carried & nodes for e in later),
        )


def _clashes(source: Source, executions: tuple[Execution, ...]) -> Iterator[Clash]:
    for number, execution in enumerate(executions):
        stale = execution.visit.stale
        if stale:
            kept = [e for e in executions[:number] if e.visit.nodes & stale]
            yield Clash(
                later=source.where(execution.call),
                earlier=frozenset(source.where(e.call) for e in kept),
                freed=any(not (e.asked or e.creates) for e in kept),
            )


def _confirm(start: Start, written: Outcome, survey: Outcome, facts: tuple[Fact, ...]) -> None:
    """Run with flags forced off, and raise unless torch does what the facts say."""
    world = Control(retain_all=True, mutable=any(e.visit.stale for e in survey.executions))
    freely = frozenset(number for number, fact in enumerate(facts) if not fact.needed)
    together = start.run(replace(world, off=freely))
    if _freed(together):
        raise DisagreementError(f"needed, the runs say: {_refused(together.executions)}")
    for number in _sample(facts):
        alone = start.run(replace(world, off=frozenset({number})))
        if not _freed(alone):
            raise DisagreementError(f"not needed: line {facts[number].execution.call.lineno}")
    if not _refused(written.executions):
        without = start.run(Control(off=freely))
        if (without.output, without.error) != (written.output, written.error):
            raise DisagreementError(f"the results differ: {without.error or without.output}")


def _sample(facts: tuple[Fact, ...]) -> list[int]:
    """Return needed executions to confirm one by one: the first and the last few of each call."""
    by_call: dict[ast.Call, list[int]] = {}
    for number, fact in enumerate(facts):
        if fact.needed and not fact.execution.creates:
            by_call.setdefault(fact.execution.call, []).append(number)
    return [n for numbers in by_call.values() for n in {*numbers[:1], *numbers[-CONFIRMED:]}]


def _freed(outcome: Outcome) -> bool:
    return any(execution.error == "freed" for execution in outcome.executions)


def _refused(executions: Iterable[Execution]) -> list[int]:
    return [execution.call.lineno for execution in executions if execution.error]
