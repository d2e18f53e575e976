"""What in-place calls do that their plain forms don't: `NAME_` is looked up here first.

Most in-place ops need no row: they record what the plain op records, except that autograd saves a
copy of the receiver's old value (`VariableTypeManual`, torch 2.13.0), so the receiver itself is
free to change again unless the op saves its result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from graphlint.static.knowledge.facts import NO, YES, Op


@dataclass(frozen=True, slots=True)
class InPlace:
    """What an in-place call does to its receiver.

    Attributes:
        op: what it records; None for a call that records nothing.
        bumps: the receiver's version rises, so graphs that saved it can't be visited again.
        cuts: the receiver leaves its graph.
    """

    op: Op | None = None
    bumps: bool = True
    cuts: bool = False


# A change through a view (`x[0].add_(1)`) gives the base a `CopySlices` node, whatever the op: it
# holds no tensor, but a second pass over it raises, as a pass frees the function inside it
# (`CopySlices` in `torch/csrc/autograd/functions/tensor.cpp`, torch 2.13.0).
THROUGH_VIEW: Final = InPlace(Op(YES))

_SAVES_NOTHING: Final = InPlace(Op(NO))
_SAVES_RESULT: Final = InPlace(Op(YES, output=YES))

INPLACE: Final[Mapping[str, InPlace]] = {
    # They overwrite the old values but stay nodes over the old graph, with zero gradients.
    "zero_": _SAVES_NOTHING,
    "fill_": _SAVES_NOTHING,
    "normal_": _SAVES_NOTHING,
    "uniform_": _SAVES_NOTHING,
    "bernoulli_": _SAVES_NOTHING,
    "exponential_": _SAVES_NOTHING,
    "geometric_": _SAVES_NOTHING,
    "cauchy_": _SAVES_NOTHING,
    "log_normal_": _SAVES_NOTHING,
    "random_": _SAVES_NOTHING,
    # The source's graph becomes the receiver's.
    "copy_": InPlace(Op(NO, names="input src")),
    # Comparisons in place keep a node, unlike their plain forms.
    "eq_": _SAVES_NOTHING,
    "ne_": _SAVES_NOTHING,
    "lt_": _SAVES_NOTHING,
    "le_": _SAVES_NOTHING,
    "gt_": _SAVES_NOTHING,
    "ge_": _SAVES_NOTHING,
    "not_equal_": _SAVES_NOTHING,
    "less_": _SAVES_NOTHING,
    "less_equal_": _SAVES_NOTHING,
    "greater_": _SAVES_NOTHING,
    "greater_equal_": _SAVES_NOTHING,
    # Their plain forms save the input, which the in-place forms no longer have.
    "leaky_relu_": _SAVES_RESULT,
    "rrelu_": _SAVES_RESULT,
    "elu_": _SAVES_RESULT,
    "celu_": _SAVES_RESULT,
    "selu_": _SAVES_RESULT,
    # Part of a tensor changes: `x[0] = 1` is `fill_` through a view, `x[rows] = 1` is `index_put_`.
    # Both raise on a second pass; only `x[:] = y` and `x[...] = y`, the whole tensor, don't.
    "__setitem__": THROUGH_VIEW,
    "fill_diagonal_": THROUGH_VIEW,
    # The version stays the same.
    "detach_": InPlace(bumps=False, cuts=True),
    "requires_grad_": InPlace(bumps=False),
    "share_memory_": InPlace(bumps=False),
    "resize_": InPlace(bumps=False),
    "resize_as_": InPlace(bumps=False),
    "apply_": InPlace(bumps=False),
    "map_": InPlace(bumps=False),
    # The receiver points at other memory; nothing can be differentiated through it.
    "set_": InPlace(cuts=True),
}


def derived(op: Op) -> InPlace:
    """Turn a plain op's row into that of its in-place form."""
    receiver = "." if op.inputs.startswith(".") else "-"
    return InPlace(replace(op, inputs=receiver + op.inputs[1:] if op.inputs else ""))
