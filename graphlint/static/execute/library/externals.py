"""Calls of library functions, by their dotted names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.accumulated import note_used, set_apart
from graphlint.static.execute.autograd.gradients import in_entry
from graphlint.static.execute.autograd.passes import run_pass
from graphlint.static.execute.library import (
    builtins,
    choosing,
    contexts,
    iterators,
    membership,
    normalizing,
    objects,
    stdlib,
    unknown,
)
from graphlint.static.execute.library.distributions import DENSITY, make_distribution
from graphlint.static.execute.library.items import every
from graphlint.static.execute.library.modules import (
    make_layer,
    make_leaf,
    make_optimizer,
    parameters,
)
from graphlint.static.execute.library.ops import (
    apply_inplace,
    apply_op,
    has_graph,
    is_tensor,
    note_tensor,
)
from graphlint.static.execute.library.training import make_framework
from graphlint.static.execute.paths.branches import truth
from graphlint.static.execute.paths.compiled import compile_value
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    NONE,
    TRUE,
    Const,
    Context,
    External,
    Func,
    Instance,
    Layer,
    List,
    Method,
    Ref,
    Scaler,
    Sym,
    Tuple,
    Value,
)
from graphlint.static.knowledge.frameworks import FRAMEWORKS
from graphlint.static.knowledge.ops import cuts, find_inplace, find_op, is_plain, makes
from graphlint.trace import Form

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

BUILTINS = builtins.NAMES
GRAD_CONTEXTS = frozenset(("no_grad", "enable_grad", "inference_mode"))
PLAIN_CONTEXTS = frozenset(
    "autocast device profile record_function detect_anomaly set_detect_anomaly save_on_cpu "
    "saved_tensors_hooks fork_rng nullcontext suppress".split()
)
TRANSPARENT = frozenset(
    "torch.compile torch.autograd.Variable torch.jit.script torch.jit.trace torch.jit.freeze "
    "torch.jit.script_if_tracing torch.compiler.disable".split()
)
"""Functions that return what they are given, or something that does the same."""
COLLECTIVES = frozenset("all_reduce reduce broadcast barrier all_gather gather".split())
"""Functions of `torch.distributed` that look at a tensor's values, or change them."""
HANDLERS = {
    **builtins.HANDLERS,
    **stdlib.HANDLERS,
    **iterators.HANDLERS,
    **objects.HANDLERS,
    **choosing.HANDLERS,
    **normalizing.HANDLERS,
    **membership.HANDLERS,
    "contextvars.ContextVar": contexts.make_variable,
}
SIZED = frozenset(("randn", "rand", "zeros", "ones", "empty"))
VECTORS = frozenset(("parameters_to_vector", "pad_sequence"))
PACKING = frozenset(("pack_padded_sequence", "pack_sequence"))
"""Functions that return a tensor, the sizes of its batches, and two orders."""
CLOSED_CALLS = frozenset(
    "clip_grad_norm_ clip_grad_value_ save manual_seed manual_seed_all seed synchronize".split()
)


def call_external(ex: Executor, state: State, call: Invocation, name: str) -> Results:
    """Call something of a library."""
    args = call.args
    handler = HANDLERS.get(name)
    if handler is not None:
        return handler(ex, state, call)
    last = name.rpartition(".")[2]
    if last == "set_grad_enabled":
        return _set_grad_enabled(state, call)
    if last in GRAD_CONTEXTS:
        return [(state, _grad_context(last, call))]
    if last in contexts.STACKS:
        return [(state, contexts.make_stack(state, call.node))]
    if last in PLAIN_CONTEXTS:
        given = args[0] if last == "nullcontext" and args else None
        return [(state, Context("nothing", given))]
    if last == "scale_loss":
        set_apart(state)  # leaving the context takes the scale off the gradients again
        return [(state, Context("nothing", args[0] if args else None))]
    if name == "itertools.chain":
        return _gathered(ex, state, call)
    if name == "filter" and len(args) == 2:
        return _filtered(ex, state, call, args[0])
    if is_torch(name):
        return _call_torch(ex, state, call, name, last)
    if last.lower() in FRAMEWORKS:
        return make_framework(ex, state, call, name)
    return unknown.call_unknown(ex, state, call, External(name))


def is_torch(name: str) -> bool:
    """Whether a dotted name belongs to PyTorch."""
    return name.startswith("torch.") or name == "torch"


