"""Calls of library functions, by their dotted names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute import builtins, stdlib, unknown
from graphlint.static.execute.accumulated import note_used, set_apart
from graphlint.static.execute.branches import truth
from graphlint.static.execute.compiled import compile_value
from graphlint.static.execute.distributions import DENSITY, make_distribution
from graphlint.static.execute.gradients import in_entry
from graphlint.static.execute.items import every
from graphlint.static.execute.modules import make_layer, make_optimizer, parameters
from graphlint.static.execute.ops import apply_inplace, apply_op, is_tensor, note_tensor
from graphlint.static.execute.passes import run_pass
from graphlint.static.execute.state import State
from graphlint.static.execute.values import (
    NONE,
    TRUE,
    Const,
    Context,
    External,
    Func,
    List,
    Method,
    Ref,
    Scaler,
    Sym,
    Tensor,
    Tuple,
    Value,
)
from graphlint.static.knowledge.ops import cuts, find_inplace, find_op, is_plain, makes
from graphlint.trace import Form

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

BUILTINS = builtins.NAMES
GRAD_CONTEXTS = frozenset(("no_grad", "enable_grad", "inference_mode"))
PLAIN_CONTEXTS = frozenset(
    "autocast device profile record_function detect_anomaly set_detect_anomaly save_on_cpu "
    "saved_tensors_hooks fork_rng nullcontext suppress ExitStack AsyncExitStack".split()
)
CHECKPOINTS = frozenset(("checkpoint", "checkpoint_sequential"))
TRANSPARENT = frozenset(
    "torch.compile torch.autograd.Variable torch.jit.script torch.jit.trace torch.jit.freeze "
    "torch.jit.script_if_tracing torch.compiler.disable".split()
)
"""Functions that return what they are given, or something that does the same."""
COLLECTIVES = frozenset("all_reduce reduce broadcast barrier all_gather gather".split())
"""Functions of `torch.distributed` that look at a tensor's values, or change them."""
SIZED = frozenset(("randn", "rand", "zeros", "ones", "empty"))
VECTORS = frozenset(("parameters_to_vector", "pad_sequence", "pack_padded_sequence"))
CLOSED_CALLS = frozenset(
    "clip_grad_norm_ clip_grad_value_ save manual_seed manual_seed_all seed synchronize".split()
)


def call_external(
    ex: Executor,
    state: State,
    node: ir.Node,
    name: str,
    args: Sequence[Value],
    keywords: Mapping[str, Value],
) -> Results:
    """Call something of a library."""
    handler = builtins.HANDLERS.get(name) or stdlib.HANDLERS.get(name)
    if handler is not None:
        return handler(ex, state, node, args, keywords)
    last = name.rpartition(".")[2]
    if last == "set_grad_enabled":
        return _set_grad_enabled(state, args, keywords)
    if last in GRAD_CONTEXTS:
        return [(state, _grad_context(last, args, keywords))]
    if last in PLAIN_CONTEXTS:
        return [(state, Context("nothing"))]
    if last == "scale_loss":
        set_apart(state)  # leaving the context takes the scale off the gradients again
        return [(state, Context("nothing", args[0] if args else None))]
    if name == "itertools.chain" or name == "filter":
        return _gathered(ex, state, node, args[1:] if name == "filter" else args)
    if is_torch(name):
        return _call_torch(ex, state, node, name, last, args, keywords)
    if last in ex.backward_functions and isinstance(node, ir.Call):
        return run_pass(ex, node, state, Form.WRAPPER, args, keywords)
    return unknown.call_unknown(ex, state, node, External(name), args, keywords)


def is_torch(name: str) -> bool:
    """Whether a dotted name belongs to PyTorch."""
    return name.startswith("torch.") or name == "torch"


