"""The words in which library knowledge is written down: three-valued answers and op rows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Ternary(Enum):
    """A three-valued answer, combined by Kleene's logic.

    It has no truth value on purpose: `if op.saves:` would take NO for true. Compare with `is`.
    """

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"

    def __or__(self, other: Ternary) -> Ternary:
        if YES in (self, other):
            return YES
        return MAYBE if MAYBE in (self, other) else NO

    def __and__(self, other: Ternary) -> Ternary:
        if NO in (self, other):
            return NO
        return MAYBE if MAYBE in (self, other) else YES

    def __invert__(self) -> Ternary:
        return _INVERSE[self.value]

    def __bool__(self) -> bool:
        raise TypeError("a Ternary has no truth value: compare it with YES, NO or MAYBE")

    @classmethod
    def of(cls, value: bool) -> Ternary:
        """Lift a two-valued answer."""
        return YES if value else NO


YES: Final = Ternary.YES
NO: Final = Ternary.NO
MAYBE: Final = Ternary.MAYBE

_INVERSE: Final = {"no": YES, "maybe": MAYBE, "yes": NO}


@dataclass(frozen=True, slots=True)
class Op:
    """What autograd records when an op is called on tensors that require grad.

    Attributes:
        saves: a second pass over the op's own nodes raises: always, never, or it depends on the
            arguments.
        inputs: one letter for each positional argument, the receiver of a method first; arguments
            behind the last letter are never saved. A trailing `*` repeats the letter before it.
            `a`: this very tensor is saved whenever the op is recorded.
            `x`: saved only if another input marked `x`, `a`, `o` or `?` requires grad.
            `o`: saved only if it requires grad itself.
            `?`: it depends on the arguments.
            `-`: never saved (a number, a dimension, or a tensor that is not needed).
            `.`: never saved, and an op that only such inputs require grad of saves nothing at all
            (the bias of a linear layer).
        output: the tensor that the caller gets is saved itself, so that changing it in place
            breaks the graph.
        results: how many tensors the call returns; "list" for a sequence whose length depends on
            the arguments; "dim" for one tensor, but a pair (values, indices) if a `dim` is given.
        graphless: the positions of results that never carry a graph (indices, counts).
        names: the parameters' names in the order of `inputs`, for tensors given by keyword.
        within: what it saves is made on the way from its inputs to its output, neither of which it
            saves itself, and a gradient depends on it (the log-softmax in `cross_entropy`).
    """

    saves: Ternary
    inputs: str = ""
    output: Ternary = NO
    results: int | str = 1
    graphless: tuple[int, ...] = ()
    names: str = ""
    within: bool = False

    def letter(self, position: int) -> str:
        """Return the letter for one positional argument."""
        if self.inputs.endswith("*") and position >= len(self.inputs) - 1:
            return self.inputs[-2]
        return self.inputs[position] if position < len(self.inputs) else "-"

    def keyword(self, name: str) -> str:
        """Return the letter for an argument given by keyword, `-` if its name is unknown."""
        names = self.names.split()
        return self.letter(names.index(name)) if name in names else "-"


@dataclass(frozen=True, slots=True)
class Layer:
    """What autograd records when a layer of `torch.nn` is called with default options.

    Attributes:
        op: the call as an op; its positions are the call's, without the layer itself.
        weights: the letter of the layer's parameters, as in `Op.inputs`, empty if it has none.
            `a` says that some of them are saved whenever the call is recorded.
        returns: "tensor", "pair" (two tensors) or "lstm": `(output, (h, c))`.
        training_only: the layer saves in training mode and is an identity in evaluation mode.
    """

    op: Op
    weights: str = ""
    returns: str = "tensor"
    training_only: bool = False