def _grad_context(last: str, call: Invocation) -> Value:
    mode = call.args[0] if call.args else call.keywords.get("mode")
    if isinstance(mode, Func):  # used as a plain decorator: no_grad(function)
        return replace(mode, grad=last == "enable_grad")
    if last == "inference_mode" and mode is not None:
        on = isinstance(mode, Const) and not mode.value
        return Context("nothing" if on else "no_grad")
    return Context("enable_grad" if last == "enable_grad" else "no_grad")


def _set_grad_enabled(state: State, call: Invocation) -> Results:
    """Set the mode at once; in a `with`, what it was comes back at the end."""
    before = Const(state.grad)
    mode = call.args[0] if call.args else call.keywords.get("mode", before)
    results: Results = []
    for decided, way in truth(state, mode):
        decided.grad = way
        results.append((decided, Context("set_grad_enabled", before)))
    return results


def _gathered(ex: Executor, state: State, call: Invocation) -> Results:
    """Chain iterables."""
    parts = [every(ex, state, value, call.node) for value in call.args]
    length = next((part.length for part in parts if part.length is not None), None)
    items = tuple(item for part in parts for item in part.values)
    return [(state, state.new(call.node, List(items, length)))]


def _filtered(ex: Executor, state: State, call: Invocation, keeps: Value) -> Results:
    """Filter an iterable: what may be kept is."""
    items = every(ex, state, call.args[1], call.node)
    kept = [item for item in items.values if _may_be_kept(ex, state, call, keeps, item)]
    length = items.length
    return [(state, state.new(call.node, List(tuple(kept), length)))]


def _may_be_kept(ex: Executor, state: State, call: Invocation, keeps: Value, item: Value) -> bool:
    """Whether a filter may keep an item: its function is run on a path of its own, as it asks."""
    results: Results = [(state.fork(), item)]
    if keeps != NONE:
        results = ex.invoke(state.fork(), Invocation(call.node, (item,)), keeps)
    ways = [way for after, value in results for _, way in truth(after, value)]
    return not ways or any(ways)


# ------------------------------------------------------------------------------------- torch
def _call_torch(ex: Executor, state: State, call: Invocation, name: str, last: str) -> Results:
    args = call.args
    if name in PASSES and isinstance(call.node, ir.Call):
        return run_pass(ex, state, call, PASSES[name])
    if name.startswith("torch.Tensor.") and args:
        return ex.invoke(state, call.after(1), Method(args[0], last))
    if name.startswith("torch.optim.") and last[:1].isupper() and ".lr_scheduler." not in name:
        return [(state, make_optimizer(ex, state, call, last))]
    if last == "Parameter":
        return [(state, _parameter(state, call))]
    if _is_layer(name, last):
        return [(state, make_layer(ex, state, call, last))]
    if last == "GradScaler":
        return [(state, state.new(call.node, Scaler()))]
    if last == "checkpoint" and args:
        return _checkpoint(ex, state, call.after(1), args[0])
    if last == "checkpoint_sequential" and len(args) > 2 and _is_sequence(state, args[0]):
        return _checkpoint(ex, state, call.after(2), args[0])
    if last == "Variable":
        return [(state, _variable(state, call))]
    if name in TRANSPARENT and args:
        same = compile_value(state, call.node, args[0]) if name == "torch.compile" else args[0]
        return [(state, same)]
    if last in CLOSED_CALLS or ".init." in name:
        return _closed(ex, state, call, name)
    return _call_op(ex, state, call, name, last)


PASSES: Mapping[str, Form] = {
    "torch.autograd.backward": Form.AUTOGRAD_BACKWARD,
    "torch.autograd.grad": Form.AUTOGRAD_GRAD,
}


def _is_layer(name: str, last: str) -> bool:
    return name.startswith("torch.nn.") and ".functional." not in name and last[:1].isupper()


def _is_sequence(state: State, value: Value) -> bool:
    """Whether a value is called as a whole: a list of functions is called one by one."""
    return bool(state.get(value, Layer) or state.get(value, Instance))


def _checkpoint(ex: Executor, state: State, call: Invocation, func: Value) -> Results:
    """Run a checkpointed function; a reentrant one makes no graph if no argument has one."""
    grad = state.grad
    if call.keywords.get("use_reentrant") == TRUE and all(
        is_tensor(state, value) for value in call.args
    ):
        state.grad = grad and any(True for value in call.args for _ in state.handles(value))
    results = ex.invoke(
        state, Invocation(call.node, call.args, _without_options(call.keywords)), func
    )
    for after, _ in results:
        after.grad = grad
    return results


