"""Calling: evaluating arguments, and entering the functions and classes of the program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.evaluations import note_forward
from graphlint.static.execute.autograd.gradients import in_entry
from graphlint.static.execute.autograd.merge import Flow, Outcome, merge
from graphlint.static.execute.language import instances
from graphlint.static.execute.language.comprehensions import asks_until, decided
from graphlint.static.execute.language.configured import call_configured
from graphlint.static.execute.language.statements import run_block
from graphlint.static.execute.language.unfollowed import can_be_skipped, give_up
from graphlint.static.execute.library import (
    externals,
    forward_hooks,
    kinds,
    methods,
    modules,
    unknown,
)
from graphlint.static.execute.library.items import every
from graphlint.static.execute.paths import classes
from graphlint.static.execute.paths.compiled import is_compiled, join_outputs
from graphlint.static.execute.paths.frames import Frame
from graphlint.static.execute.paths.generators import (
    MANAGED,
    Managed,
    body_that_ran,
    put_off,
    restore,
    takes_body,
)
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.numbers import name_of
from graphlint.static.execute.paths.skipping import skip_call
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    NONE,
    UNKNOWN_KEYWORDS,
    Address,
    Class,
    Const,
    Context,
    Dict,
    Env,
    External,
    Func,
    Instance,
    Layer,
    List,
    Method,
    Partial,
    Ref,
    Super,
    Sym,
    Tuple,
    Value,
)
from graphlint.static.knowledge.names import FORWARD

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

PLAIN_RECURSION = 2
"""How often a function is entered within itself that neither counts nor can reach a pass."""
SELF, CLASS = "__self__", "__class__"


# -------------------------------------------------------------------------------- arguments
def call(ex: Executor, node: ir.Call, state: State) -> Results:
    """Evaluate a call expression."""
    if isinstance(node.func, ir.Name) and node.func.id == "super":
        return [
            (after, _super(after, node, given)) for after, given in ex.eval_each(node.args, state)
        ]
    if asks_until(node, state):
        return decided(ex, node, state)
    results: Results = []
    parts = [node.func, *node.args, *(keyword.value for keyword in node.keywords)]
    for after, values in ex.eval_each(parts, state):
        func, *given = values
        args, keywords = _arguments(ex, after, node, given)
        for done, value in invoke(ex, after, Invocation(node, args, keywords), func):
            note_forward(ex, done, node, func, value)
            results.append((done, value))
    return results


def _arguments(
    ex: Executor, state: State, node: ir.Call, given: Sequence[Value]
) -> tuple[list[Value], dict[str, Value]]:
    """Sort evaluated arguments into positional ones and keywords, unpacking `*` and `**`."""
    args: list[Value] = []
    keywords: dict[str, Value] = {}
    for syntax, value in zip(node.args, given, strict=False):
        if isinstance(syntax, ir.Starred):
            args += every(ex, state, value, syntax).values
        else:
            args.append(_handed_on(state, node, value))
    for keyword, value in zip(node.keywords, given[len(node.args) :], strict=True):
        if keyword.name is not None:
            keywords[keyword.name] = _handed_on(state, node, value)
            continue
        spread = state.get(value, Dict)
        names = {k: v for k, v in spread.items.items() if isinstance(k, str)} if spread else {}
        keywords.update(names)
        if spread is None or spread.open:
            keywords[UNKNOWN_KEYWORDS] = value
    return args, keywords


def _handed_on(state: State, node: ir.Call, value: Value) -> Value:
    """Note on a value that may be a flag which call handed it on first."""
    if isinstance(value, Const) and (value.value is None or isinstance(value.value, bool)):
        return value if value.origin else replace(value, origin=(node, state.frame))
    if isinstance(value, Sym) and value.node is None and value.origin is None:
        return replace(value, origin=(node, state.frame))
    return value


def _super(state: State, node: ir.Node, given: Sequence[Value]) -> Value:
    """Make `super()` or `super(Class, self)`; without the class, it is that of the method."""
    bound, owner = state.lookup(SELF), state.lookup(CLASS)
    if len(given) == 2 and state.get(given[0], Class) is not None:
        owner, bound = given
    if bound is not None and isinstance(owner, Ref):
        return Super(bound, owner.address)
    return state.sym(node)


# --------------------------------------------------------------------------------- dispatch
def invoke(ex: Executor, state: State, call: Invocation, func: Value) -> Results:
    """Call whatever a value is."""
    configured = call_configured(ex, state, call, func)
    if configured is not None:
        return configured
    compiled = is_compiled(state, func)
    hooked = isinstance(func, (Ref, Sym)) and forward_hooks.has_hooks(state, func)
    results = (_hooked if hooked else _dispatch)(ex, state, call, func)
    if compiled:
        return [(after, join_outputs(after, call.node, value)) for after, value in results]
    return results


def _hooked(ex: Executor, state: State, call: Invocation, module: Value) -> Results:
    """Call a module with forward hooks."""
    return [
        result
        for before, given in forward_hooks.run_before(ex, state, call, module)
        for after, value in _dispatch(ex, before, given, module)
        for result in forward_hooks.run_after(ex, after, given, module, value)
    ]


def _dispatch(ex: Executor, state: State, call: Invocation, func: Value) -> Results:
    args, keywords = call.args, call.keywords
    if isinstance(func, Func) and func.wrapper == "memo":
        return _remembered(ex, state, call, func)
    if isinstance(func, Func):
        return enter(ex, state, call, func)
    if kinds.dispatcher(state, func):
        return kinds.call_dispatched(ex, state, call, func)
    if isinstance(func, Partial):
        merged = {**dict(func.keywords), **keywords}
        return invoke(ex, state, Invocation(call.node, (*func.args, *args), merged), func.func)
    if isinstance(func, External):
        return externals.call_external(ex, state, call, func.name)
    if isinstance(func, Method):
        return methods.call_method(ex, state, call, func)
    if isinstance(func, Sym) and func.name[0] == "attribute":
        owner: Value = Sym(func.name[1], func.node)
        if isinstance(func.name[1], int):
            owner = Ref(func.name[1])
        return methods.call_method(ex, state, call, Method(owner, func.name[2]))
    if isinstance(func, Context) and args and isinstance(args[0], Func):
        grad = {"no_grad": False, "enable_grad": True}.get(func.kind)
        restore(state, func)
        return [(state, replace(args[0], grad=grad))]
    if isinstance(func, Ref):
        return _invoke_object(ex, state, call, func)
    return unknown.call_unknown(ex, state, call, func)


def _invoke_object(ex: Executor, state: State, call: Invocation, func: Ref) -> Results:
    found = state.object(func)
    if isinstance(found, Class):
        return instances.instantiate(ex, state, call, func)
    if isinstance(found, Instance):
        for name in ("__call__", "forward"):
            method = classes.find_method(state, func, name)
            if method is not None:
                return invoke(ex, state, call, method)
        func = classes.inner_layer(state, func) or func
        found = state.object(func)
    if isinstance(found, Layer):
        return modules.call_layer(ex, state, call, func, found)
    return unknown.call_unknown(ex, state, call, func)


# -------------------------------------------------------------------------------- functions
def make_function(ex: Executor, function: ir.Function, state: State) -> Results:
    """Evaluate a function's defaults, and close over the environment."""
    with_default = [p for p in function.parameters if p.default is not None]
    results: Results = []
    for after, values in ex.eval_each([p.default for p in with_default if p.default], state):
        defaults = tuple((p.name, v) for p, v in zip(with_default, values, strict=True))
        results.append((after, Func(function, after.env, defaults)))
    return results