def _grad_context(last: str, args: Sequence[Value], keywords: Mapping[str, Value]) -> Value:
    mode = args[0] if args else keywords.get("mode")
    if isinstance(mode, Func):  # used as a plain decorator: no_grad(function)
        return replace(mode, grad=last == "enable_grad")
    if last == "inference_mode" and mode is not None:
        on = isinstance(mode, Const) and not mode.value
        return Context("nothing" if on else "no_grad")
    return Context("enable_grad" if last == "enable_grad" else "no_grad")


def _set_grad_enabled(
    state: State, args: Sequence[Value], keywords: Mapping[str, Value]
) -> Results:
    """Set the mode at once; in a `with`, what it was comes back at the end."""
    before = Const(state.grad)
    mode = args[0] if args else keywords.get("mode", before)
    results: Results = []
    for decided, way in truth(state, mode):
        decided.grad = way
        results.append((decided, Context("set_grad_enabled", before)))
    return results


def _gathered(ex: Executor, state: State, node: ir.Node, args: Sequence[Value]) -> Results:
    """Chain iterables, or filter one: what the filter keeps is not known, so all of it."""
    parts = [every(ex, state, value, node) for value in args]
    length = next((part.length for part in parts if part.length is not None), None)
    items = tuple(item for part in parts for item in part.values)
    return [(state, state.new(node, List(items, length)))]


# ------------------------------------------------------------------------------------- torch
def _call_torch(
    ex: Executor,
    state: State,
    node: ir.Node,
    name: str,
    last: str,
    args: Sequence[Value],
    keywords: Mapping[str, Value],
) -> Results:
    if name in PASSES and isinstance(node, ir.Call):
        return run_pass(ex, node, state, PASSES[name], args, keywords)
    if name.startswith("torch.Tensor.") and args:
        return ex.invoke(state, node, Method(args[0], last), args[1:], keywords)
    if name.startswith("torch.optim.") and last[:1].isupper() and ".lr_scheduler." not in name:
        return [(state, make_optimizer(ex, state, node, last, args, keywords))]
    if last == "Parameter":
        return [(state, _parameter(state, node, args, keywords))]
    if _is_layer(name, last):
        return [(state, make_layer(ex, state, node, last, args, keywords))]
    if last == "GradScaler":
        return [(state, state.new(node, Scaler()))]
    if last in CHECKPOINTS and args:
        return _checkpoint(ex, state, node, args[0], args[1:], keywords)
    if last == "Variable":
        return [(state, _variable(state, node, args, keywords))]
    if name in TRANSPARENT and args:
        same = compile_value(state, node, args[0]) if name == "torch.compile" else args[0]
        return [(state, same)]
    if last in CLOSED_CALLS or ".init." in name:
        return _closed(ex, state, node, name, args)
    return _call_op(ex, state, node, name, last, args, keywords)


PASSES: Mapping[str, Form] = {
    "torch.autograd.backward": Form.AUTOGRAD_BACKWARD,
    "torch.autograd.grad": Form.AUTOGRAD_GRAD,
}


def _is_layer(name: str, last: str) -> bool:
    return name.startswith("torch.nn.") and ".functional." not in name and last[:1].isupper()


def _checkpoint(
    ex: Executor,
    state: State,
    node: ir.Node,
    func: Value,
    args: Sequence[Value],
    keywords: Mapping[str, Value],
) -> Results:
    """Run a checkpointed function; a reentrant one makes no graph if no argument has one."""
    grad = state.grad
    if keywords.get("use_reentrant") == TRUE and all(is_tensor(state, value) for value in args):
        state.grad = grad and any(True for value in args for _ in state.handles(value))
    results = ex.invoke(state, node, func, args, _without_options(keywords))
    for after, _ in results:
        after.grad = grad
    return results


def _without_options(keywords: Mapping[str, Value]) -> dict[str, Value]:
    options = ("use_reentrant", "preserve_rng_state", "context_fn", "determinism_check", "debug")
    return {name: value for name, value in keywords.items() if name not in options}


