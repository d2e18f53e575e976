"""Calls of code that is not known: what they may return, keep, or do with what they are handed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.accumulated import note_strangers
from graphlint.static.execute.autograd.frameworks import (
    differentiate_step,
    is_called_by_framework,
    is_differentiated,
)
from graphlint.static.execute.autograd.gradients import note_escape
from graphlint.static.execute.autograd.leaks import release
from graphlint.static.execute.autograd.merge import Flow, merge
from graphlint.static.execute.paths.classes import find_method, holds_module, members
from graphlint.static.execute.paths.graph import Leaf, reachable
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    NONE,
    PLAIN,
    External,
    Func,
    Instance,
    Key,
    Method,
    NodeId,
    Optimizer,
    Ref,
    Sym,
    Tensor,
    Tuple,
    Value,
    source,
)
from graphlint.static.knowledge.facts import MAYBE
from graphlint.static.knowledge.frameworks import PASS
from graphlint.static.knowledge.names import (
    DATA_MAKERS,
    DATA_MAKING,
    DATA_METHODS,
    GRAPHLESS,
    MODULE_LOADERS,
    OBJECTS,
    RISKY,
    SINKS,
    STORING,
    TRANSFORMS,
)
from graphlint.trace import Confidence, Doubt

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

CLASS_NAME = re.compile(r"_?[A-Z][A-Za-z0-9]*[a-z]")
"""How the names of classes begin: what calling one returns is an object, and no loss."""
MODULE = "module"
"""Marks a module that a program loads by a name, as `importlib.import_module` does."""
MAKING = ("make", "build", "create", "load", "define", "init", "setup", "clone")
"""How the names of functions begin that return an object, and no loss."""
MADE_OPTIMIZER = re.compile("^_*(get|make|build|create|init|setup|set_up|configure).*optimi[sz]er")
"""Names of what makes an optimizer, and uses none."""
ANSWER = "answer"
"""Marks objects, in `State.facts`, by name, with the node of what calling them made last."""
MOST_NESTED = 8
"""How deep the stack may be for a function that is handed over to be run."""


def call_unknown(ex: Executor, state: State, call: Invocation, func: Value) -> Results:
    """Call code that is not known: an unknown value over the graphs of its arguments."""
    if isinstance(func, External) and func.name.partition(".")[0] in GRAPHLESS:
        state = _run_callbacks(ex, state, call, func)
        return [(state, state.sym(call.node, PLAIN))]
    given = call.values
    name = called_name(func)
    if isinstance(func, External) and func.name in MODULE_LOADERS:
        return [(state, state.sym(call.node, MODULE))]
    if isinstance(func, External) and (func.name.startswith(TRANSFORMS) or func.name in OBJECTS):
        return [(state, state.sym(call.node, PLAIN))]
    if name not in SINKS:
        risky = is_risky(name) and not (name == "step" and not given)  # that is an optimizer's
        risky = risky or (isinstance(func, Func) and ex.reaches(func.function))
        hand_over(state, [*given, *_receiver(func)], name, risky)
        note_escape(ex, state, [*given, *_receiver(func)])
        note_strangers(ex, state, func, [*given, *_receiver(func)], risky)
    state = _run_callbacks(ex, state, call, func)
    return [(state, _result(state, call.node, func, name, given, _sources(state, func)))]


def called_name(func: Value) -> str:
    """Return the last part of the name of what is called, empty where it has none."""
    if isinstance(func, (External, Method)):
        return func.name.rpartition(".")[2]
    if isinstance(func, Func):
        return func.function.name
    if isinstance(func, Sym) and func.name[0] in ("attribute", "global", "parameter"):
        return str(func.name[-1])
    return ""


def _receiver(func: Value) -> list[Value]:
    return [func.owner] if isinstance(func, Method) else []


def _sources(state: State, func: Value) -> list[Value]:
    """Return the receiver of a method, whose graphs may be in the result.

    What an object has and its class does not define is something else that can be called, such as
    a model: it does not know the object.
    """
    if isinstance(func, Method) and isinstance(func.owner, Ref):
        found = state.get(func.owner, Instance)
        if found and not found.opaque and not find_method(state, func.owner, func.name):
            return []
    return _receiver(func)


def hand_over(state: State, values: Sequence[Value], name: str, risky: bool) -> None:
    """Note that unknown code gets hold of graphs: it may visit them, now or later.

    `risky` says that its name tells as much.
    """
    release(state, values)
    state.handed = state.handed.union(n for value in values for n in state.nodes(value))
    if not state.kept:
        return
    level = Confidence.POSSIBLE if risky else Confidence.LIKELY
    called = f"`{name}`" if name else "a call"
    doubt = Doubt(level, f"the graph is handed to {called}, whose code is not known")
    for number in reachable(state.graph, [n for v in values for n in state.nodes(v)]):
        for keeper in state.kept.get(number, ()):
            pending = state.pending.get(keeper)
            if pending is not None and doubt not in pending.handed:
                state.pending[keeper] = replace(pending, handed=pending.handed | {doubt})


def is_risky(name: str) -> bool:
    """Whether a call's name says that it may run a pass, or keeps what it gets for one."""
    lowered = MADE_OPTIMIZER.sub("", name.lower())
    return name in STORING or any(part in lowered for part in RISKY)


