"""Which module of the user's models ran an operation, from the parameters that it used.

# Note [Modules without hooks]
Nothing is recorded during the forward pass. But a node that used a parameter leads to the node that
accumulates into that parameter, and the user's models say what the parameter is called. An
operation without parameters ran between two that have some, in the order in which nodes are
numbered: in a module that contains both, or in a child of that, or of one of the modules around the
first, which has no parameters and is named after the operation (`ReLU`, `MaxPool2d`). Where no
child is, the innermost module that surely contained the operation is given. What ran before the
first parameter or after the last, such as a loss function, may be no module's: it gets no name.
"""

from __future__ import annotations

import time
import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import takewhile
from types import FrameType
from typing import Any, NamedTuple

from graphlint.runtime.budget import LEAST, Purse
from graphlint.runtime.contents import own_dictionary
from graphlint.runtime.forwards import Code, Operation, Origin, code_of, forward_of
from graphlint.runtime.nodes import Node, kind_of
from graphlint.runtime.reach import search
from graphlint.runtime.trails import keeper_of

_SEARCHES = 32
_PARAMETRIZATIONS = "parametrizations"

Path = tuple[str, ...]


class Model(NamedTuple):
    """One of the user's models. It holds the model: keep it for no longer than a pass runs.

    Attributes:
        root: the model.
        prefix: what the names of its modules begin with, where there are several models.
        variable: the variable or attribute that leads to it.
    """

    root: Any
    prefix: Path
    variable: str


class Home(NamedTuple):
    """Where a parameter belongs.

    Attributes:
        parameter: the parameter, as long as it lives: its identity may be another's after that.
        root: the model, likewise.
        prefix: what the names of the model's modules begin with.
        path: the parts of the module's path in the model.
    """

    parameter: weakref.ref[Any]
    root: weakref.ref[Any]
    prefix: Path
    path: Path


class Modules:
    """The modules of the user's models, which are looked up when one of them is first met."""

    def __init__(self, purse: Purse) -> None:
        """Start with no model known.

        Args:
            purse: what looking for models may take.
        """
        self._homes: dict[int, Home] = {}
        self._roots: dict[Path, tuple[weakref.ref[Any], str]] = {}
        self._purse = purse
        self._searches = 0

    def names(self, nodes: Sequence[Node], frame: FrameType) -> list[str | None]:
        """Name the module that ran each node's operation: see Note [Modules without hooks].

        Args:
            nodes: the nodes of a graph.
            frame: the frame that runs a pass over it, from whose variables models are found.

        Returns:
            the path of each node's module, "" for the model itself, None where it is not known.
        """
        leaves = {node: node.variable for node in nodes if kind_of(node).leaf}
        if not all(map(self._home, leaves.values())) and self._searches < _SEARCHES:
            self._searches += 1
            self._learn(frame)
        homes = {node: home for node, leaf in leaves.items() if (home := self._home(leaf))}
        return _names(nodes, homes) if homes else [None] * len(nodes)

    def origins(
        self, nodes: Sequence[Node], names: Sequence[str | None], frame: FrameType
    ) -> dict[Operation, Origin]:
        """Say where to look for the line that ran each operation.

        Args:
            nodes: the nodes of a graph.
            names: the paths of their modules.
            frame: the frame that runs a pass over it.
        """
        operations = zip((node.name() for node in nodes), names, strict=True)
        counts, caller = Counter(operations), code_of(frame.f_code)
        return {each: self._origin(each[1], n, caller) for each, n in counts.items()}

    def _origin(self, name: str | None, count: int, caller: Code | None) -> Origin:
        if name is None:
            return Origin(None, caller, None, count)
        parts = tuple(name.split(".")) if name else ()
        for prefix, (reference, variable) in self._roots.items():
            root, path = reference(), parts[len(prefix) :]
            if root is not None and parts[: len(prefix)] == prefix and _leads(root, path):
                called = _called(root, path) or (caller and (variable, caller))
                return Origin(forward_of(_module_at(root, path)), None, called, count)
        return Origin(None, None, None, count)

    def _home(self, parameter: Any) -> Home | None:
        home = self._homes.get(id(parameter))
        return home if home is not None and home.parameter() is parameter else None

    def _learn(self, frame: FrameType) -> None:
        self._homes.clear()
        self._roots.clear()
        began = time.thread_time()
        models = _models(frame, max(self._purse.left, LEAST))
        self._purse.spend(time.thread_time() - began)
        for model in models:
            root = weakref.ref(model.root)
            self._roots[model.prefix] = root, model.variable
            for path, module in _modules_in(model.root):
                for parameter in _table(module, "_parameters").values():
                    if parameter is not None:
                        home = Home(weakref.ref(parameter), root, model.prefix, path)
                        self._homes.setdefault(id(parameter), home)


