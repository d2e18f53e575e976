"""Hooks of tensors and nodes, and what the functions that they run hold.

# Note [When a hook holds its own graph]
A node holds the hooks that are registered on it, and on the tensor that it made; a leaf's are held
by the node that accumulates its gradient. A hook holds its function, and this what it closes over,
its defaults, or the object whose method it is. If one of these is a tensor of a graph that leads
down to the hook's node, they hold each other: the tensor its node, this the nodes below it, one of
them the hook. Part of the way is in C++, where the garbage collector doesn't look (measured with
torch 2.13.0; `tests/fixtures/test_hooks.py` does so again).

Variables of a file are no part of a function, and what a variable is bound to later counts: so the
question is asked at a path's end. A hook whose handle is kept may be removed, and is not judged.

An object whose method is the hook holds one graph at a time: the next pass puts another in its
place. So it is a leak where objects come and go, and none where one lives on, is used again, or is
the only one that the program makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.paths.frames import Frame
from graphlint.static.execute.paths.graph import Leaf, surely_reachable
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.keys import object_key
from graphlint.static.execute.paths.values import (
    Address,
    Env,
    Func,
    Instance,
    Method,
    NodeId,
    Partial,
    Ref,
    Tensor,
    Value,
)
from graphlint.static.execute.records.records import site_of
from graphlint.trace import Confidence, Doubt, HookCycle, Site

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor
    from graphlint.static.execute.paths.state import State

OBJECT_CHANGES = Doubt(Confidence.LIKELY, "the object may let go of the tensor later")


@dataclass(frozen=True, slots=True)
class Hook:
    """A hook that was registered.

    Attributes:
        site: the call.
        node, leaf: what holds it.
        function: what it runs.
        dropped: nobody has the handle that could remove it.
    """

    site: Site
    node: NodeId | None
    leaf: Leaf | None
    function: Value
    dropped: bool = False


def note_registered(state: State, call: Invocation, owner: Ref) -> None:
    """Note a hook that is registered on a tensor, or on the node that made it."""
    found = state.get(owner, Tensor)
    if found is not None and call.args and (found.node is not None or found.leaf is not None):
        site = site_of(call.node, state.frame)
        state.facts["hook", (call.node, state.frame)] = Hook(
            site, found.node, found.leaf, call.args[0]
        )


def note_handle_dropped(state: State, call: ir.Node) -> None:
    """Note a call whose value nobody takes: a hook that it registered can't be removed."""
    hook = state.facts.get(("hook", (call, state.frame)))
    if hook is not None:
        state.facts["hook", (call, state.frame)] = replace(hook, dropped=True)


def settle_hooks(ex: Executor, state: State) -> None:
    """Tell the hooks whose functions hold the graph that holds them, at a path's end."""
    noted = {about: hook for (name, about), hook in state.facts.items() if name == "hook"}
    hooks = list(noted.values())
    owners = [owner for hook in hooks if (owner := _owner(hook.function)) is not None]
    reused = {owner for owner in owners if owners.count(owner) > 1 or _lives_on(state, owner)}
    for (_, frame), hook in noted.items():
        if _owner(hook.function) is not None and _runs_once(frame):
            continue
        if hook.dropped and _is_here(state, hook.function) and _owner(hook.function) not in reused:
            _settle(ex, state, hook)


def _settle(ex: Executor, state: State, hook: Hook) -> None:
    for name, value, doubts in _held(state, hook.function):
        made = next((n for n in state.nodes(value) if _leads_to(state, n, hook)), None)
        if made is not None:
            node = state.graph[made]
            place = site_of(node.place, node.frame)
            ex.records.hook_cycles[HookCycle(hook.site, place, name, doubts)] = None
            return


def _runs_once(frame: Frame) -> bool:
    """Whether a program gets to a frame once: from its `main()`, which nobody hands anything."""
    outermost = [each.detail for each in frame.chain() if isinstance(each.detail, ir.Function)][-1:]
    is_entry = any(each.kind == "entry" for each in frame.chain())
    return not (is_entry or frame.loops or any(main.parameters for main in outermost))


def _owner(function: Value) -> Ref | None:
    """Return the object whose method a function is."""
    if isinstance(function, Partial):
        return _owner(function.func)
    bound = function.bound if isinstance(function, Func) else None
    return bound if isinstance(bound, Ref) else None


def _lives_on(state: State, owner: Ref) -> bool:
    """Whether a variable of a file leads to an object, or a caller that is not known has it."""
    todo = [a for a, each in state.heap.items() if isinstance(each, Env) and each.parent is None]
    entries = (frame.place for frame in state.frame.chain() if frame.kind == "entry")
    todo += [place.address for place in entries if isinstance(place, Ref)]
    seen: set[Address] = set()
    while todo:
        address = todo.pop()
        if address not in seen:
            seen.add(address)
            todo += object_key(state.heap[address], 0)[1]
    return owner.address in seen


def _is_here(state: State, function: Value) -> bool:
    """Whether this path made a function, and not one that was merged into it."""
    return not isinstance(function, Func) or function.env in state.heap


def _leads_to(state: State, number: NodeId, hook: Hook) -> bool:
    below = surely_reachable(state.graph, [number])
    if hook.node is not None:
        return hook.node in below
    return any(hook.leaf in state.graph[each].leaves for each in below)


def _held(state: State, function: Value) -> Iterator[tuple[str, Value, frozenset[Doubt]]]:
    """Walk what a function holds, by the name that it has for it."""
    if isinstance(function, Partial):
        yield from _held(state, function.func)
        for value in (*function.args, *dict(function.keywords).values()):
            yield "", value, frozenset()
    elif isinstance(function, Func):
        yield from ((name, value, frozenset()) for name, value in function.defaults)
        yield from ((name, value, frozenset()) for name, value in _closed_over(state, function))
        yield from _attributes(state, function.bound)
    elif isinstance(function, Method):
        yield "", function.owner, frozenset()


def _attributes(state: State, owner: Value | None) -> Iterator[tuple[str, Value, frozenset[Doubt]]]:
    found = state.get(owner, Instance)
    for name, value in found.attrs.items() if found else ():
        yield name, value, frozenset((OBJECT_CHANGES,))


def _closed_over(state: State, function: Func) -> Iterator[tuple[str, Value]]:
    """Walk the variables of enclosing functions that a function mentions."""
    own = {parameter.name for parameter in function.function.parameters}
    names = {n.id for n in ir.walk(function.function) if isinstance(n, ir.Name)} - own
    address: Address | None = function.env
    while address is not None:
        env = state.heap[address]
        assert isinstance(env, Env)
        if env.parent is None:
            return
        yield from ((name, env.vars[name]) for name in sorted(names & env.vars.keys()))
        names -= env.vars.keys()
        address = env.parent