def _run_callbacks(ex: Executor, state: State, call: Invocation, func: Value) -> State:
    """Run functions of the program that are handed over: twice, as unknown code may.

    One that is handed over with its arguments is run once, with these.
    """
    if len(state.stack) >= MOST_NESTED or isinstance(func, Func):
        return state
    for value, given in _callbacks(call):
        function = value.function
        if function not in ex.running_callbacks:
            ex.running_callbacks.add(function)
            try:
                for index in range(1 if given else 2):
                    state = _run_once(ex, state, call.node, value, given, index)
            finally:
                ex.running_callbacks.discard(function)
    state = _run_passes(ex, state, call)
    drives = is_risky(called_name(func))
    handed = call.values if drives else []
    driven = [method for value in handed for method in _driven(ex, state, value)]
    for index in range(2):
        for method in driven:
            state = _run_once(ex, state, call.node, method, (), index)
    return state


def _run_passes(ex: Executor, state: State, call: Invocation) -> State:
    """Run passes that are handed over as methods of losses: `pool.submit(loss.backward)`."""
    for index, value in enumerate(call.args):
        if isinstance(value, Method) and value.name == PASS and isinstance(call.node, ir.Call):
            given = call.args[1:] if index == 0 else ()
            results = ex.invoke(state, Invocation(call.node, given, call.keywords), value)
            state = results[0][0] if results else state
    return state


def _driven(ex: Executor, state: State, value: Value) -> list[Func]:
    """Return the methods with passes of an object that a framework knows how to drive.

    Its class inherits from code that is not known, as a `LightningModule` does.
    """
    found = state.get(value, Instance)
    if found is None or not found.opaque or not isinstance(value, Ref):
        return []
    methods = [
        replace(member, bound=value)
        for cls in members(state, found.cls)
        for name, member in cls.members.items()
        if isinstance(member, Func) and member.kind == "function" and not name.startswith("__")
    ]
    called = frozenset().union(*(method.function.mentions.calls for method in methods))
    return [
        method
        for method in methods
        if method.function not in ex.called
        and method.function.name not in called
        and ex.reaches(method.function)
        and not is_called_by_framework(state, value, method.function.name)
    ]


def _run_once(
    ex: Executor, state: State, node: ir.Node, func: Func, given: Sequence[Value], index: int
) -> State:
    frame = ex.enter(state, node, "loop", index=index)
    results = [
        (done, value)
        for after, value in ex.invoke(state, Invocation(node, given), func)
        for done in differentiate_step(ex, after, func, func.bound or NONE, value)
    ]
    for after, value in results:
        if not is_differentiated(after, func, func.bound or NONE):
            ex.escape(after, [value])  # whoever runs the function gets what it returns
        after.frame = frame
    state.frame = frame
    merged = merge(ex, [(s, Flow("return", v)) for s, v in results])
    for dropped, _ in merged[1:]:
        ex.finish(dropped)
    return merged[0][0] if merged else state


def _callbacks(call: Invocation) -> Iterator[tuple[Func, Sequence[Value]]]:
    """Walk the functions among arguments, with what they are probably called with.

    `pool.submit(function, *args)` and `Thread(target=function, args=args)` are the usual forms; the
    arguments of others are unknown.
    """
    handed = call.keywords.get("args")
    for index, value in enumerate(call.args):
        if isinstance(value, Func):
            yield value, call.args[1:] if index == 0 else ()
    for value in call.keywords.values():
        if isinstance(value, Func):
            yield value, handed.items if isinstance(handed, Tuple) else ()


def _result(
    state: State,
    node: ir.Node,
    func: Value,
    name: str,
    handed: Sequence[Value],
    owner: Sequence[Value],
) -> Value:
    given = [*handed, *owner]
    handles = list(dict.fromkeys(h for value in given for h in state.handles(value)))
    nodes = tuple(h for h in handles if isinstance(h, int))
    leaves: frozenset[Leaf] = frozenset(h for h in handles if not isinstance(h, int))
    if not handles and not _makes_data(node, func):
        leaves = frozenset() if _is_class(state, func, given) else _own_leaves(state, func, name)
    if not handles and _is_plain(func):
        return state.sym(node, PLAIN)
    tag = "object" if CLASS_NAME.match(name) or is_member(func) else "made"
    if not state.grad or not (nodes or leaves) or name in SINKS or _has_optimizer(state, given):
        return state.sym(node, tag)
    recalled = () if handed else _recalled(state, func)
    made = state.record(
        node,
        name or "call",
        (*nodes, *recalled),
        leaves,
        MAYBE,
        saved_inputs=nodes,
        unknown=True,
        opaque=True,
        guessed=(*_found_on(state, nodes, handed, owner), *recalled),
    )
    if isinstance(func, (Sym, Method)):
        state.facts[ANSWER, _name_of(func)] = made
    if _has_tensor(nodes, leaves) and not any(holds_module(state, value) for value in given):
        state.facts["of tensors", made] = True
    return state.sym(node, tag, made)


