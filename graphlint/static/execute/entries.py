"""What is run: the module's top level, then functions and methods that nothing in it calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.attempts import attempt
from graphlint.static.execute.autograd.accumulated import note_used
from graphlint.static.execute.autograd.frameworks import differentiate_step, is_differentiated
from graphlint.static.execute.autograd.merge import Flow, Outcome, merge
from graphlint.static.execute.executor import Executor
from graphlint.static.execute.language.calls import enter
from graphlint.static.execute.language.instances import instantiate
from graphlint.static.execute.language.statements import run_block
from graphlint.static.execute.library.functions import is_custom_function, run_forward
from graphlint.static.execute.library.imports import define, module_variables
from graphlint.static.execute.paths.classes import members
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.skipping import skip_setting_up, skip_uses
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.switches import (
    insisted_on,
    leading_to_passes,
    switches,
    turns_gradients_on,
)
from graphlint.static.execute.paths.values import Class, Env, Func, Ref, Value
from graphlint.static.knowledge.names import FORWARD
from graphlint.static.relevance import FEW_FILES, Relevance, functions_in

if TYPE_CHECKING:
    from graphlint.static.execute.paths.frames import Frame

EVALUATION_NAMES = frozenset(("eval",))
MOST_METHODS, MOST_STATES, ROUNDS = 14, 6, 2


def run_program(ex: Executor, modules: Sequence[ir.Module], relevant: Relevance) -> None:
    """Run everything in some files that can run a backward pass, or evaluates a model.

    All top levels come first: what they call is judged there, and is no entry point any more. Then
    come the functions that no other mentions, which may make objects and call their methods,
    classes, what is still uncalled after that, and last what only evaluates.
    """
    evaluating = Relevance(modules, names=EVALUATION_NAMES)
    for module in modules:
        matters = relevant.top_level_reaches(module) or evaluating.top_level_reaches(module)
        if matters or not relevant.only_calls(module) or len(modules) <= FEW_FILES:
            with ex.guarded(module.filename):
                _run_top_level(ex, module, relevant.only_calls(module))
    for module in modules:
        _run_functions(ex, module, relevant)
    for wanted in (False, True):
        for module in modules:
            left = (f for f in functions_in(module.body) if f not in ex.called)
            if any(relevant.reaches(f) and (not wanted or relevant.mentioned(f)) for f in left):
                run_definitions(ex, module, relevant, mentioned=wanted)
    for module in modules:
        if any(evaluating.reaches(f) and f not in ex.called for f in functions_in(module.body)):
            run_definitions(ex, module, evaluating, mentioned=False)
        if any(map(_is_custom_function, module.body)):
            _run_custom_functions(ex, module)


def _is_custom_function(statement: ir.Stmt) -> bool:
    """Whether a statement defines what looks like a custom function of autograd's."""
    bases = statement.bases if isinstance(statement, ir.ClassDef) else ()
    return any("Function" in (getattr(base, "name", ""), getattr(base, "id", "")) for base in bases)


def _run_custom_functions(ex: Executor, module: ir.Module) -> None:
    """Run the forward of custom functions that nobody applies, for what it keeps."""
    with ex.guarded(module.filename):
        ex.begin_file()
        state = defined(ex, module)
        for cls in own_classes(ex, state, module):
            found = state.get(cls, Class)
            if found is not None and is_custom_function(state, cls.address):
                functions = [m.function for m in found.members.values() if isinstance(m, Func)]
                place = functions[0]
                aside = state.fork()
                aside.frame = entry_frame(ex, module, place)
                run_forward(ex, aside, place, cls)


def _run_functions(ex: Executor, module: ir.Module, relevant: Relevance) -> None:
    """Run a file's functions that no other mentions, from what the file defines."""
    defining = (each for each in module.body if isinstance(each, ir.FunctionDef))
    if not any(_is_uncalled(ex, each.function, relevant) for each in defining):
        return
    with ex.guarded(module.filename):
        ex.begin_file()
        state = defined(ex, module)
        for func in own_functions(ex, state, module):
            if not relevant.mentioned(func.function):
                _run_function(ex, state, module, func, relevant)


def _is_uncalled(ex: Executor, function: ir.Function, relevant: Relevance) -> bool:
    left = function not in ex.called and relevant.reaches(function)
    return left and not relevant.mentioned(function)


def defined(ex: Executor, module: ir.Module) -> State:
    """Return a state with nothing but what a file defines."""
    state = _fresh(ex, module, imported=True)
    define(ex, state, module)
    return cleared(state)


