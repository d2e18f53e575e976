"""The loop around a call, for repairs: what it goes over, and what is known of that."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from graphlint.rules.syntax import extent
from graphlint.source.lines import Lines
from graphlint.trace import Site

_SCOPES = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.GeneratorExp)
_LISTS = (ast.List, ast.ListComp, ast.Tuple)
_DICTS = (ast.Dict, ast.DictComp)
_MAKE_LISTS = ("list", "sorted", "tuple")
_SAME_LENGTH = ("list", "reversed", "sorted", "tuple")
_OF_DICTS = frozenset("items keys values".split())
_SIZED_TYPES = frozenset(
    "list List tuple Tuple dict Dict Sequence Mapping MutableMapping Collection Tensor "
    "ModuleList ModuleDict ParameterList OrderedDict".split()
)
_CHANGES = frozenset(
    "append clear extend insert pop popitem popleft remove reverse sort update".split()
)


@dataclass(frozen=True, slots=True)
class Scope:
    """The function that a loop stands in, and the functions and the file around it, outwards."""

    around: tuple[ast.AST, ...]

    @property
    def own(self) -> ast.AST:
        """The function that the loop stands in, or the file."""
        return self.around[0]

    def assigned(self, name: str) -> list[ast.expr | ast.arg | None]:
        """Return what a name gets, in the innermost function that gives it anything."""
        found = (list(_assigned(each, name)) for each in self.around)
        return next((values for values in found if values), [])


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop around a call that goes over items.

    Attributes:
        target: what it binds.
        iter: what it goes over.
        body: what it runs.
        scope: what it stands in.
    """

    target: ast.expr
    iter: ast.expr
    body: tuple[ast.AST, ...]
    scope: Scope


@dataclass(frozen=True, slots=True)
class WhileLoop:
    """A `while` loop around a call, and the statement of its body that the call stands in."""

    test: ast.expr
    body: tuple[ast.stmt, ...]
    scope: Scope
    call: ast.Call
    within: ast.stmt


def loop_around(text: str, tree: ast.Module, site: Site) -> Loop | WhileLoop | None:
    """Return the innermost loop that runs a call, if it is one whose iterations can be told."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    start = Lines(text).offset(site.span.row, site.span.column)
    rows = (site.span.row, site.span.end_row)
    end = Lines(text).offset(site.span.end_row, site.span.end_column)
    for node in parents:
        if isinstance(node, ast.Call) and (node.lineno, node.end_lineno) == rows:
            if extent(text, node) == (start, end):
                return _innermost(parents, node)
    return None


def _innermost(parents: Mapping[ast.AST, ast.AST], call: ast.Call) -> Loop | WhileLoop | None:
    inner: ast.AST = call
    while not isinstance(node := parents[inner], _SCOPES):
        if isinstance(node, ast.AsyncFor):
            return None
        if isinstance(node, ast.While):
            if not isinstance(inner, ast.stmt) or inner not in node.body:
                return None
            body = tuple(node.body)
            return WhileLoop(node.test, body, _scope(parents, node), call, inner)
        if isinstance(node, ast.For):
            runs = inner in node.body
            scope = _scope(parents, node)
            return Loop(node.target, node.iter, tuple(node.body), scope) if runs else None
        if isinstance(node, _COMPREHENSIONS):
            first, *more = node.generators
            plain = inner is node.elt and not more and not first.ifs
            scope = _scope(parents, node)
            return Loop(first.target, first.iter, (node.elt,), scope) if plain else None
        inner = node
    return None


def _scope(parents: Mapping[ast.AST, ast.AST], node: ast.AST) -> Scope:
    """Return the function that a node stands in, and what is around that."""
    around: list[ast.AST] = []
    walked: ast.AST | None = node
    while walked is not None:
        if isinstance(walked, _SCOPES) and not (around and isinstance(walked, ast.ClassDef)):
            around.append(walked)
        walked = parents.get(walked)
    return Scope(tuple(around))


# --------------------------------------------------------------------------- what is asked of it
def names_in(*nodes: ast.AST) -> set[str]:
    """Return the names that are mentioned, and those of parameters; attributes are left out."""
    inner = [each for node in nodes for each in ast.walk(node)]
    names = {node.id for node in inner if isinstance(node, ast.Name)}
    return names | {node.arg for node in inner if isinstance(node, ast.arg)}


def is_changed(body: tuple[ast.AST, ...], names: set[str]) -> bool:
    """Whether a loop's body binds some names, or changes the lists behind them."""
    for node in (node for part in body for node in ast.walk(part)):
        if isinstance(node, ast.Name) and node.id in names and not isinstance(node.ctx, ast.Load):
            return True
        if isinstance(node, ast.Attribute) and node.attr in _CHANGES:
            if isinstance(node.value, ast.Name) and node.value.id in names:
                return True
    return False


