"""What a call calls, as far as its text and the file's imports and definitions tell.

A fix needs to know where a pass takes its flag by position, and whether the flag may be left out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from graphlint.rules.written import WrittenCall

_GRAD = "torch.autograd.grad"
_BACKWARD = "torch.autograd.backward"
# Where torch's functions take the flag by position; methods named `backward` are a tensor's, or
# those of a wrapper that takes the loss first and hands the rest on.
_POSITIONS = {_GRAD: (3,), _BACKWARD: (2,), "backward": (1, 2), "manual_backward": (2,)}
_PASSES = frozenset({"backward", "grad", "manual_backward"})
_FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Callee:
    """What a call calls.

    Attributes:
        runs_pass: it is one of the functions that run a backward pass themselves.
        positions: the indices at which it takes the flag by position, the likeliest first.
        sure: the positions are known, not guessed from a method's name.
        optional_flag: leaving the flag out turns it off.
    """

    runs_pass: bool
    positions: tuple[int, ...]
    sure: bool
    optional_flag: bool


def find_callee(call: WrittenCall) -> Callee:
    """Say what a call calls.

    Args:
        call: the call; of `functools.partial(f, …)`, `f` is what counts for the flag.
    """
    name = _resolve(_dotted(call.function), call.text)
    if name.rpartition(".")[2] == "partial" and call.arguments:
        inner = _resolve(_dotted(call.arguments[0].value), call.text)
        return Callee(False, (), False, _optional_flag(inner, call.text))
    last = name.rpartition(".")[2]
    positions = _POSITIONS.get(name) or _POSITIONS.get(last, ())
    optional = _optional_flag(name, call.text)
    return Callee(bool(positions), positions, name in (_GRAD, _BACKWARD), optional)


def _optional_flag(name: str, text: str) -> bool:
    """Whether a function that is called by a name has its flag off unless it is passed."""
    last = name.rpartition(".")[2]
    if last not in _PASSES:
        return False
    if name in (_GRAD, _BACKWARD) or not re.search(rf"\bdef\s+{last}\b", text):
        return True
    return all(_off_by_default(function) for function in _definitions(last, text))


def _off_by_default(function: _FUNCTION) -> bool:
    """Whether a function has no parameter `retain_graph`, or one that is off by default."""
    parameters = function.args
    by_position = [*parameters.posonlyargs, *parameters.args]
    required = len(by_position) - len(parameters.defaults)
    defaults: list[ast.expr | None] = [*[None] * required, *parameters.defaults]
    pairs = zip(
        [*by_position, *parameters.kwonlyargs], [*defaults, *parameters.kw_defaults], strict=True
    )
    for parameter, default in pairs:
        if parameter.arg == "retain_graph":
            return isinstance(default, ast.Constant) and not default.value
    return True


def _definitions(name: str, text: str) -> Iterator[_FUNCTION]:
    for node in ast.walk(_tree(text)):
        if isinstance(node, _FUNCTION) and node.name == name:
            yield node


def _dotted(node: ast.expr) -> str:
    """Return the dotted name of an expression; what is no name in it becomes an empty part."""
    if isinstance(node, ast.Name):
        return node.id
    return f"{_dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ""


def _resolve(name: str, text: str) -> str:
    """Put the imported name for a local one: `ag.grad` may be `torch.autograd.grad`."""
    head, dot, rest = name.partition(".")
    return _imports(text).get(head, head) + dot + rest


@lru_cache(maxsize=2)
def _imports(text: str) -> dict[str, str]:
    """Return what the imports of a file bind: local names and the full names behind them."""
    names = {}
    for node in ast.walk(_tree(text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                local = alias.asname or alias.name.partition(".")[0]
                names[local] = alias.name if alias.asname else local
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


@lru_cache(maxsize=2)
def _tree(text: str) -> ast.Module:
    return ast.parse(text)
