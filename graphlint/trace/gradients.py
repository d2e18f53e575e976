"""Gradients: made differentiable, taken for constants, read, or kept."""

from __future__ import annotations

from dataclasses import dataclass

from graphlint.trace.passes import Form
from graphlint.trace.places import Doubt, Site


@dataclass(frozen=True, slots=True)
class Creation:
    """All passes of one call that made differentiable gradients (`create_graph`).

    Attributes:
        site: the call.
        at: the call that wrote the flag: `site`, or a caller that hands it on.
        form: which function was called.
        differentiated: somebody differentiates the gradients on some path, or may.
        cleared: the gradients that it left in leaves are thrown away on some path.
        doubts: what weakens the claim that they never are.
        foreign: part of the graph comes from code that is not known, and may have hooks of its own.
    """

    site: Site
    at: Site
    form: Form = Form.AUTOGRAD_GRAD
    differentiated: bool = False
    cleared: bool = False
    doubts: frozenset[Doubt] = frozenset()
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class ConstantTerm:
    """A gradient without a graph of its own that a later pass takes for a constant.

    Attributes:
        site: the call that made the gradient, without `create_graph`.
        later: the pass that differentiates a loss made of it.
        added: where a term made of the gradient was added to that loss; None where the loss is
            made of nothing else, so that the later pass raises.
        residual: it was added to what is made of the gradient's own output, not to a loss.
    """

    site: Site
    later: Site
    added: Site | None = None
    residual: bool = False


@dataclass(frozen=True, slots=True)
class GradRead:
    """`.grad` is read of a tensor that is no leaf, after a pass, and nobody asked to retain it.

    Attributes:
        site: where it is read.
        made: where the tensor was made, if that is known.
    """

    site: Site
    made: Site | None = None


@dataclass(frozen=True, slots=True)
class RetainGrad:
    """All executions of one call of `retain_grad`.

    Attributes:
        site: the call.
        on_leaf: the tensor was a leaf each time.
        read: somebody reads the gradient on some path, or may.
    """

    site: Site
    on_leaf: bool = False
    read: bool = False
