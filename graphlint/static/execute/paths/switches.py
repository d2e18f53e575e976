"""What callers that are not known choose: switches, words and zeros, and the grad mode."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from graphlint.static import ir
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import Sym, Value
from graphlint.static.relevance import PASS_NAMES


def switches(
    state: State, function: ir.Function | None, words: bool = False, zeros: bool = False
) -> dict[str, Value]:
    """Return the parameters to leave open, each with an unknown value.

    They are switches, and those that are None by default, of which a function makes its passes
    depend.

    Args:
        state: the state in the entry point's frame.
        function: what is called, None where there is nothing to call.
        words: leave open those that the function compares with words, too.
        zeros: leave open those that are 0 or less by default, which turns something off, too.
    """
    return {
        parameter.name: Sym(("parameter", state.frame, parameter.name))
        for parameter in (function.parameters if function else ())
        if function and _is_open(function, parameter, words, zeros)
    }


def _is_open(function: ir.Function, parameter: ir.Parameter, words: bool, zeros: bool) -> bool:
    default = parameter.default
    if isinstance(default, ir.Unary):
        return zeros and default.op == "USub"  # as in `every=-1`
    if not isinstance(default, ir.Const):
        return False
    if default.value is None:
        return parameter.name in _deciding(function)
    if isinstance(default.value, str):
        return words and parameter.name in _compared(function)
    return isinstance(default.value, bool) or (zeros and default.value == 0)


def insisted_on(state: State, function: ir.Function) -> dict[str, Value]:
    """Return the parameters that are None by default and must not be, each with an unknown value.

    That a function raises where nobody gives them says that its callers do.
    """
    demanded = _demanded(function)
    return {
        parameter.name: Sym(("parameter", state.frame, parameter.name))
        for parameter in function.parameters
        if isinstance(parameter.default, ir.Const)
        and parameter.default.value is None
        and parameter.name in demanded
    }


@lru_cache(maxsize=256)
def _demanded(function: ir.Function) -> frozenset[str]:
    """Return the variables that decide whether a function raises."""
    return frozenset(
        name
        for branch in _branches(function)
        if any(isinstance(inner, ir.Raise) for inner in (*branch.body, *branch.orelse))
        for name in _names(branch.test)
    )


def leading_to_passes(state: State, function: ir.Function) -> dict[str, Value]:
    """Return the parameters with constant defaults that decide whether a function runs a pass."""
    deciding = _deciding(function)
    return {
        parameter.name: Sym(("parameter", state.frame, parameter.name))
        for parameter in function.parameters
        if isinstance(parameter.default, ir.Const) and parameter.name in deciding
    }


@lru_cache(maxsize=256)
def _deciding(function: ir.Function) -> frozenset[str]:
    """Return the variables that decide whether a function runs a pass."""
    return frozenset(
        name
        for branch in _branches(function)
        if any(_is_pass(n) for part in (*branch.body, *branch.orelse) for n in ir.walk(part))
        for name in _names(branch.test)
    )


def _is_pass(node: ir.Node) -> bool:
    func = node.func if isinstance(node, ir.Call) else None
    name = func.id if isinstance(func, ir.Name) else getattr(func, "name", "")
    return name in PASS_NAMES


def _branches(function: ir.Function) -> Iterator[ir.If]:
    for statement in function.body:
        yield from (node for node in ir.walk(statement) if isinstance(node, ir.If))


def _names(test: ir.Expr) -> Iterator[str]:
    return (node.id for node in ir.walk(test) if isinstance(node, ir.Name))


@lru_cache(maxsize=256)
def _compared(function: ir.Function) -> frozenset[str]:
    """Return the variables that a function compares with others, or with constants."""
    return frozenset(
        side.id
        for statement in function.body
        for node in ir.walk(statement)
        if isinstance(node, ir.Compare) and node.op in ("Eq", "NotEq", "In", "NotIn")
        for side in (node.left, node.right)
        if isinstance(side, ir.Name)
    )


@lru_cache(maxsize=256)
def turns_gradients_on(function: ir.Function) -> bool:
    """Whether a function turns gradients on for good: it is called with gradients off."""
    calls = (
        node.value
        for statement in function.body
        for node in ir.walk(statement)
        if isinstance(node, ir.ExprStmt) and isinstance(node.value, ir.Call)
    )
    return any(
        getattr(call.func, "name", getattr(call.func, "id", "")) == "set_grad_enabled"
        and bool(call.args)
        and isinstance(call.args[0], ir.Const)
        and call.args[0].value is True
        for call in calls
    )
