"""RG303: missing-create-graph.

## What it does
Flags a gradient made without `create_graph=True` that is put into a loss: as a penalty on its size,
as a term of a differential equation's residual beside the function itself or its other derivatives,
or as the whole of what a later pass differentiates.

## Why it matters
Without `create_graph` a gradient is a constant. A penalty made of it changes the value of the loss
and nothing else: the model trains as if it were not there. In a residual, the model is not told how
its derivative changes with the weights. Where the loss is made of nothing but
the gradient, the pass raises "element 0 of tensors does not require grad". `retain_graph=True`
keeps the first graph, but does not make the gradient differentiable.

## Example
```python
(slopes,) = torch.autograd.grad(critic(x).sum(), x, retain_graph=True)
penalty = (slopes.norm(dim=1) - 1).pow(2).mean()
(loss + 10 * penalty).backward()
```

## Use instead
```python
(slopes,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
penalty = (slopes.norm(dim=1) - 1).pow(2).mean()
(loss + 10 * penalty).backward()
```

## Silent when
* the gradient is detached, turned into a number, or used under `no_grad`;
* it moves weights or inputs (`weight - rate * slope`, the first-order form of MAML, adversarial
  steps) or scales a loss (an adaptive weight);
* it is a gradient for weights, which another gradient is to match;
* the loss that it is added to is never differentiated;
* `create_graph` is a variable of unknown value.

## Fix safety
Unsafe: the loss gets the gradient that it was meant to have, and so the training changes.

## References
* `torch.autograd.grad`, on `create_graph`.
* Gulrajani et al., "Improved Training of Wasserstein GANs", algorithm 1.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphlint.rules.edits import turn_create_graph_on
from graphlint.rules.rule import Claim, Holds, Rule
from graphlint.trace import ConstantTerm, Event, Trace


def check(trace: Trace) -> Iterator[Claim]:
    """Yield every gradient that a later pass takes for a constant."""
    for term in trace.constants:
        message = _RAISES if term.added is None else _RESIDUAL if term.residual else None
        yield Claim(term.site, _witness(term), message=message)


def _witness(term: ConstantTerm) -> tuple[Event, ...]:
    made = Event(term.site, "makes a gradient that is a constant")
    if term.added is None:
        return made, Event(term.later, "differentiates it, and raises")
    if term.residual:
        added = Event(term.added, "adds it to what is made of the output that it is a gradient of")
        return made, added, Event(term.later, "differentiates the sum, but not the gradient in it")
    added = Event(term.added, "adds a penalty made of it to a loss")
    return made, added, Event(term.later, "differentiates the loss: the penalty has no effect")


_RAISES = (
    "A later pass differentiates this gradient, which is a constant, and raises: pass "
    "`create_graph=True`."
)
_RESIDUAL = (
    "This gradient is a constant in the loss that it becomes a part of, and is not differentiated "
    "with the rest: pass `create_graph=True`."
)
RULE = Rule(
    code="RG303",
    name="missing-create-graph",
    message=(
        "A penalty made of this gradient has no effect on the loss that it is added to, as the "
        "gradient is a constant: pass `create_graph=True`."
    ),
    holds=Holds.SOME,
    check=check,
    fix=turn_create_graph_on,
    page=__doc__,
    bad="""\
import torch

critic = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
x = torch.randn(5, 3, requires_grad=True)
scores = critic(x)
(slopes,) = torch.autograd.grad(scores.sum(), x, retain_graph=True)
penalty = (slopes.norm(dim=1) - 1).pow(2).mean()
loss = scores.mean() + 10 * penalty
loss.backward()
""",
    good="""\
import torch

critic = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
x = torch.randn(5, 3, requires_grad=True)
scores = critic(x)
(slopes,) = torch.autograd.grad(scores.sum(), x, create_graph=True)
penalty = (slopes.norm(dim=1) - 1).pow(2).mean()
loss = scores.mean() + 10 * penalty
loss.backward()
""",
)
