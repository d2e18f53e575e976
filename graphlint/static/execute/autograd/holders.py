"""What keeps values, as it is written: its name, and whether the file takes something out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

from graphlint.static import ir

REMOVING = frozenset("pop popleft popitem clear remove".split())
GROWING = frozenset("append appendleft extend insert update add push put".split())
"""Methods that add to a container, or to a meter."""
JOINING = frozenset(
    "add sub mul cat concat concatenate hstack vstack stack lerp maximum minimum fmax fmin "
    "logaddexp".split()
)
"""Functions that make one tensor of several, and keep the graph of each."""
MAKING = frozenset("list dict set deque OrderedDict defaultdict".split())
"""What makes a container."""
OF_TWO = frozenset(("max", "min"))
"""Functions of torch that do so where they are given two tensors; Python's return one of these."""
PARAMETERS = frozenset("named_parameters parameters state_dict".split())


def written(target: ir.Expr) -> str:
    """Return a target as it is written, as far as that is a name."""
    if isinstance(target, ir.Name):
        return target.id
    if isinstance(target, ir.Attribute):
        owner = written(target.value)
        return f"{owner}.{target.name}" if owner else ""
    if isinstance(target, ir.Subscript):
        owner = written(target.value)
        return f"{owner}[…]" if owner else ""
    return ""


def container_name(place: ir.Node) -> str:
    """Return the name of the container that a call or an assignment stores into."""
    if isinstance(place, ir.Call) and isinstance(place.func, ir.Attribute):
        return written(place.func.value)
    if isinstance(place, ir.AugAssign):
        return written(place.target)
    if isinstance(place, ir.Assign) and isinstance(place.targets[0], ir.Subscript):
        return written(place.targets[0].value)
    return ""


def is_rebuilt(target: ir.Expr, made: ir.Expr) -> bool:
    """Whether an assignment computes its target of what the target was before."""
    name = written(target)
    return bool(name) and any(name in _mentioned(term) for term in arithmetic(made))


def adds(node: ir.Node) -> bool:
    """Whether a statement or call may add a value to what was there."""
    if isinstance(node, ir.AugAssign):
        return node.op in ("Add", "Sub")
    if isinstance(node, ir.Assign):
        return any(isinstance(t, ir.Subscript) or is_rebuilt(t, node.value) for t in node.targets)
    return isinstance(node, ir.Call) and _name(node.func) in GROWING


def arithmetic(made: ir.Expr) -> Iterator[ir.Expr]:
    """Walk an expression down through its operators, alternatives, and what joins tensors."""
    yield made
    for term in _terms(made):
        yield from arithmetic(term)


def _terms(made: ir.Expr) -> Iterable[ir.Expr]:
    if isinstance(made, ir.Binary):
        return made.left, made.right
    if isinstance(made, ir.IfElse):
        return made.body, made.orelse
    if isinstance(made, ir.Call) and _joins(made):
        return (made.func.value, *made.args) if isinstance(made.func, ir.Attribute) else made.args
    return made.items if isinstance(made, ir.Sequence) else ()


def _joins(made: ir.Call) -> bool:
    """Whether a call makes one tensor of several: a function of torch, or a method of one."""
    name = _name(made.func)
    of_two = name in OF_TWO and isinstance(made.func, ir.Attribute) and len(made.args) == 2
    return name in JOINING or of_two


def _mentioned(term: ir.Expr) -> set[str]:
    if isinstance(term, ir.Call) and isinstance(term.func, ir.Attribute):
        owner = written(term.func.value)
        return {f"{owner}[…]"} if owner and term.func.name == "get" else set()
    return {written(term)}


def overwrites(place: ir.Node, loops: Sequence[ir.Node]) -> bool:
    """Whether a statement stores an item where a later iteration of some nested loops puts another.

    What is stored under the variable of the outermost loop stays, and so does what is stored under
    a number that all loops count up. A buffer that is written round and round does not, nor does
    one with a place for each name, or for each item of an inner loop. What the loop goes over is no
    longer for it, and a network has but so many parameters.
    """
    loop, *around = loops
    bounded = bool(around) or _goes_over(loop, container_name(place))
    return any(
        not _is_counted(index, loops) and (bounded or not _counts(index, loop))
        for index in _indices(place)
    )


