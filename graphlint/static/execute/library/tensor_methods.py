"""Methods of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.grad_reads import note_method, note_moved
from graphlint.static.execute.autograd.hooks import note_registered
from graphlint.static.execute.autograd.passes import run_pass
from graphlint.static.execute.autograd.sums import note_added_in_place
from graphlint.static.execute.library.modules import set_requires_grad
from graphlint.static.execute.library.ops import apply_inplace, apply_op
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.numbers import name_of
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    NONE,
    TRUE,
    Const,
    External,
    Ref,
    Sym,
    Tensor,
    Value,
)
from graphlint.static.knowledge.ops import cuts, find_inplace, is_plain
from graphlint.trace import Form

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

NUMBERS = frozenset("item tolist numpy __len__ __float__ __int__".split())
SIZES = frozenset("size dim ndimension numel nelement stride get_device is_floating_point".split())
HOOKS = frozenset("register_hook retain_grad register_post_accumulate_grad_hook".split())
SAME = frozenset("to cuda cpu float type contiguous share_memory_ pin_memory".split())
"""Methods that give a leaf back as it is, but for a device or a dtype that is not the usual one."""
OTHER_DTYPES = frozenset(
    "torch.float64 torch.double torch.float16 torch.half torch.bfloat16".split()
)


def call_tensor(ex: Executor, state: State, call: Invocation, owner: Ref, name: str) -> Results:
    """Call a method of a tensor."""
    args = call.args
    found = state.get(owner, Tensor)
    assert found is not None
    if name == "backward" and isinstance(call.node, ir.Call):
        return run_pass(ex, state, call.on(owner), Form.TENSOR_BACKWARD)
    if name == "requires_grad_":
        flag = args[0] if args else call.keywords.get("requires_grad", TRUE)
        set_requires_grad(state, owner, flag)
        return [(state, owner)]
    if name in NUMBERS:
        return [(state, Sym(("number", name, owner.address, found.node)))]
    if name in SIZES:
        return [(state, _size(owner, name, args))]
    note_method(ex, state, call.node, owner, name)
    if name in HOOKS:
        note_registered(state, call, owner)
        return [(state, NONE if name == "retain_grad" else state.sym(call.node, "handle"))]
    if cuts(name):
        return [(state, state.sym(call.node) if is_plain(name) else state.tensor(call.node))]
    if find_inplace(name) is not None:
        changed = apply_inplace(ex, state, call.node, owner, name, args, call.keywords)
        note_added_in_place(ex, state, call.node, name, changed, args)
        return [(state, changed)]
    if name in SAME and found.node is None and not _converts(call):
        note_moved(state, owner)
        return [(state, owner)]
    return [(state, apply_op(ex, state, call.node, name, (owner, *args), call.keywords))]


def _converts(call: Invocation) -> bool:
    """Whether a call names a dtype that a leaf seldom has: it makes a tensor of its own."""
    return any(isinstance(v, External) and v.name in OTHER_DTYPES for v in call.values)


def _size(owner: Ref, name: str, args: Sequence[Value]) -> Value:
    if name == "size" and args and isinstance(args[0], Const) and args[0].value == 0:
        return Sym(("length", owner.address))
    return Sym(("number", owner.address, name, tuple(name_of(arg) for arg in args)))
