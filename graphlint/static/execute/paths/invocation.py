"""A call under way: where it stands in the program, and the values that it hands over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from graphlint.static import ir
from graphlint.static.execute.paths.values import Value


@dataclass(frozen=True, slots=True)
class Invocation:
    """A call whose function and arguments have been evaluated.

    Python makes some by itself, as of a property or at the end of a `with`: `node` is then what
    it makes them for.
    """

    node: ir.Node
    args: Sequence[Value] = ()
    keywords: Mapping[str, Value] = field(default_factory=dict)

    def on(self, owner: Value) -> Invocation:
        """Put a method's object before the arguments, as in `torch.Tensor.backward(loss)`."""
        return replace(self, args=(owner, *self.args))

    def after(self, count: int) -> Invocation:
        """Leave out the first arguments, as a method's object when the method is looked up."""
        return replace(self, args=self.args[count:])

    def argument(self, index: int, name: str) -> Value | None:
        """Return the argument that is given in a position, or else by a name."""
        return self.args[index] if index < len(self.args) else self.keywords.get(name)

    @property
    def values(self) -> list[Value]:
        """All that is handed over."""
        return [*self.args, *self.keywords.values()]