def enter(ex: Executor, state: State, call: Invocation, func: Func) -> Results:
    """Run a function of the program in the caller's state."""
    function = func.function
    ex.called.add(function)
    if _too_deep(ex, state, function, call.values):
        ex.too_deep()
        results = unknown.call_unknown(ex, state, call, func)
        for after, value in results:
            skip_call(after, call.node, func, value)
        return results
    if ex.steps.hurried and can_be_skipped(ex, state, func, call.values):
        ex.skip()
        return unknown.call_unknown(ex, state, call, func)
    if func.bound is not None and (is_abstract(function) or _is_left_out(state, func)):
        method = Method(func.bound, function.name)
        return unknown.call_unknown(ex, state, call, method)
    if takes_body(state, call.node, func):
        return _run(ex, state, call, func)
    return _run_or_give_up(ex, state, call, func)


def _run_or_give_up(ex: Executor, state: State, call: Invocation, func: Func) -> Results:
    """Run a function; give it up where it takes more than its share of the steps.

    So is one that always raises, where passes are looked for that were missed: real programs don't
    end there, but something was taken for what it is not.
    """
    function, shares = func.function, ex.shares(func.function)
    returns = ex.again and call.node is not function and not _refuses(function)
    if not (shares or returns):
        return _run(ex, state, call, func)
    aside, place = state.fork(), (state.frame, call.node)

    def run() -> Results:
        return _run(ex, state, call, func)

    more = ex.sets_up(function)
    followed = ex.steps.within_share(function, place, run, more) if shares else run()
    if followed is None and (more or function.name in FORWARD):
        followed = _run_chosen(ex, aside.fork(), call, func)
    if followed is None or (returns and not followed):
        return give_up(ex, aside, call, func)
    return followed