def is_list(scope: Scope, name: str) -> bool:
    """Whether everything that is assigned to a name makes a list."""
    values = scope.assigned(name)
    return bool(values) and all(isinstance(v, ast.expr) and _makes_list(v) for v in values)


def has_length(scope: Scope, items: ast.expr) -> bool:
    """Whether what a loop goes over is known to have a length.

    It is a list, a dictionary or a tensor, or the scope asks it for its length or for an item.
    """
    match items:
        case ast.Name(id=name):
            values = scope.assigned(name)
            return (bool(values) and all(map(_is_sized, values))) or _is_asked(scope, items)
        case ast.Attribute():
            return _is_asked(scope, items)
    return False


def counted(scope: Scope, items: ast.expr) -> str | None:
    """Return the text of something that has as many items as a loop goes over, or more."""
    match items:
        case ast.Name() | ast.Attribute() if has_length(scope, items):
            return ast.unparse(items)
        case ast.Call(func=ast.Attribute(value=ast.Name() as owner, attr=name), args=[]):
            return owner.id if name in _OF_DICTS else None
        case ast.Call(func=ast.Name("zip"), args=columns):
            return next((found for c in columns if (found := counted(scope, c))), None)
        case ast.Call(func=ast.Name(id=name), args=[inner]) if name in _SAME_LENGTH:
            return counted(scope, inner)
    return None


def _is_asked(scope: Scope, items: ast.expr) -> bool:
    """Whether a scope asks for the length of something, or for an item of it."""
    wanted = ast.unparse(items)
    for node in ast.walk(scope.own):
        match node:
            case ast.Call(func=ast.Name("len"), args=[asked]) if ast.unparse(asked) == wanted:
                return True
            case ast.Subscript(value=asked, ctx=ast.Load()) if ast.unparse(asked) == wanted:
                return True
            case ast.Call(func=ast.Attribute(value=asked, attr=name)):
                if name in _OF_DICTS and ast.unparse(asked) == wanted:
                    return True
    return False


def _is_sized(value: ast.expr | ast.arg | None) -> bool:
    """Whether a value that a name gets is a container or a tensor, a parameter by its type."""
    match value:
        case ast.arg(annotation=ast.expr() as annotation):
            return _is_sized_type(annotation)
        case ast.Call(func=ast.Attribute(value=ast.Name("torch"))):
            return True
        case ast.expr():
            return _makes_list(value) or isinstance(value, _DICTS)
    return False


def _is_sized_type(annotation: ast.expr) -> bool:
    match annotation:
        case ast.Subscript(value=outer):
            return _is_sized_type(outer)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in _SIZED_TYPES
    return False


def _assigned(scope: ast.AST, name: str) -> Iterator[ast.expr | ast.arg | None]:
    """Walk what a name gets in a scope: values, a parameter, None for what is neither."""
    plain: set[ast.AST] = set()
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign):
            for target, value in _bindings(node):
                plain.add(target)
                if isinstance(target, ast.Name) and target.id == name:
                    yield value
        elif isinstance(node, ast.arg) and node.arg == name:
            yield node
    for node in ast.walk(scope):
        if isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load):
            if node not in plain:
                yield None


def _bindings(assignment: ast.Assign) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Walk the targets of an assignment and what each gets, as far as that is written out."""
    for target in assignment.targets:
        match target, assignment.value:
            case ast.Tuple(elts=targets), ast.Tuple(elts=values) if len(targets) == len(values):
                yield from zip(targets, values, strict=True)
            case ast.Name(), value:
                yield target, value


def _makes_list(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name) and value.func.id in _MAKE_LISTS
    return isinstance(value, _LISTS)
