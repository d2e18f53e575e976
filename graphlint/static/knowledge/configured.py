"""Functions that a configuration names: by their last names, or by as much of a dotted one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Configured:
    """Names of functions, dotted or not.

    Attributes:
        names: the names as they are configured, `step_loss` or `engine.step_loss`.
        last: the last part of each.
    """

    names: frozenset[str] = frozenset()
    last: frozenset[str] = frozenset()

    @staticmethod
    def of(names: Iterable[str]) -> Configured:
        """Return what a configuration's list of names stands for."""
        given = frozenset(names)
        return Configured(given, frozenset([name.rpartition(".")[2] for name in given]))

    def mean(self, called: str) -> bool:
        """Whether they mean a function: its name, dotted as far as it is known, ends with one."""
        if called.rpartition(".")[2] not in self.last:
            return False
        return any(f".{called}".endswith(f".{name}") for name in self.names)