def _run_chosen(ex: Executor, state: State, call: Invocation, func: Func) -> Results | None:
    """Follow one path through a constructor, or a forward pass, that has too many to follow all.

    That leads to a graph which settings may lead to, where others may lead to another one.
    """
    place = (state.frame, call.node)
    with ex.choosing():
        made = ex.steps.within_share(
            func.function, place, lambda: _run(ex, state, call, func), True, chosen=True
        )
    return made or None


def _run(ex: Executor, state: State, call: Invocation, func: Func) -> Results:
    function = func.function
    given = list(call.args) if func.bound is None else [func.bound, *call.args]
    caller = Caller.of(state)
    state.managed = state.managed if takes_body(state, call.node, func) else None
    state.temps = (*state.temps, Tuple(tuple(given)), Tuple(tuple(call.keywords.values())))
    ex.enter(state, call.node, "call", function)
    variables = _bind_parameters(ex, state, func, given, call.keywords)
    if func.owner is not None and given:
        variables = {**variables, SELF: given[0], CLASS: Ref(func.owner)}
    scope = state.new(function, Env(variables, func.env))
    state.stack, state.env = (*state.stack, state.env), scope.address
    grad = state.grad
    state.grad = grad if func.grad is None else func.grad
    if function.yields:
        state.yields = state.yielded = ()
    outcomes = run_block(ex, function.body, state)
    if func.grad is not None:
        for after, _ in outcomes:
            after.grad = grad
    return _leave(ex, call.node, func, outcomes, caller)


def _is_left_out(state: State, func: Func) -> bool:
    """Whether a method does nothing, on an object that nobody made: it stands for those that do.

    A class that the program does not instantiate is run on an object made up for it. Its empty
    methods are there for subclasses to fill in.
    """
    return in_entry(state) and not func.function.body


def _refuses(function: ir.Function) -> bool:
    """Whether a function is there to raise an exception."""
    return bool(function.body) and isinstance(function.body[-1], ir.Raise)


def is_abstract(function: ir.Function) -> bool:
    """Whether all that a method does is to raise an exception: it is not implemented."""
    return len(function.body) == 1 and isinstance(function.body[0], ir.Raise)