def _indices(place: ir.Node) -> Iterable[ir.Expr]:
    """Return what a statement or a dictionary's `update` stores items under."""
    if isinstance(place, ir.Assign) and isinstance(place.targets[0], ir.Subscript):
        return (place.targets[0].index,)
    if isinstance(place, ir.Call) and _name(place.func) == "update":
        given = place.args[0] if place.args else None
        return [key for key, _ in given.items if key] if isinstance(given, ir.Dict) else place.args
    return ()


def _counts(index: ir.Expr, loop: ir.Node) -> bool:
    """Whether a loop stores each item in a place of its own."""
    variables = set(operands(loop.target)) if isinstance(loop, ir.For) else set[str]()
    return not variables.isdisjoint(_names(index))


def _is_counted(index: ir.Expr, loops: Sequence[ir.Node]) -> bool:
    """Whether an index is a number that loops count up, and never set back."""
    names = set(_names(index))
    raised, bound = set[str](), set[str]()
    for node in (node for loop in loops for node in ir.walk(loop)) if names else ():
        if isinstance(node, ir.AugAssign) and node.op == "Add":
            raised.add(written(node.target))
        elif isinstance(node, ir.Assign):
            bound.update(written(target) for target in node.targets)
    return not names.isdisjoint(raised - bound)


def _names(index: ir.Expr) -> Iterator[str]:
    """Walk the names in an index that grows with them: what is left by a division does not."""
    parts = list(ir.walk(index))
    if not any(isinstance(part, ir.Binary) and part.op in ("Mod", "FloorDiv") for part in parts):
        yield from (written(part) for part in parts if isinstance(part, (ir.Name, ir.Attribute)))


def _goes_over(loop: ir.Node, name: str) -> bool:
    """Whether a loop goes over what has a name, or over a network's parameters."""
    return isinstance(loop, ir.For) and any(
        isinstance(node, ir.Expr) and (_name(node) in PARAMETERS or written(node) == name != "")
        for node in ir.walk(loop.iter)
    )


def goes_over_networks(loop: ir.Node) -> bool:
    """Whether a loop goes over networks, each with an optimizer that takes one step of its own."""
    names = set(operands(loop.target)) if isinstance(loop, ir.For) else set[str]()
    return any(
        isinstance(node, ir.Call) and not node.args and not names.isdisjoint(_owners(node.func))
        for node in (ir.walk(loop) if names else ())
    )


def _owners(called: ir.Expr) -> Iterator[str]:
    """Walk the variables that say whose `step` is called."""
    if isinstance(called, ir.Attribute) and called.name == "step":
        yield from (node.id for node in ir.walk(called.value) if isinstance(node, ir.Name))


def renewal(loop: ir.Node, name: str, by: frozenset[str] = frozenset()) -> int | None:
    """Return after how many iterations a loop sets a variable back to a number, 0 if not known.

    None where it does not. `if (i + 1) % 10 == 0: total = 0` does so after ten, and so does
    `meter.reset()` in its place, where a method of that name is among those it is set back `by`.
    """
    found: list[int] = []
    for branch in (node for node in ir.walk(loop) if isinstance(node, ir.If)):
        inner = (node for each in (*branch.body, *branch.orelse) for node in ir.walk(each))
        if any(_sets_back(node, name) or _calls(node, by) for node in inner):
            asked = [node.value for node in ir.walk(branch.test) if isinstance(node, ir.Const)]
            found.append(max([number for number in asked if type(number) is int], default=0))
    return max(found, default=None)


@lru_cache(maxsize=64)
def setting_back(module: ir.Module, owner: str, name: str) -> frozenset[str]:
    """Return the names of the methods of a class that set an attribute back to a number."""
    return frozenset(
        method.function.name
        for node in ir.walk(module)
        if isinstance(node, ir.ClassDef) and node.name == owner
        for method in node.body
        if isinstance(method, ir.FunctionDef) and method.function.name != "__init__"
        if any(_sets_back(each, name) for part in method.function.body for each in ir.walk(part))
    )


