"""Variables that branches give a value: where a path went past those, reading one raises.

`if training: loss = criterion(output)` and a pass over the loss further down belong together, in
whatever words the two conditions are written. What runs under `try` may have been cut short
anywhere, so that the variables that it sets are left alone, and so are those that anything but an
assignment binds.

So it is with the attributes that a constructor alone sets, in branches: an object that was made
without optimizers is never trained.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from graphlint.static import ir
from graphlint.static.execute.paths.classes import members
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import Const, Func, Instance, Value

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


# -------------------------------------------------------------------------------- attributes
def is_unset(state: State, owner: Value, name: str) -> bool:
    """Whether an object lacks an attribute that only its constructor sets, in branches.

    That the object has all that the constructor sets in any case says that it was run to its end.
    """
    found = state.get(owner, Instance)
    if found is None or found.opaque or name in found.attrs:
        return False
    classes = list(members(state, found.cls))
    if any(name in cls.members for cls in classes):
        return False
    own = [m.function for cls in classes for m in cls.members.values() if isinstance(m, Func)]
    setting = [function for function in own if name in function.mentions.writes]
    if len(setting) != 1 or setting[0].name != "__init__" or any(map(_sets_by_name, own)):
        return False
    always, sometimes = _attributes_set(setting[0])
    return name in sometimes and bool(always) and always <= found.attrs.keys()


def _sets_by_name(function: ir.Function) -> bool:
    """Whether a function may set attributes whose names it does not mention."""
    names = function.mentions.calls | function.mentions.reads
    return function.name in ("__getattr__", "__getattribute__") or not names.isdisjoint(
        ("setattr", "__dict__", "vars")
    )


@lru_cache(maxsize=256)
def _attributes_set(constructor: ir.Function) -> tuple[frozenset[str], frozenset[str]]:
    """Return the attributes that a constructor sets in any case, and in branches.

    What it sets in loops or under `try` is neither.
    """
    own = constructor.parameters[0].name if constructor.parameters else ""
    always = frozenset(_attributes(constructor.body, own))
    branches = (each for each in constructor.body if isinstance(each, ir.If))
    sometimes = frozenset(name for branch in branches for name in _in_branches(branch, own))
    other = frozenset(
        name
        for each in constructor.body
        if not isinstance(each, (ir.If, ir.Assign))
        for name in _attributes(_statements((each,)), own)
    )
    return always, sometimes - always - other


def _in_branches(branch: ir.If, own: str) -> Iterator[str]:
    for block in (branch.body, branch.orelse):
        yield from _attributes(block, own)
        for each in block:
            if isinstance(each, ir.If):
                yield from _in_branches(each, own)


def _attributes(statements: Iterable[ir.Stmt], own: str) -> Iterator[str]:
    """Walk the attributes of an object that some assignments set."""
    for each in statements:
        for target in each.targets if isinstance(each, ir.Assign) else ():
            items = target.items if isinstance(target, ir.Sequence) else (target,)
            for item in items:
                if isinstance(item, ir.Attribute) and isinstance(item.value, ir.Name):
                    if item.value.id == own:
                        yield item.name