def _remembered(ex: Executor, state: State, call: Invocation, func: Func) -> Results:
    """Call a memoized function: it runs once for the same arguments."""
    given = (*map(name_of, call.args), *((name, name_of(v)) for name, v in call.keywords.items()))
    key = (func.function, *given)
    if key in state.memos:
        return [(state, state.memos[key])]
    results = enter(ex, state, call, func)
    for after, value in results:
        after.memos[key] = value
    return results


@dataclass(frozen=True, slots=True)
class Caller:
    """What a caller gets back when a call is over."""

    frame: Frame
    env: Address
    temps: tuple[Value, ...]
    yields: tuple[Value, ...]
    yielded: tuple[Frame, ...]
    managed: Managed | None

    @classmethod
    def of(cls, state: State) -> Caller:
        """Note where a state is."""
        here = (state.frame, state.env, state.temps)
        return cls(*here, state.yields, state.yielded, state.managed)

    def restore(self, state: State) -> None:
        """Go back to the caller."""
        state.frame, state.env, state.temps = self.frame, self.env, self.temps
        state.stack, state.managed = state.stack[:-1], self.managed


def _leave(
    ex: Executor, node: ir.Node, func: Func, outcomes: list[Outcome], caller: Caller
) -> Results:
    returned: list[Outcome] = []
    for state, flow in outcomes:
        ran = body_that_ran(state)
        caller.restore(state)
        value = flow.value if flow.value is not None else NONE
        if ran is not None:
            value = Context(MANAGED, ran)
        elif func.function.yields:
            value = _generated(state, node, func, flow.value)
            state.yields, state.yielded = caller.yields, caller.yielded
        if flow.kind == "raise":
            ex.raised(state, flow.value)
        else:
            returned.append((state, Flow("return", value)))
    return [(state, flow.value or NONE) for state, flow in merge(ex, returned)]


def _generated(state: State, node: ir.Node, func: Func, returned: Value | None) -> Value:
    """Return what calling a generator function gives: all that it yields, or a context manager."""
    if func.wrapper == "manager":
        kind = "enable_grad" if state.grad_at_yield else "no_grad"
        value = state.yields[0] if state.yields else NONE
        frozen = (state.frozen_at_yield, state.frozen)
        return Context(kind, value, frozen, put_off(state))
    made = List(state.yields, kind="generator", yielded=state.yielded, returned=returned)
    return state.new(node, made)


def _too_deep(ex: Executor, state: State, function: ir.Function, given: Sequence[Value]) -> bool:
    if len(state.stack) >= ex.budget.depth:
        return True
    nested = sum(frame.detail is function for frame in state.frame.chain())
    counted = any(isinstance(value, Const) and type(value.value) is int for value in given)
    if not counted and not ex.reaches(function):
        return nested >= min(ex.budget.recursion, PLAIN_RECURSION)
    return nested >= ex.budget.recursion


def _bind_parameters(
    ex: Executor,
    state: State,
    func: Func,
    args: Sequence[Value],
    keywords: Mapping[str, Value],
) -> dict[str, Value]:
    """Match arguments with parameters; what nobody gives and has no default is unknown."""
    parameters = func.function.parameters
    positional = [p.name for p in parameters if p.kind == "positional"]
    bound = dict(zip(positional, args, strict=False))
    rest = {k: v for k, v in keywords.items() if k != UNKNOWN_KEYWORDS}
    defaults = dict(func.defaults)
    unsure = UNKNOWN_KEYWORDS in keywords
    for parameter in parameters:
        name = parameter.name
        if parameter.kind == "star":
            bound[name] = Tuple(tuple(args[len(positional) :]))
        elif parameter.kind == "double_star":
            names = {p.name for p in parameters}
            extra = {k: v for k, v in rest.items() if k not in names}
            bound[name] = state.new(parameter, Dict(extra, unsure))
        elif name in rest:
            bound[name] = rest[name]
        elif name not in bound:
            default = None if unsure else defaults.get(name)
            bound[name] = default or Sym(("parameter", state.frame, name))
    return bound