def run_definitions(
    ex: Executor, module: ir.Module, relevant: Relevance, mentioned: bool, again: bool = False
) -> None:
    """Run a file's classes and uncalled functions, from what the file defines."""
    with ex.guarded(module.filename):
        ex.begin_file(again)
        state = defined(ex, module)
        for cls in own_classes(ex, state, module):
            run_class(ex, state, module, cls, relevant, mentioned)
        for func in own_functions(ex, state, module):
            if relevant.mentioned(func.function) is mentioned:
                _run_function(ex, state, module, func, relevant)


def own_functions(ex: Executor, state: State, module: ir.Module) -> list[Func]:
    """Return the functions that a file defines."""
    env = state.heap[ex.frames.name("module", module.filename)]
    assert isinstance(env, Env)
    functions = [value for value in env.vars.values() if isinstance(value, Func)]
    return [func for func in functions if func.function.filename == module.filename]


def own_classes(ex: Executor, state: State, module: ir.Module) -> list[Ref]:
    """Return a file's classes, those that inherit before their bases.

    What a base class leaves to others is there when its methods run on one of these.
    """
    env = state.heap[ex.frames.name("module", module.filename)]
    assert isinstance(env, Env)
    refs = [value for value in env.vars.values() if isinstance(value, Ref)]
    own = [ref for ref in refs if _is_own(state.get(ref, Class), module)]
    return sorted(own, key=lambda ref: -len(list(members(state, ref.address))))


def _is_own(cls: Class | None, module: ir.Module) -> bool:
    functions = [v.function for v in cls.members.values() if isinstance(v, Func)] if cls else []
    return any(function.filename == module.filename for function in functions)


# --------------------------------------------------------------------------------- top level
def _run_top_level(ex: Executor, module: ir.Module, caller: bool) -> None:
    """Run a file as a program."""
    ex.begin_file()

    def run() -> None:
        ex.begin(caller)
        for state, _ in run_block(ex, module.body, _fresh(ex, module, imported=False)):
            ex.finish(state)

    attempt(ex, module, run)


def _fresh(ex: Executor, module: ir.Module, imported: bool) -> State:
    frame = ex.frames.enter(None, module, "module", module)
    address = ex.frames.name("module", module.filename)
    state = State(ex.frames, frame, address)
    state.heap[address] = Env(module_variables(module.filename, imported), None)
    return state


def cleared(state: State) -> State:
    """Forget what a path assumed and left pending, but not what it defined.

    Graphs that are there already are taken for unknown: who else uses them can't be seen from the
    entry point alone.
    """
    fresh = state.fork()
    fresh.graph = {n: replace(node, unknown=True) for n, node in state.graph.items()}
    fresh.pending, fresh.kept, fresh.freed = {}, {}, {}
    fresh.conds, fresh.bounds, fresh.temps, fresh.yields = {}, {}, (), ()
    fresh.grad = True
    return fresh


# --------------------------------------------------------------------------------- functions
def _run_function(
    ex: Executor, base: State, module: ir.Module, func: Func, relevant: Relevance
) -> None:
    if func.function in ex.called or not relevant.reaches(func.function):
        return

    def run() -> None:
        ex.begin(relevant.only_calls(module))
        state = cleared(base)
        state.frame = entry_frame(ex, module, func.function)
        given = switches(state, func.function, words=True, zeros=ex.again)
        state.grad = not turns_gradients_on(func.function)
        aside = state.fork()
        ended = enter(ex, state, Invocation(func.function, (), given), func)
        if not ended:
            given = {**given, **insisted_on(aside, func.function)}
            ended = enter(ex, aside, Invocation(func.function, (), given), func)
        for after, value in ended:
            ex.finish(after, escaping=(value,))

    attempt(ex, module, run)


def _constructor(state: State, cls: Ref) -> ir.Function | None:
    made = [owner.members.get("__init__") for owner in members(state, cls.address)]
    return next((func.function for func in made if isinstance(func, Func)), None)


def entry_frame(ex: Executor, module: ir.Module, place: object) -> Frame:
    """Return the frame that an entry point runs in."""
    outer = ex.frames.enter(None, module, "module", module)
    return ex.frames.enter(outer, place, "entry")


# ----------------------------------------------------------------------------------- classes
def run_class(
    ex: Executor, base: State, module: ir.Module, cls: Ref, relevant: Relevance, mentioned: bool
) -> None:
    """Run a class's uncalled methods after `__init__`, in order, twice over.

    Those that no other function mentions come first: they call the others. What is still uncalled
    then has the name of something else that is called.
    """
    methods = _entry_methods(ex, base, cls, relevant, mentioned)
    if not methods:
        return
    ex.renewed = _is_renewed(base, cls, methods)

    def run() -> None:
        ex.begin(relevant.only_calls(module))
        state = cleared(base)
        state.frame = entry_frame(ex, module, cls)
        given = switches(state, _constructor(state, cls), words=ex.again, zeros=ex.again)
        running = instantiate(ex, state, Invocation(methods[0].function, (), given), cls)[
            :MOST_STATES
        ]
        for index in range(ROUNDS):
            for each, _ in running if index else ():
                skip_uses(each)
            for method in methods:
                running = _run_method(ex, running, method, index)
        for after, _ in running:
            ex.finish(after)

    attempt(ex, module, run)


