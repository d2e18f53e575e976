"""Passes that no entry point got to: what they stand in is run once more, each on its own.

A program that is too long to be followed from its top has used up its steps by then. What stands in
functions that are stored rather than called is met by no path at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from graphlint.static import ir
from graphlint.static.execute.autograd.foreign import foreign_node
from graphlint.static.execute.entries import (
    ROUNDS,
    cleared,
    defined,
    entry_frame,
    own_functions,
    run_class,
    run_definitions,
    run_round,
)
from graphlint.static.execute.executor import Executor
from graphlint.static.execute.language.calls import enter
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import NONE, Class, Env, Func, Ref, Sym, Value
from graphlint.static.execute.steps import OutOfSteps
from graphlint.static.relevance import Relevance, functions_in
from graphlint.trace import Site

OFF = (None, "False")
"""How a flag is written that is off."""


def run_missed(ex: Executor, modules: Sequence[ir.Module], relevant: Relevance) -> None:
    """Run the functions with passes that keep their graphs, and of which none was followed.

    What calls them, and in which order, is a guess: no claim that something happens rests on it.
    """
    clashes, holds = ex.records.clashes.copy(), ex.records.holds.copy()
    ex.leads = _leading_to(ex, modules)
    for module in modules:
        missed = _missed(ex, module)
        if missed:
            run_again(ex, module, relevant, missed)
        for outer in functions_in(module.body) if missed else ():
            inside = [inner for inner in _within(outer) if inner.qualname in missed]
            if inside:
                _run_local_classes(ex, module, outer, relevant, missed)
            for inner in inside:
                if inner.qualname in _missed(ex, module):
                    _run_nested(ex, module, outer, inner)
    ex.records.clashes, ex.records.holds = clashes, holds


def _missed(ex: Executor, module: ir.Module) -> frozenset[str]:
    """Return the functions with passes that keep their graphs, and of which none was followed.

    Whether a flag that is no constant is on is known where its function was called.
    """
    return frozenset(call.function for call in missed_calls(ex, module))


def missed_calls(ex: Executor, module: ir.Module) -> list[ir.FlaggedCall]:
    """Return the calls that keep graphs, and of which none was followed."""
    called = {f.qualname for f in ex.called if f.filename == module.filename}
    return [
        call
        for call in module.flagged
        if (call.retain == "True" or (call.retain not in OFF and call.function not in called))
        and not ex.records.followed(Site(module.filename, call.span))
    ]


def _leading_to(ex: Executor, modules: Sequence[ir.Module]) -> Callable[[ir.Function], bool]:
    """Tell which functions lead to some that were missed, or are such themselves."""
    missed = frozenset(name for module in modules for name in _missed(ex, module))
    paths = frozenset(name for path in missed for name in _prefixes(path))
    names = frozenset(path.rpartition(".")[2] for path in missed)
    callers = Relevance(modules if missed else (), ex.project, names=names)
    return lambda function: function.qualname in paths or callers.reaches(function)


def run_again(ex: Executor, module: ir.Module, relevant: Relevance, missed: frozenset[str]) -> None:
    """Run what callers ran out of steps for once more, each on its own.

    The methods of a class are run together, as they share its objects.
    """
    names = frozenset(name for path in missed for name in _prefixes(path))
    for statement in module.body:
        functions = list(functions_in((statement,)))
        if any(function.qualname in names for function in functions):
            ex.called.difference_update(functions)
    for wanted in (False, True):
        run_definitions(ex, module, relevant, mentioned=wanted, again=True)


def _prefixes(path: str) -> Iterator[str]:
    parts = path.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts) + 1))


def _within(function: ir.Function) -> Iterator[ir.Function]:
    """Walk the functions that are defined within a function, at any depth."""
    for inner in functions_in(function.body):
        yield inner
        yield from _within(inner)


def _run_local_classes(
    ex: Executor,
    module: ir.Module,
    outer: ir.Function,
    relevant: Relevance,
    missed: frozenset[str],
) -> None:
    """Run the classes that a function defines, from what it leaves behind at its end."""
    with ex.guarded(module.filename):
        ex.begin_file(again=True)
        ex.begin()
        state = defined(ex, module)
        state.frame = entry_frame(ex, module, outer)
        own = [func for func in own_functions(ex, state, module) if func.function is outer]
        try:
            ends = [end for func in own for end in enter(ex, state, Invocation(outer), func)]
        except (OutOfSteps, RecursionError):
            ex.records.stop()
            return
        paths = frozenset(name for path in missed for name in _prefixes(path))
        for after, _ in ends[:1]:
            for cls in _classes_with(after, paths):
                run_class(ex, after, module, cls, relevant, mentioned=True)


def _classes_with(state: State, paths: frozenset[str]) -> list[Ref]:
    """Return the classes that define one of some functions."""
    return [
        Ref(address)
        for address, found in state.heap.items()
        if isinstance(found, Class) and any(_is_at(m, paths) for m in found.members.values())
    ]


def _is_at(member: Value, paths: frozenset[str]) -> bool:
    return isinstance(member, Func) and member.function.qualname in paths


def _run_nested(ex: Executor, module: ir.Module, outer: ir.Function, inner: ir.Function) -> None:
    """Run a function within another, twice over: what it shares with its surroundings is unknown.

    Variables of the surroundings may hold graphs, but for what these were given by their callers,
    unless they return the function: it may be called for many models, all on what was given once.
    Of functions that they define by one name, in branches, each is tried.
    """
    helpers: dict[str, list[ir.Function]] = {}
    for each in functions_in(outer.body):
        if each is not inner and each.qualname.rpartition(".")[0] == outer.qualname:
            helpers.setdefault(each.name, []).append(each)
    for index in range(max(map(len, helpers.values()), default=1)):
        chosen = [each[min(index, len(each) - 1)] for each in helpers.values()]
        with ex.guarded(module.filename):
            ex.begin_file(again=True)
            ex.begin()
            state = cleared(defined(ex, module))
            state.frame = entry_frame(ex, module, inner)
            scope = _surroundings(state, outer, inner, chosen)
            _run_twice(ex, state, Func(inner, scope.address))


def _surroundings(
    state: State, outer: ir.Function, inner: ir.Function, helpers: Sequence[ir.Function]
) -> Ref:
    """Make the variables that a function finds around it."""
    names = frozenset(_assigned(outer.body))
    if _returns(outer, inner):
        names |= {parameter.name for parameter in outer.parameters} & _handled(inner)
    values = {name: Sym(("enclosing", outer.qualname, name)) for name in names}
    shared: dict[str, Value] = {
        name: replace(value, node=foreign_node(state, inner, value))
        for name, value in values.items()
    }
    scope = state.new(outer, Env({}, state.env))
    known = {helper.name: Func(helper, scope.address) for helper in helpers}
    state.put(scope, Env({**shared, **known}, state.env))
    return scope


def _returns(outer: ir.Function, inner: ir.Function) -> bool:
    """Whether a function returns one that it defines, alone or among others."""
    returned = (n for node in outer.body for n in ir.walk(node) if isinstance(n, ir.Return))
    values = (n for each in returned if each.value is not None for n in ir.walk(each.value))
    return any(isinstance(value, ir.Name) and value.id == inner.name for value in values)


def _handled(function: ir.Function) -> frozenset[str]:
    """Return the names that a function does more with than call them, or methods of theirs."""
    inside = [node for statement in function.body for node in ir.walk(statement)]
    owners = [node.value for node in inside if isinstance(node, ir.Attribute)]
    owners += [node.func for node in inside if isinstance(node, ir.Call)]
    known = set(map(id, owners))
    return frozenset(n.id for n in inside if isinstance(n, ir.Name) and id(n) not in known)


def _run_twice(ex: Executor, state: State, func: Func) -> None:
    running: list[tuple[State, Value]] = [(state, NONE)]
    try:
        for index in range(ROUNDS):
            running = run_round(ex, running, func.function, func, index)
        for after, _ in running:
            ex.finish(after)
    except (OutOfSteps, RecursionError):
        ex.records.stop()


def _assigned(block: Sequence[ir.Stmt]) -> Iterator[str]:
    """Walk the names that statements give values to, in blocks too."""
    for statement in block:
        targets: tuple[ir.Expr, ...] = getattr(statement, "targets", ())
        if isinstance(statement, (ir.For, ir.AugAssign)):
            targets = (statement.target,)
        for target in targets:
            items = target.items if isinstance(target, ir.Sequence) else (target,)
            yield from (item.id for item in items if isinstance(item, ir.Name))
        for part in ("body", "orelse", "final"):
            yield from _assigned(getattr(statement, part, ()))
