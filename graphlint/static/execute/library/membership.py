"""Whether a value has an attribute: `hasattr`, and what `except AttributeError` is there for.

Programs ask so whether they have a tensor or a number. A tensor is known to have what all tensors
have, so that the way of the numbers is none that a tensor goes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.library.attributes import DATA
from graphlint.static.execute.library.builtins import Handler
from graphlint.static.execute.library.kinds import is_a
from graphlint.static.execute.library.ops import is_tensor
from graphlint.static.execute.library.unknown import call_unknown
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.numbers import name_of
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    FALSE,
    NONE,
    TRUE,
    Const,
    External,
    Instance,
    Member,
    Sym,
    Value,
)

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

OF_TENSORS = DATA | frozenset(
    "item detach detach_ tolist numpy cpu cuda to clone float double backward requires_grad "
    "requires_grad_ grad grad_fn data is_leaf retain_grad register_hook size dim numel mean sum "
    "max min abs norm view reshape squeeze unsqueeze".split()
)
"""Attributes that every tensor has."""
UNRELATED = frozenset(("AttributeError", "NameError"))
"""What neither reading an attribute that is there raises, nor calling it without arguments."""


def has_attribute(state: State, value: Value, name: str) -> bool | None:
    """Tell whether a value has an attribute, None where that can't be told."""
    if is_tensor(state, value):
        return True if name in OF_TENSORS else None
    if isinstance(value, Const) and not isinstance(value.value, Member):
        return hasattr(value.value, name)
    found = state.get(value, Instance)
    return True if found is not None and name in found.attrs else None


def never_lacks(state: State, body: Sequence[ir.Stmt], handlers: Sequence[ir.Handler]) -> bool:
    """Whether all that is caught is that an attribute is missing, and the body's are all there."""
    caught = all(_names(handler.kind) <= UNRELATED for handler in handlers)
    if not caught or any(handler.kind is None for handler in handlers) or len(body) != 1:
        return False
    only = body[0]
    if not isinstance(only, (ir.Return, ir.Assign, ir.ExprStmt)) or only.value is None:
        return False
    return _is_there(state, only.value)


def _names(kind: ir.Expr | None) -> frozenset[str]:
    """Return the names of the exceptions that a handler catches."""
    kinds = kind.items if isinstance(kind, ir.Sequence) else (kind,)
    return frozenset(each.id if isinstance(each, ir.Name) else "" for each in kinds)


def _is_there(state: State, read: ir.Expr) -> bool:
    """Whether an expression does nothing but ask a tensor for what tensors have."""
    if isinstance(read, ir.Name):
        return is_tensor(state, state.lookup(read.id))
    if isinstance(read, ir.Call) and not read.args and not read.keywords:
        return isinstance(read.func, ir.Attribute) and _is_there(state, read.func)
    return (
        isinstance(read, ir.Attribute) and read.name in OF_TENSORS and _is_there(state, read.value)
    )


def _hasattr(ex: Executor, state: State, call: Invocation) -> Results:
    args = call.args
    name = args[1].value if len(args) == 2 and isinstance(args[1], Const) else None
    known = has_attribute(state, args[0], name) if isinstance(name, str) else None
    if known is None:
        return call_unknown(ex, state, call, External("hasattr"))
    return [(state, TRUE if known else FALSE)]


def _is_tensor(ex: Executor, state: State, call: Invocation) -> Results:
    given, kind = call.args[0] if call.args else NONE, External("torch.Tensor")
    known = is_a(state, given, kind)
    if known is None:
        return [(state, Sym(("compare", "isinstance", name_of(given), name_of(kind))))]
    return [(state, TRUE if known else FALSE)]


HANDLERS: Mapping[str, Handler] = {"hasattr": _hasattr, "torch.is_tensor": _is_tensor}
