"""The way from a variable to a tensor, and how it is worded for the user."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from graphlint.runtime.frames import NOWHERE, Place


class Via(str, Enum):
    """How one object leads to the next; the values are the kinds of docs/contracts."""

    LOCAL = "local"
    GLOBAL = "global"
    ATTRIBUTE = "attribute"
    ITEM = "item"
    CLOSURE = "closure"
    DEFAULT = "default"
    GENERATOR = "generator"
    HOOK = "hook"
    CTX = "ctx"
    EXCEPTION = "exception"
    GRADIENT = "gradient"
    PART = "part"


# With these a name begins anew: what follows is a variable of another place.
_BASES = frozenset({Via.LOCAL, Via.GLOBAL, Via.CLOSURE, Via.DEFAULT, Via.GENERATOR})
# What holds a tensor by these is named by the object that they belong to.
_OWNERS = frozenset({Via.HOOK, Via.EXCEPTION})


class Trail(NamedTuple):
    """One step on the way to a tensor, and the steps before it.

    Attributes:
        before: the step before, None for a variable.
        via: how this step leads on.
        label: the variable's, attribute's or key's name; None where an index or a key does not
            matter.
        place: whose it is, where it is a variable.
        container: the type of the container that an item is in.
        identity: that container's identity.
    """

    before: Trail | None
    via: Via
    label: str | None
    place: Place | None = None
    container: str = ""
    identity: int = 0

    @property
    def steps(self) -> list[Trail]:
        """The steps from the variable on."""
        steps: list[Trail] = []
        step: Trail | None = self
        while step is not None:
            steps.append(step)
            step = step.before
        return steps[::-1]


class Keeper(NamedTuple):
    """A variable, attribute or container that leads to tensors, as the user knows it.

    Attributes:
        name: how the user's code names it.
        kind: what it is: the name of a container's type, or a value of `Via`.
        place: whose it is.
        last: the name's last part, by which statements refer to it.
    """

    name: str
    kind: str
    place: Place
    last: str


def keeper_of(trail: Trail) -> tuple[Keeper, int]:
    """Word what a trail leads through: the outermost container whose items don't matter.

    Returns:
        the keeper, and the identity of the container where it is one, else 0.
    """
    named: list[Trail] = []
    kind, identity = "", 0
    for step in trail.steps:
        if step.via in _OWNERS:
            kind = step.via.value
            break
        if step.via is Via.ITEM and step.label is None:
            kind, identity = step.container, step.identity
            break
        if step.via in _BASES:
            named.clear()
        named.append(step)
        kind = step.via.value
        if step.via is Via.GRADIENT:
            named = [named[0], step]
            break
    last = next((s.label for s in reversed(named) if s.label), "")
    return Keeper("".join(_words(named)), kind, named[0].place or NOWHERE, last), identity


def _words(steps: list[Trail]) -> Iterator[str]:
    for index, step in enumerate(steps):
        if step.via is Via.GRADIENT:
            yield ".*.grad"
        elif step.via is Via.ITEM:
            yield f"[{step.label!r}]"
        elif step.label:
            yield f".{step.label}" if index else step.label