def _recalled(state: State, func: Value) -> tuple[NodeId, ...]:
    """Return the node of what an object that is not known made last, when it was called itself.

    A method that is handed nothing makes its loss of the object's parameters, or of what the object
    kept of its forward pass.
    """
    if not isinstance(func, Method) or not isinstance(func.owner, Sym):
        return ()
    answer = state.facts.get((ANSWER, func.owner.name))
    return (answer,) if answer in state.graph else ()  # a path that was joined may have made it


def _name_of(func: Sym | Method) -> Key:
    """Return what an unknown value is called that is called itself, be it read from an object."""
    if isinstance(func, Sym):
        return func.name
    owner = func.owner
    of = owner.address if isinstance(owner, Ref) else getattr(owner, "name", None)
    return ("attribute", of, func.name)


def _found_on(
    state: State, nodes: Sequence[NodeId], handed: Sequence[Value], owner: Sequence[Value]
) -> tuple[NodeId, ...]:
    """Return the nodes that code got with the object whose method it is, and not otherwise."""
    if not any(state.get(value, Instance) for value in owner):
        return ()
    given = {number for value in handed for number in state.nodes(value)}
    return tuple(number for number in nodes if number not in given)


def _has_tensor(nodes: Collection[NodeId], leaves: Collection[Leaf]) -> bool:
    """Whether code got tensors to make something of, such as a distribution.

    What the methods of such an object give is likely to share what it made. A wrapper around a
    model makes no graph.
    """
    return bool(nodes) or any(leaf[0] == "tensor" for leaf in leaves)


def _has_optimizer(state: State, given: Sequence[Value]) -> bool:
    """Whether code is handed an optimizer: it sets a training up, or runs a step of one.

    What it returns is models and loaders in wrappers (`accelerator.prepare(model, optimizer,
    loader)`), or a loss that has been differentiated.
    """
    return any(state.get(value, Optimizer) for value in given)


def _makes_data(node: ir.Node, func: Value) -> bool:
    """Whether what is called has no parameters, by where it comes from or how it is called."""
    written = node.func if isinstance(node, ir.Call) else None
    name = written.name if isinstance(written, ir.Attribute) else ""
    name = written.id if isinstance(written, ir.Name) else name
    name = name.lower()
    return name in DATA_MAKERS or any(p in name for p in DATA_MAKING) or _is_plain(func)


def _is_plain(func: Value) -> bool:
    """Whether a value, or what a method is of, has neither graphs nor parameters."""
    owner = func.owner if isinstance(func, Method) else func
    if not isinstance(owner, Sym) or owner.node is not None:
        return False
    made = source(owner.name)
    return isinstance(made, tuple) and made[:1] == (PLAIN,)


def is_member(func: Value) -> bool:
    """Whether what is called is chosen from a module by a name: mostly a class, or a function.

    It makes models and losses, as `getattr(models, name)()` and `models.__dict__[name]()` do, and
    owns no parameters itself.
    """
    if not isinstance(func, Sym):
        return False
    kind, owner = func.name[:2]
    named = kind == "subscript" and isinstance(owner, tuple) and owner[0] == "global"
    return kind == "member" or (named and owner[-1] == "__dict__")


def _is_class(state: State, func: Value, given: Sequence[Value]) -> bool:
    """Whether what is called is a class, by its name: a star import brings it along.

    The object is a graph no more than one of a class that is imported by its name. A network may be
    called that as well, but is given tensors.
    """
    if not isinstance(func, Sym) or func.name[0] != "global":
        return False
    tensors = any(state.get(value, Tensor) is not None for value in given)
    return bool(CLASS_NAME.match(str(func.name[-1]))) and not tensors


def _own_leaves(state: State, func: Value, name: str) -> frozenset[Leaf]:
    """Return the parameters that unknown code may have of its own, such as those of a model."""
    if isinstance(func, Sym):
        return frozenset() if is_member(func) else frozenset((("unknown", func.name),))
    if isinstance(func, Method) and name not in DATA_METHODS:
        if isinstance(func.owner, Sym):
            named = func.owner.name[0] in ("global", MODULE)  # its functions own nothing
            makes = CLASS_NAME.match(name) or name.isupper() or name.startswith(MAKING)
            return frozenset() if named and makes else frozenset((("unknown", func.owner.name),))
        if state.get(func.owner, Instance):
            return frozenset((("unknown", func.owner),))
    if isinstance(func, Ref) and (state.get(func, Instance) or state.get(func, Tensor)):
        return frozenset((("unknown", func.address),))
    return frozenset()
