"""Variables that branches give a value: where a path went past those, reading one raises.

`if training: loss = criterion(output)` and a pass over the loss further down belong together, in
whatever words the two conditions are written. What runs under `try` may have been cut short
anywhere, so that the variables that it sets are left alone, and so are those that anything but an
assignment binds.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from graphlint.static import ir
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import Const

BRANCHING = (ir.If, ir.For, ir.While, ir.With)


def is_unbound(state: State, name: str) -> bool:
    """Whether the running code reads a variable of its own that has no value on this path.

    Nothing else is to be found under that name. Of the files that are loaded, not all is run.
    """
    for frame in state.frame.chain():
        if isinstance(frame.detail, ir.Function):
            return name in _set_in_branches(frame.detail)
        if isinstance(frame.detail, ir.Module):
            is_program = state.lookup("__name__") == Const("__main__")
            return is_program and name in _set_in_branches(frame.detail)
    return False


@lru_cache(maxsize=256)
def _set_in_branches(code: ir.Function | ir.Module) -> frozenset[str]:
    """Return the variables that a function or file assigns in branches, and binds nowhere else."""
    statements = list(_statements(code.body))
    if any(isinstance(each, ir.Import) and each.member == "*" for each in statements):
        return frozenset()
    branches = [each for each in statements if isinstance(each, BRANCHING)]
    assigned = {name for branch in branches for name in _assigned(_statements(branch.body))}
    assigned |= {name for branch in branches for name in _assigned(_statements(_other(branch)))}
    return frozenset(assigned - {name for each in statements for name in _bound_otherwise(each)})


def _other(branch: ir.Stmt) -> ir.Block:
    return branch.orelse if isinstance(branch, (ir.If, ir.For, ir.While)) else ()


def _statements(block: ir.Block) -> Iterator[ir.Stmt]:
    """Walk statements and those within them, but not into functions and classes."""
    for statement in block:
        yield statement
        if not isinstance(statement, (ir.FunctionDef, ir.ClassDef)):
            for inner in ("body", "orelse", "final"):
                yield from _statements(getattr(statement, inner, ()))
            for part in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
                yield from _statements(part.body)


def _assigned(statements: Iterator[ir.Stmt]) -> Iterator[str]:
    for each in statements:
        if isinstance(each, ir.Assign):
            yield from (name for target in each.targets for name in _names(target))
        elif isinstance(each, ir.For):
            yield from _names(each.target)


def _bound_otherwise(statement: ir.Stmt) -> Iterator[str]:
    """Walk the names of which a statement makes that nothing is to be said here."""
    if isinstance(statement, ir.Import):
        yield statement.name
    elif isinstance(statement, ir.FunctionDef):
        yield statement.function.name
    elif isinstance(statement, ir.ClassDef):
        yield statement.name
    elif isinstance(statement, ir.Scope):
        yield from statement.names
    elif isinstance(statement, ir.Delete):
        yield from (name for target in statement.targets for name in _names(target))
    elif isinstance(statement, (ir.Try, ir.Match)):
        yield from (node.id for node in ir.walk(statement) if isinstance(node, ir.Name))
        yield from (name for case in getattr(statement, "cases", ()) for name in case.names)


def _names(target: ir.Expr) -> Iterator[str]:
    """Walk the variables that a target binds."""
    if isinstance(target, ir.Name):
        yield target.id
    elif isinstance(target, ir.Starred):
        yield from _names(target.value)
    elif isinstance(target, ir.Sequence):
        for item in target.items:
            yield from _names(item)