def _calls(node: ir.Node, names: frozenset[str]) -> bool:
    """Whether a statement is nothing but a call of a method that has one of some names."""
    call = node.value if isinstance(node, ir.ExprStmt) else None
    method = call.func if isinstance(call, ir.Call) else None
    return isinstance(method, ir.Attribute) and method.name in names


def empties(scope: ir.Node, name: str) -> bool:
    """Whether a loop or function has a container start anew now and then: `if …: losses = []`.

    What a branch makes that asks whether there is a container at all starts but once.
    """
    branches = (n for n in ir.walk(scope) if isinstance(n, ir.If) and not _asks_for_any(n.test))
    inner = (n for b in branches for each in (*b.body, *b.orelse) for n in ir.walk(each))
    return any(_sets_back(node, name, _is_empty) for node in inner)


def _asks_for_any(test: ir.Expr) -> bool:
    return any(
        (isinstance(node, ir.Compare) and node.op in ("Is", "In", "NotIn"))
        or (isinstance(node, ir.Call) and _name(node.func) == "hasattr")
        for node in ir.walk(test)
    )


def _is_number(value: ir.Expr) -> bool:
    return isinstance(value, ir.Const)


def _sets_back(node: ir.Node, name: str, is_start: Callable[[ir.Expr], bool] = _is_number) -> bool:
    if not isinstance(node, ir.Assign):
        return False
    pairs = [(target, node.value) for target in node.targets]
    for target, value in pairs:
        if isinstance(target, ir.Sequence) and isinstance(value, ir.Sequence):
            pairs += zip(target.items, value.items, strict=False)
    return any(written(t) == name and is_start(value) for t, value in pairs)


def _is_empty(value: ir.Expr) -> bool:
    """Whether an expression makes a container with nothing in it."""
    if isinstance(value, ir.Call):
        return not value.args and _name(value.func) in MAKING
    return isinstance(value, (ir.Sequence, ir.Dict)) and not value.items


def operands(node: ir.Node) -> Iterator[str]:
    """Walk the variables that a statement computes with, not those whose attributes it reads."""
    if isinstance(node, ir.Name):
        yield node.id
    elif isinstance(node, ir.Binary):
        yield from (*operands(node.left), *operands(node.right))
    elif isinstance(node, (ir.Assign, ir.AugAssign, ir.Unary)):
        yield from operands(node.operand if isinstance(node, ir.Unary) else node.value)
    elif isinstance(node, (ir.Sequence, ir.Call)):
        if isinstance(node, ir.Call) and isinstance(node.func, ir.Attribute):
            yield from operands(node.func.value)
        for item in node.items if isinstance(node, ir.Sequence) else node.args:
            yield from operands(item)


def last_name(name: str) -> str:
    """Return the last part of a dotted name, without a subscript."""
    return name.partition("[")[0].rpartition(".")[2]


@lru_cache(maxsize=16)
def trimmed_names(module: ir.Module) -> frozenset[str]:
    """Return the last names of what a file pops from, clears, or cuts to a slice of itself."""
    return frozenset(name for node in ir.walk(module) for name in _trimmed(node) if name)


def _trimmed(node: ir.Node) -> Iterator[str]:
    if isinstance(node, ir.Call) and isinstance(node.func, ir.Attribute):
        if node.func.name in REMOVING or (node.func.name == "get" and not node.args):
            yield _name(node.func.value)
    elif isinstance(node, ir.Delete):
        yield from (_name(t.value) for t in node.targets if isinstance(t, ir.Subscript))
    elif isinstance(node, ir.Assign) and isinstance(node.value, ir.Subscript):
        if isinstance(node.value.index, ir.Slice):
            kept = _name(node.value.value)
            yield from (kept for target in node.targets if _name(target) == kept)


def _name(node: ir.Expr) -> str:
    if isinstance(node, ir.Name):
        return node.id
    if isinstance(node, ir.Subscript):
        return _name(node.value)
    return node.name if isinstance(node, ir.Attribute) else ""