def _is_renewed(base: State, cls: Ref, methods: Sequence[Func]) -> bool:
    """Whether a method that is not run writes what those that are run read, directly or not."""
    found = {name: f.function for name, f in _methods_of(base, cls).items() if name != "__init__"}
    run, todo = set[str](), [method.function.name for method in methods]
    while todo:
        name = todo.pop()
        if name in found and name not in run:
            run.add(name)
            todo += found[name].mentions.calls
    read = frozenset[str]().union(*(found[name].mentions.reads for name in run))
    return any(found[name].mentions.writes & read for name in found.keys() - run)


def _methods_of(state: State, cls: Ref) -> dict[str, Func]:
    """Return a class's methods by name, inherited ones too."""
    found: dict[str, Func] = {}
    for owner in members(state, cls.address):
        for name, value in owner.members.items():
            if isinstance(value, Func):
                found.setdefault(name, value)
    return found


def _entry_methods(
    ex: Executor, base: State, cls: Ref, relevant: Relevance, mentioned: bool
) -> list[Func]:
    found = _methods_of(base, cls)
    uncalled = [
        f
        for name, f in found.items()
        if f.function not in ex.called and (name == "__call__" or not name.startswith("__"))
    ]
    reaching = [f for f in uncalled if relevant.reaches(f.function)]
    unmentioned = [f for f in reaching if not relevant.mentioned(f.function)]
    entries = (unmentioned if not mentioned else []) or _outermost(reaching)
    used = frozenset().union(*(f.function.mentions.reads for f in entries))
    calls = frozenset().union(*(f.function.mentions.calls for f in entries))
    chosen = [
        f
        for f in uncalled
        if f in entries or (f.function.mentions.writes & used and f.function.name not in calls)
    ]
    return chosen[:MOST_METHODS] if entries else []


def _outermost(methods: list[Func]) -> list[Func]:
    """Return the methods that no other of them calls; all where each is called."""
    called = [f for f in methods if any(_calls(g, f) for g in methods if g is not f)]
    return [f for f in methods if f not in called] or methods


def _calls(method: Func, other: Func) -> bool:
    """Whether a method calls another of its object: `self.net.train()` is not `self.train()`."""
    own = method.function.parameters[0].name if method.function.parameters else ""
    return f"{own}.{other.function.name}" in method.function.mentions.called


def _run_method(
    ex: Executor, running: list[tuple[State, Value]], method: Func, index: int
) -> list[tuple[State, Value]]:
    return run_round(ex, running, method.owner, method, index)


def run_round(
    ex: Executor, running: list[tuple[State, Value]], place: object, func: Func, index: int
) -> list[tuple[State, Value]]:
    """Run a function in each state, bound to the state's value if it is a method.

    One that always raises may be waiting for what others set on its object, or hand to it.
    """
    aside = [(state.fork(), owner) for state, owner in running]
    ended = _run_each(ex, running, place, func, index)
    if not ended:
        for state, owner in aside:
            skip_setting_up(state, owner)
        ended = _run_each(ex, aside, place, func, index, demanding=True)
    merged = merge(ex, ended)
    for dropped, _ in merged[MOST_STATES:]:
        ex.drop(dropped)
    return [(after, flow.value or running[0][1]) for after, flow in merged[:MOST_STATES]]


def _run_each(
    ex: Executor,
    running: list[tuple[State, Value]],
    place: object,
    func: Func,
    index: int,
    demanding: bool = False,
) -> list[Outcome]:
    ended: list[Outcome] = []
    for state, owner in running:
        method = func.owner is not None and func.kind != "static"
        frame = ex.enter(state, place, "loop", index=index)
        called = replace(func, bound=owner) if method else func
        state.grad = state.grad and not turns_gradients_on(func.function)
        given = leading_to_passes(state, func.function) if ex.again else {}
        given |= insisted_on(state, func.function) if demanding else {}
        for after, value in enter(ex, state, Invocation(func.function, (), given), called):
            for done in differentiate_step(ex, after, func, owner, value):
                done.frame = frame
                if not is_differentiated(done, func, owner):
                    ex.escape(done, (value,), for_use=func.function.name in FORWARD)
                note_used(ex, done)
                ended.append((done, Flow("return", owner)))
    return ended
