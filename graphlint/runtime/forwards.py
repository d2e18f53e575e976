"""The line of the user's forward pass that ran an operation, found from what the recorder knows.

# Note [Lines without a stack]
Nothing is recorded during the forward pass, so there is no stack to ask. But a module that ran an
operation is called by its name from the class of a module around it, or from the function that runs
the pass; and an operation that is no module's is written there by its own name, or as an operator.
Where exactly one line fits, that is the one. Where there are more, or none, no line is given.
"""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any, NamedTuple, TypeGuard

import torch

from graphlint.runtime.places import Whose, classify

_OPERATORS: dict[str, tuple[type[ast.AST], ...]] = {
    "add": (ast.Add,),
    "sub": (ast.Sub,),
    "rsub": (ast.Sub,),
    "mul": (ast.Mult,),
    "div": (ast.Div,),
    "reciprocal": (ast.Div,),
    "pow": (ast.Pow,),
    "neg": (ast.USub,),
    "mm": (ast.MatMult,),
    "bmm": (ast.MatMult,),
    "mv": (ast.MatMult,),
    "dot": (ast.MatMult,),
}
# What functions are called that build the node, where not as the node: without underscores.
_ALIASES = {
    "addmm": ("linear",),
    "mm": ("matmul", "linear", "einsum"),
    "bmm": ("matmul", "einsum"),
    "mv": ("matmul", "einsum"),
    "nllloss": ("crossentropy",),
    "logsoftmax": ("crossentropy",),
    "nllloss2d": ("crossentropy", "nllloss"),
    "convolution": ("conv1d", "conv2d", "conv3d"),
    "norm": ("normalize",),
    "pow": ("square",),
}
_WHOLE = 0  # no row: the whole file is meant
_HOUSEKEEPING = frozenset(vars(torch.nn.Module)) - {"forward"}
_DECORATION = ("native", "withindices", "backward")


Tree = Callable[[str], ast.Module]


class Code(NamedTuple):
    """A function of the user's, by its first row (of a decorator, if any), or any one line.

    Attributes:
        filename: the file.
        row: the row.
    """

    filename: str
    row: int


class Origin(NamedTuple):
    """Where to look for the line that ran an operation.

    Attributes:
        forward: the `forward` of the module that ran it; it may have it written out.
        caller: the function that runs the pass, where no module ran it; that one may, too.
        called: the name that the module is called by, and by whom.
        nodes: how many nodes of this kind the module has in the graph.
    """

    forward: Code | None
    caller: Code | None
    called: tuple[str, Code] | None
    nodes: int


Operation = tuple[str, str | None]
"""The name of a node, and the path of the module that ran it."""


def code_of(code: CodeType) -> Code | None:
    """Return where a function stands, None where it is not the user's."""
    if classify(code.co_filename) is not Whose.USER:
        return None
    return Code(code.co_filename, code.co_firstlineno)


def forward_of(module: Any) -> Code | None:
    """Return the `forward` of a module, None where that is not the user's."""
    forward = inspect.getattr_static(type(module), "forward", None)
    return code_of(forward.__code__) if type(forward) is types.FunctionType else None


def line_of(op: str, origin: Origin, tree: Tree) -> Code | None:
    """Find the line that ran an operation: see Note [Lines without a stack].

    Args:
        op: the name of its node.
        origin: where to look.
        tree: parses a file.
    """
    written = origin.forward or origin.caller
    if written is not None and origin.nodes == 1:
        rows = _rows(written, tree, lambda scope: _written(scope, op))
        if origin.forward is None and rows:
            # What some other function of the file may have run is not told apart.
            whole = Code(written.filename, _WHOLE)
            rows = rows if rows == _rows(whole, tree, lambda scope: _written(scope, op)) else set()
        if len(rows) == 1:
            return Code(written.filename, rows.pop())
    if origin.called is not None:
        name, code = origin.called
        rows = _rows(code, tree, lambda scope: _calls(scope, name))
        if len(rows) == 1:
            return Code(code.filename, rows.pop())
    return None


def _rows(code: Code, tree: Tree, find: Callable[[ast.AST], Iterator[ast.expr]]) -> set[int]:
    scope = _scope(code, tree(code.filename))
    return {node.lineno for node in find(scope)} if scope else set()


def _scope(code: Code, module: ast.Module) -> ast.AST | None:
    """Return the class of a method, any other function itself, or the whole file."""
    if code.row == _WHOLE:
        return module
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef) and any(_begins_at(e, code.row) for e in node.body):
            return node
    functions = (node for node in ast.walk(module) if _begins_at(node, code.row))
    return next(functions, module if code.row <= 1 else None)


def _begins_at(node: ast.AST, row: int) -> bool:
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    return min([node.lineno, *(each.lineno for each in node.decorator_list)]) == row


def _expressions(scope: ast.AST) -> Iterator[ast.expr]:
    """Yield the expressions of a scope, but those of a class's `__init__`."""
    pending: list[ast.AST] = [scope]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            continue
        if isinstance(node, ast.expr):
            yield node
        pending.extend(ast.iter_child_nodes(node))


# --- operations that are written out -------------------------------------------------------------


def _written(scope: ast.AST, op: str) -> Iterator[ast.expr]:
    """Yield the expressions that may have built a node of this name."""
    plain = op.lower().rstrip("0123456789")
    for part in _DECORATION:
        plain = plain.replace(part, "")
    names = {plain, *_ALIASES.get(plain, ())}
    operators = _OPERATORS.get(plain, ())
    for node in _expressions(scope):
        if isinstance(node, ast.Call):
            if _callee(node).replace("_", "").lower() in names:
                yield node
        elif isinstance(node, (ast.BinOp, ast.UnaryOp)) and isinstance(node.op, operators):
            yield node


def _callee(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


# --- modules that are called ---------------------------------------------------------------------


def _calls(scope: ast.AST, name: str) -> Iterator[ast.expr]:
    """Yield the calls of what is known by a name, or is an item of it, or a method of its own."""
    items = set(_items_of(scope, name))
    for node in _expressions(scope):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Subscript):
                function = function.value
            method = function.value if _may_run(function) else None
            if (
                _is_called(function, name)
                or (method is not None and _is_called(method, name))
                or (isinstance(function, ast.Name) and function.id in items)
            ):
                yield node


def _may_run(function: ast.expr) -> TypeGuard[ast.Attribute]:
    """Whether a method may run operations, as those that all modules have (`parameters`) do not."""
    return isinstance(function, ast.Attribute) and function.attr not in _HOUSEKEEPING


def _is_called(node: ast.AST, name: str) -> bool:
    named = node.attr if isinstance(node, ast.Attribute) else None
    return name in (named, node.id if isinstance(node, ast.Name) else None)


def _items_of(scope: ast.AST, name: str) -> Iterator[str]:
    """Yield the variables of loops over what is known by a name."""
    for node in ast.walk(scope):
        if isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)) and any(
            _is_called(part, name) for part in ast.walk(node.iter)
        ):
            yield from (part.id for part in ast.walk(node.target) if isinstance(part, ast.Name))
