"""What keeps graphs alive by reference."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from graphlint.trace.places import Doubt, Site


class Keeping(str, Enum):
    """How a value's graph is kept from one iteration to the next."""

    SUM = "sum"
    CONTAINER = "container"


@dataclass(frozen=True, slots=True)
class Hold:
    """A statement that keeps the graph of every iteration, which nothing differentiates there.

    Attributes:
        site: the statement.
        how: the value is added to what was there, or put into a container.
        name: what keeps it, as it is written; empty where it has no name.
        built: where the value was made.
        freed: the pass that freed what the graph saved, before it was kept for nothing.
        differentiated: a pass visited the graph for another purpose, in the same iteration.
        renewed: it starts anew every so many iterations.
        mixed: what it keeps is no tensor, or not always: tensors in a tuple, a number now and then.
        doubts: what weakens the claim.
    """

    site: Site
    how: Keeping = Keeping.SUM
    name: str = ""
    built: Site | None = None
    freed: Site | None = None
    differentiated: bool = False
    renewed: bool = False
    mixed: bool = False
    doubts: frozenset[Doubt] = frozenset()


class Role(str, Enum):
    """What a tensor is to the custom function that keeps it."""

    INPUT = "input"
    OUTPUT = "output"
    OTHER = "tensor"


@dataclass(frozen=True, slots=True)
class ContextTensor:
    """A custom function's forward keeps a tensor as an attribute of its context.

    Attributes:
        site: the statement.
        name: the attribute.
        role: what the tensor is to the function.
    """

    site: Site
    name: str
    role: Role = Role.OTHER


@dataclass(frozen=True, slots=True)
class HookCycle:
    """A hook's function holds a tensor whose graph holds the hook.

    Attributes:
        site: the call that registers the hook.
        made: where the tensor was made.
        name: the variable or attribute that the function knows it by.
        doubts: what weakens the claim.
    """

    site: Site
    made: Site
    name: str
    doubts: frozenset[Doubt] = frozenset()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All calls of a model in evaluation mode at one place: nobody differentiates what they build.

    Attributes:
        site: the call.
        doubts: what weakens the claim.
    """

    site: Site
    doubts: frozenset[Doubt] = frozenset()