def _wants_grad(keywords: Mapping[str, Value], default: bool = False) -> bool:
    flag = keywords.get("requires_grad")
    return default if flag is None else not (isinstance(flag, Const) and not flag.value)


def _leaf(state: State, node: ir.Node) -> Ref:
    made = state.tensor(node)
    state.put(made, Tensor(None, ("tensor", made.address)))
    return made


def _parameter(
    state: State, node: ir.Node, args: Sequence[Value], keywords: Mapping[str, Value]
) -> Value:
    flags = dict(keywords)
    if len(args) > 1:
        flags["requires_grad"] = args[1]
    return _leaf(state, node) if _wants_grad(flags, True) else state.tensor(node)


def _variable(
    state: State, node: ir.Node, args: Sequence[Value], keywords: Mapping[str, Value]
) -> Value:
    if _wants_grad(keywords):
        return _leaf(state, node)
    return args[0] if args else state.tensor(node)


def _closed(ex: Executor, state: State, node: ir.Node, name: str, args: Sequence[Value]) -> Results:
    """Call what neither records nor keeps a graph."""
    if "clip_grad" in name:
        note_used(ex, state, parameters(state, args[0]) if args else None)
    return [(state, args[0] if ".init." in name and args else state.sym(node, "number"))]


def _call_op(
    ex: Executor,
    state: State,
    node: ir.Node,
    name: str,
    last: str,
    args: Sequence[Value],
    keywords: Mapping[str, Value],
) -> Results:
    if makes(name) or last == "randn":
        made = _leaf(state, node) if _wants_grad(keywords) else state.tensor(node)
        if last in SIZED:
            _note_length(state, made, args)
        return [(state, made)]
    if cuts(name):
        return [(state, state.sym(node) if is_plain(name) else state.tensor(node))]
    if find_inplace(last) and args and isinstance(args[0], Ref):
        return [(state, apply_inplace(ex, state, node, args[0], last, args[1:], keywords))]
    if find_op(name) is not None:
        inplace = keywords.get("inplace")
        if isinstance(inplace, Const) and inplace.value and args and isinstance(args[0], Ref):
            done = apply_inplace(ex, state, node, args[0], f"{last}_", args[1:], {})
            return [(state, done)]
        note_tensor(state, args[0] if args else NONE)
        return [(state, apply_op(ex, state, node, name, args, keywords))]
    if last in VECTORS:
        return [(state, apply_op(ex, state, node, "cat", args))]
    return _call_other(ex, state, node, name, last, args, keywords)


def _note_length(state: State, made: Ref, args: Sequence[Value]) -> None:
    """Note how many rows a tensor has at least, where its size is written out."""
    size = args[0] if args else NONE
    rows = size.items[0] if isinstance(size, Tuple) and size.items else size
    if isinstance(rows, Const) and isinstance(rows.value, int):
        state.bounds["length", made.address] = rows.value


def _call_other(
    ex: Executor,
    state: State,
    node: ir.Node,
    name: str,
    last: str,
    args: Sequence[Value],
    keywords: Mapping[str, Value],
) -> Results:
    if name.startswith(("torch.cuda", "torch.backends", "torch.utils.data", "torch.random")):
        return [(state, state.sym(node))]
    if last == "is_grad_enabled":
        decided = not (state.grad and in_entry(state))  # else whoever calls the entry decides
        return [(state, Const(state.grad) if decided else Sym(("global", "grad mode")))]
    if last in COLLECTIVES and name.startswith("torch.distributed") and ".nn." not in name:
        return [(state, state.sym(node))]
    if last == "kl_divergence":
        return [(state, apply_op(ex, state, node, name, args, op=DENSITY))]
    if name.startswith("torch.distributions.") and last[:1].isupper():
        return [(state, make_distribution(state, node, last, [*args, *keywords.values()]))]
    return unknown.call_unknown(ex, state, node, External(name), args, keywords)
