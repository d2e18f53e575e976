"""Generators: their bodies run at once, when they are called; here is what makes up for that.

# Note [Bodies run within managers]
A `with` over the call of a context manager that a generator makes runs its body where the generator
yields: the call is made with the offer of a `Managed`, which the `yield` takes. So what stands
behind the `yield` happens after the body. How the body ended is left in a variable of the
generator's; a manager that is made elsewhere, before the `with`, has run to its end by then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeAlias

from graphlint.static import ir
from graphlint.static.execute.paths.frames import Frame
from graphlint.static.execute.paths.graph import Node
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    Address,
    Const,
    Context,
    Env,
    Func,
    Instance,
    Layer,
    Object,
    Ref,
    Tuple,
    Value,
)

Change: TypeAlias = tuple[Ref, str, Value | None]
"""An attribute and its new value, None where it is gone."""


def catch_up(state: State, yielded: Frame) -> None:
    """Take what a generator builds for the next item for built now, when the item is asked for.

    What the loop has changed in place since the generator was called is not changed any more.

    Args:
        state: the loop's state, before the iteration.
        yielded: the frame in which the generator yields the item.
    """
    call = next((frame for frame in yielded.chain() if frame.kind == "call"), None)
    for number, node in state.graph.items():
        if node.saved_leaves and call is not None and _is_due(node, call, yielded):
            if number not in state.kept and number not in state.freed:
                state.graph[number] = _renewed(state, number, node)


def _is_due(node: Node, call: Frame, yielded: Frame) -> bool:
    """Whether a call of a generator builds a node for the item, or for one before it."""
    made = node.frame
    return made is not None and call in made.chain() and not yielded.precedes(made)


def _renewed(state: State, number: int, node: Node) -> Node:
    versions = tuple([(leaf, state.versions.get(leaf, 0)) for leaf, _ in node.saved_leaves])
    if versions == node.saved_leaves:
        return node
    made: Node = state.frames.share(
        (number, versions, node.content), replace(node, saved_leaves=versions)
    )
    return made


# --------------------------------------------------------------------------- context managers
LEFT = "__left__"
"""The variable of a generator's that says how the body of its `with` ended."""
MANAGED = "managed"
"""The kind of a context manager whose body has been run."""


@dataclass(frozen=True, slots=True, eq=False)
class Managed:
    """The body of a `with`, to be run where its manager yields.

    Attributes:
        node: the call that makes the manager.
        run: runs the body, given what was yielded; returns how it may end.
        frame, env, stack, temps, outer: where the `with` stands: what a state had there.
        raised: how the body ended where it raised.
    """

    node: ir.Node
    run: Callable[[State, Value], list[tuple[State, Any]]]
    frame: Frame
    env: Address
    stack: tuple[Address, ...]
    temps: tuple[Value, ...]
    yields: tuple[tuple[Value, ...], tuple[Frame, ...]]
    outer: Managed | None
    raised: list[tuple[State, Any]]


def offer(
    state: State, node: ir.Node, run: Callable[[State, Value], list[tuple[State, Any]]]
) -> Managed:
    """Offer the body of a `with` to the manager that a call makes."""
    yields = (state.yields, state.yielded)
    made = Managed(
        node, run, state.frame, state.env, state.stack, state.temps, yields, state.managed, []
    )
    state.managed = made
    return made


def takes_body(state: State, node: ir.Node, func: Func) -> bool:
    """Whether a call makes the manager that the body of a `with` is offered to."""
    offered = state.managed is not None and state.managed.node is node
    return offered and func.wrapper == "manager" and func.function.yields


def run_managed(state: State, managed: Managed, value: Value) -> list[State]:
    """Run the body of a `with` from within its manager: the states that go on behind the yield."""
    frame, env, stack, temps = state.frame, state.env, state.stack, state.temps
    state.frame, state.env, state.managed = managed.frame, managed.env, managed.outer
    state.stack, state.temps = (*stack, env), (*temps, *managed.temps)
    state.yields, state.yielded = managed.yields
    going: list[State] = []
    for after, flow in managed.run(state, value):
        if flow.kind == "raise":
            after.frame, after.stack, after.temps = managed.frame, managed.stack, managed.temps
            managed.raised.append((after, flow))
            continue
        after.frame, after.env, after.managed = frame, env, None
        after.stack, after.temps = stack, temps
        after.bind(LEFT, Tuple((Const(flow.kind), flow.value or Const(None))))
        going.append(after)
    return going


def body_that_ran(state: State) -> Value | None:
    """Return how the body ended that was run within the manager which ends here, if one was."""
    env = state.heap[state.env]
    return env.vars.get(LEFT) if isinstance(env, Env) else None


def is_sent_to(state: State) -> bool:
    """Whether the generator that runs waits for what somebody sends, who has what it yields."""
    running = (frame.detail for frame in state.frame.chain() if frame.kind == "call")
    function = next(running, None)
    return isinstance(function, ir.Function) and _takes_what_is_sent(function)


@lru_cache(maxsize=256)
def _takes_what_is_sent(function: ir.Function) -> bool:
    nodes = [node for statement in function.body for node in ir.walk(statement)]
    dropped = {id(node.value) for node in nodes if isinstance(node, ir.ExprStmt)}
    yields = (node for node in nodes if isinstance(node, ir.Yield) and not node.delegate)
    return any(id(node) not in dropped for node in yields)


def note_yield(state: State) -> None:
    """Note how things are where a generator yields, the first time."""
    state.grad_at_yield, state.frozen_at_yield = state.grad, state.frozen
    if not state.yields:
        state.heap_at_yield = state.heap.copy()


def put_off(state: State) -> tuple[Change, ...]:
    """Take back what a context manager's generator did to attributes behind its `yield`.

    Returns:
        What is to be done when the manager is left.
    """
    changes: list[Change] = []
    for address, before in state.heap_at_yield.items() if state.yields else ():
        now = state.heap.get(address)
        if now is not before and now is not None:
            made = _changes(Ref(address), before, now)
            changes += made
            if made:
                state.heap[address] = before
    state.heap_at_yield = {}
    return tuple(changes)


def _changes(ref: Ref, before: Object, now: Object) -> list[Change]:
    if not isinstance(before, (Instance, Layer)) or not isinstance(now, (Instance, Layer)):
        return []
    names = dict.fromkeys((*before.attrs, *now.attrs))
    return [(ref, n, now.attrs.get(n)) for n in names if before.attrs.get(n) != now.attrs.get(n)]


def restore(state: State, manager: Context) -> None:
    """Do what a context manager does to attributes when it is left."""
    for ref, name, value in manager.restored:
        found = state.object(ref)
        if isinstance(found, (Instance, Layer)):
            attrs = {key: each for key, each in found.attrs.items() if key != name}
            state.put(ref, replace(found, attrs=attrs if value is None else {**attrs, name: value}))