def _models(frame: FrameType, seconds: float) -> list[Model]:
    """Return the models that the user's variables lead to, but not those inside of others."""
    found = search([frame], seconds=seconds).models
    inner = {id(part) for module, _ in found for part in _table(module, "_modules").values()}
    outer = [(module, trail) for module, trail in found if id(module) not in inner]
    owning = [(m, t) for m, t in outer if any(_table(p, "_parameters") for _, p in _modules_in(m))]
    several = len(owning) > 1
    models = []
    for module, trail in owning:
        variable = keeper_of(trail)[0].last
        prefixed = several or not _table(module, "_modules")
        models.append(Model(module, (variable,) if prefixed else (), variable))
    return models


def _table(module: Any, name: str) -> dict[str, Any]:
    table: dict[str, Any] = own_dictionary(module).get(name, {})
    return table


def _modules_in(module: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield a module and those inside of it, with their paths."""
    yield path, module
    for name, part in list(_table(module, "_modules").items()):
        if name == _PARAMETRIZATIONS:
            # What computes a parameter is part of the module that it is a parameter of.
            yield from ((path, inside) for _, inside in _modules_in(part))
        elif part is not None:
            yield from _modules_in(part, (*path, name))


# --- from parameters to operations ---------------------------------------------------------------


def _names(nodes: Sequence[Node], homes: dict[Node, Home]) -> list[str | None]:
    """Name the nodes' modules, from the homes of the leaves among them."""
    inner = [node for node in nodes if not kind_of(node).leaf]
    ordered = sorted(inner, key=lambda node: node._sequence_nr())
    direct = _direct(ordered, homes)
    following: list[Home | None] = [None] * len(ordered)
    for index in range(len(ordered) - 2, -1, -1):
        after = ordered[index + 1]
        following[index] = direct.get(after) or following[index + 1]
    named: dict[Node, str | None] = {}
    before: Home | None = None
    for node, after in zip(ordered, following, strict=True):
        home = direct.get(node)
        if home is not None:
            named[node] = ".".join((*home.prefix, *home.path))
            before = home
        else:
            named[node] = _between(node, before, after)
    return [named.get(node) for node in nodes]


def _direct(ordered: Sequence[Node], homes: dict[Node, Home]) -> dict[Node, Home]:
    """Return the homes of the nodes that used a parameter, or made something of parameters alone.

    A weight is transposed, cast or computed before it is used: what leads to parameters alone
    belongs where these do, and what uses that as well.
    """
    direct = dict(homes)
    alone = set(homes)
    for node in ordered:
        # An input without a gradient stands here as None: what has one is no part of a weight.
        inputs = [following for following, _ in node.next_functions]
        used = [direct[each] for each in inputs if each in alone]
        if used:
            direct[node] = used[-1]
            if len(used) == len(inputs):
                alone.add(node)
    return direct


def _between(node: Node, before: Home | None, after: Home | None) -> str | None:
    """Name the module of an operation without parameters, from those around it that have some."""
    if before is None or after is None or before.root is not after.root:
        return None
    pairs = zip(before.path, after.path, strict=False)
    shared = [name for name, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)]
    root, operation = before.root(), node.name().lower()
    for home, step in ((before, 1), (after, -1)):
        for depth in range(len(home.path) - 1, len(shared) - 1, -1):
            path = home.path[:depth]
            child = _child_like(_module_at(root, path), operation, home.path[depth], step)
            if child is not None:
                return ".".join((*home.prefix, *path, child))
    return ".".join((*before.prefix, *shared))


def _leads(root: Any, path: Path) -> bool:
    """Whether there is a module at a path."""
    for name in path:
        root = _table(root, "_modules").get(name)
        if root is None:
            return False
    return True


def _called(root: Any, path: Path) -> tuple[str, Code] | None:
    """Return the `forward` of the user's that calls what is at a path, and the name it uses."""
    for depth in range(len(path) - 1, -1, -1):
        forward = forward_of(_module_at(root, path[:depth]))
        if forward is not None:
            return path[depth], forward
    return None


def _module_at(root: Any, path: Path) -> Any:
    for name in path:
        root = _table(root, "_modules").get(name)
    return root


def _child_like(module: Any, operation: str, beside: str, step: int) -> str | None:
    """Return the child without parameters that an operation is of, by its class's name.

    Args:
        module: the parent.
        operation: the operation, in lower case.
        beside: the name of a child that ran before it or after it.
        step: 1 where that ran before, -1 where after: of several children the next is meant.
    """
    children = list(_table(module, "_modules").items())[::step]
    names = [
        name
        for name, child in children
        if name == beside
        or (child is not None and not _table(child, "_parameters") and _is_like(child, operation))
    ]
    if beside not in names:
        return None
    behind = names[names.index(beside) + 1 :]
    if behind:
        return behind[0]
    return names[0] if len(names) == 2 else None


def _is_like(module: Any, operation: str) -> bool:
    return type(module).__name__.lower() in operation