def _without_options(keywords: Mapping[str, Value]) -> dict[str, Value]:
    options = ("use_reentrant", "preserve_rng_state", "context_fn", "determinism_check", "debug")
    return {name: value for name, value in keywords.items() if name not in options}


def _wants_grad(keywords: Mapping[str, Value], default: bool = False) -> bool:
    flag = keywords.get("requires_grad")
    return default if flag is None else not (isinstance(flag, Const) and not flag.value)


def _parameter(state: State, call: Invocation) -> Value:
    return (
        make_leaf(state, call.node)
        if _wants_grad(_with_flag(call), True)
        else state.tensor(call.node)
    )


def _with_flag(call: Invocation) -> Mapping[str, Value]:
    """Return a call's keywords, with `requires_grad` if that is given by its position."""
    return {"requires_grad": call.args[1], **call.keywords} if len(call.args) > 1 else call.keywords


def _variable(state: State, call: Invocation) -> Value:
    """Wrap a tensor as programs of before torch 0.4 do: today that detaches it."""
    if _wants_grad(_with_flag(call)):
        return make_leaf(state, call.node)
    data = call.args[0] if call.args else None
    return state.tensor(call.node) if data is None or has_graph(state, data) else data


def _closed(ex: Executor, state: State, call: Invocation, name: str) -> Results:
    """Call what neither records nor keeps a graph."""
    if "clip_grad" in name:
        note_used(ex, state, parameters(state, call.args[0]) if call.args else None)
    return [
        (state, call.args[0] if ".init." in name and call.args else state.sym(call.node, "number"))
    ]


def _call_op(ex: Executor, state: State, call: Invocation, name: str, last: str) -> Results:
    args, keywords = call.args, call.keywords
    if makes(name) or last == "randn":
        made = make_leaf(state, call.node) if _wants_grad(keywords) else state.tensor(call.node)
        if last in SIZED:
            _note_length(state, made, args)
        return [(state, made)]
    if cuts(name):
        return [(state, state.sym(call.node) if is_plain(name) else state.tensor(call.node))]
    if find_inplace(last) and args and isinstance(args[0], Ref):
        return [(state, apply_inplace(ex, state, call.node, args[0], last, args[1:], keywords))]
    if find_op(name) is not None:
        inplace = keywords.get("inplace")
        if isinstance(inplace, Const) and inplace.value and args and isinstance(args[0], Ref):
            done = apply_inplace(ex, state, call.node, args[0], f"{last}_", args[1:], {})
            return [(state, done)]
        note_tensor(state, args[0] if args else NONE)
        return [(state, apply_op(ex, state, call.node, name, args, keywords))]
    if last in VECTORS:
        return [(state, apply_op(ex, state, call.node, "cat", args))]
    if last in PACKING:
        joined = apply_op(ex, state, call.node, "cat", args)
        return [(state, Tuple((joined, state.sym(call.node, "sizes"), NONE, NONE)))]
    return _call_other(ex, state, call, name, last)


def _note_length(state: State, made: Ref, args: Sequence[Value]) -> None:
    """Note how many rows a tensor has at least, where its size is written out."""
    size = args[0] if args else NONE
    rows = size.items[0] if isinstance(size, Tuple) and size.items else size
    if isinstance(rows, Const) and isinstance(rows.value, int):
        state.bounds["length", made.address] = rows.value


def _call_other(ex: Executor, state: State, call: Invocation, name: str, last: str) -> Results:
    if name.startswith(("torch.cuda", "torch.backends", "torch.utils.data", "torch.random")):
        return [(state, state.sym(call.node))]
    if last == "is_grad_enabled":
        # Whoever calls the entry decides; what is left out without gradients has no pass to find.
        decided = ex.again or not (state.grad and in_entry(state))
        return [(state, Const(state.grad) if decided else Sym(("global", "grad mode")))]
    if last in COLLECTIVES and name.startswith("torch.distributed") and ".nn." not in name:
        return [(state, state.sym(call.node))]
    if last == "kl_divergence":
        return [(state, apply_op(ex, state, call.node, name, call.args, op=DENSITY))]
    if name.startswith("torch.distributions.") and last[:1].isupper():
        return [(state, make_distribution(state, call.node, last, call.values))]
    return unknown.call_unknown(ex, state, call, External(name))
