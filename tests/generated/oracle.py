"""Judge every call that runs a backward pass, over all settings of a program's switches."""

from __future__ import annotations

import ast
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from .facts import Clash, Fact, Row, Start, view
from .marks import Mark, find_marks
from .places import Source, parse
from .program import Program
from .repairs import find_repairs

UNNEEDED = "unneeded"
NEEDED = "needed"
LAST = "last-iteration"
LAST_PASS = "last-pass"  # as LAST, but of passes that no loop repeats: may be reported so, or not
REDUNDANT = "redundant"
CARRIED = "carried"
MISSING = "missing"
STEP = "step"
FINE = "ok-no-retain"
UNKNOWN = "unknown"
CALLER = "caller"

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Site:
    """A call that runs a pass, or a call of the program's own that hands a flag to one.

    Attributes:
        file: the file's name.
        row: the first line of the call.
        kind: "backward", "grad" or "autograd.backward" for a pass, "caller" for a call that hands
            a flag over.
        flag: the call passes `retain_graph`.
        verdicts: what is true of it.
        rows: all places, file and row, at which a finding about it may stand.
    """

    file: str
    row: int
    kind: str
    flag: bool
    verdicts: frozenset[str]
    rows: frozenset[Row]


@dataclass(frozen=True)
class Judgement:
    """Everything that is true of a program.

    Attributes:
        sites: the calls and their verdicts, in source order.
        clashes: graphs that are visited after they changed.
        marks: what is true of stores, of differentiable gradients, of kept gradients
            and of the repairs of needed flags.
        settings: in how many settings the program ran.
        crashes: torch refuses a pass in one of them.
        errors: what else went wrong in any of them.
    """

    sites: tuple[Site, ...]
    clashes: tuple[Clash, ...]
    settings: int
    crashes: bool
    errors: tuple[str, ...]
    marks: tuple[Mark, ...] = ()


def judge(program: Program) -> tuple[Site, ...]:
    """Return the sites of a program with their verdicts."""
    return examine(program).sites


def examine(program: Program) -> Judgement:
    """Run a program in all its settings, and return everything that is true of it."""
    source = parse(program.files)
    starts = [Start(source, program.main, setting) for setting in program.settings()]
    views = [view(start) for start in starts]
    sites = _sites(source, [fact for seen in views for fact in seen.facts])
    clashes = {clash for seen in views for clash in seen.clashes}
    return Judgement(
        sites=tuple(sorted(_with_steps(sites, clashes), key=lambda site: (site.file, site.row))),
        clashes=tuple(sorted(clashes, key=lambda clash: (clash.later, sorted(clash.earlier)))),
        settings=len(starts),
        crashes=any(seen.crashes for seen in views),
        errors=tuple(seen.error for seen in views if seen.error),
        marks=(*find_marks(starts, views), *find_repairs(starts, views)),
    )


def _sites(source: Source, facts: list[Fact]) -> Iterator[Site]:
    by_call = _grouped(facts, lambda fact: fact.execution.call)
    for call, group in by_call:
        yield from _sites_of_call(source, call, group)
    ran = {call for call, _ in by_call}
    for call in source.calls.values():
        if call not in ran and _looks_like_pass(call):
            unknown = frozenset({UNKNOWN})
            file, row = source.where(call)
            yield Site(file, row, "backward", False, unknown, frozenset({(file, row)}))


def _sites_of_call(source: Source, call: ast.Call, facts: list[Fact]) -> Iterator[Site]:
    """Yield the call's own site, and one for each caller that hands a flag to it."""
    silent = [fact for fact in facts if not fact.execution.asked and not fact.execution.creates]
    flagged = [fact for fact in facts if fact.execution.asked]
    units = _grouped(flagged, lambda fact: fact.execution.origin)
    alike = len({_flag_verdicts(unit) for _, unit in units}) == 1
    own = next((unit for origin, unit in units if origin is None), [])
    verdicts = _flag_verdicts(own) | _silent_verdicts(silent, bool(flagged))
    here = source.where(call)
    yield Site(
        file=here[0],
        row=here[1],
        kind=facts[0].execution.kind,
        flag=any(fact.execution.explicit for fact in facts),
        verdicts=verdicts,
        rows=frozenset({here, *(_writers(source, own) if len(units) == 1 else ())}),
    )
    for origin, unit in units:
        if origin is not None:
            handed = source.where(origin)
            rows = frozenset({handed, *([here] if alike else [])})
            yield Site(*handed, CALLER, True, _flag_verdicts(unit), rows)


def _flag_verdicts(facts: list[Fact]) -> frozenset[str]:
    """Judge the executions whose flag comes from one place."""
    counted = [fact for fact in facts if not fact.execution.creates]
    needed = [fact for fact in counted if fact.needed]
    carried = {CARRIED} if any(fact.carried for fact in needed) else set()
    if not facts:
        return frozenset()
    if not counted:
        return frozenset({REDUNDANT})
    if not needed:
        return frozenset({UNNEEDED})
    if all(fact.again for fact in needed) and not carried:
        looped = all(fact.looped for fact in needed)
        return frozenset({NEEDED, LAST if looped else LAST_PASS})
    return frozenset({NEEDED, *carried})


def _silent_verdicts(facts: list[Fact], flagged: bool) -> frozenset[str]:
    """Judge the executions that don't retain."""
    needed = [fact for fact in facts if fact.needed]
    if needed:
        return frozenset({MISSING, *([CARRIED] if any(f.carried for f in needed) else [])})
    return frozenset() if flagged else frozenset({FINE})


def _with_steps(sites: Iterable[Site], clashes: set[Clash]) -> Iterator[Site]:
    rows = {row for clash in clashes for row in clash.rows}
    for site in sites:
        if site.kind != CALLER and (site.file, site.row) in rows:
            yield replace(site, verdicts=(site.verdicts - {FINE}) | {STEP})
        else:
            yield site


def _writers(source: Source, facts: list[Fact]) -> set[Row]:
    """Return the places of calls that may have written a flag that is no literal at the pass."""
    if not facts or all(fact.execution.literal for fact in facts):
        return set()
    calls = (call for call in source.calls.values() if not _looks_like_pass(call))
    return {source.where(call) for call in calls if _hands_true(call)}


def _hands_true(call: ast.Call) -> bool:
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    named = any(keyword.arg == "retain_graph" for keyword in call.keywords)
    return named or any(isinstance(v, ast.Constant) and v.value is True for v in values)


def _looks_like_pass(call: ast.Call) -> bool:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in {"backward", "grad"}


def _grouped(facts: list[Fact], key: Callable[[Fact], Key]) -> list[tuple[Key, list[Fact]]]:
    groups: dict[Key, list[Fact]] = {}
    for fact in facts:
        groups.setdefault(key(fact), []).append(fact)
    return list(groups.items())
