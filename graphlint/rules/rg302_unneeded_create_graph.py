"""RG302: unneeded-create-graph.

## What it does
Flags a pass that makes differentiable gradients (`create_graph=True`) although nothing
differentiates them.

## Why it matters
The pass records a graph of its own, as large as the first, and keeps both: about twice the memory,
and a slower pass, for gradients of which only the values are used.

## Example
```python
(slope,) = torch.autograd.grad(model(image).max(), image, create_graph=True)
saliency = slope.abs()
```

## Use instead
```python
(slope,) = torch.autograd.grad(model(image).max(), image)
saliency = slope.abs()
```

Where a later pass visits the graph that the flag keeps, pass `retain_graph=True` in its place.

## Silent when
* a later pass may visit the gradients' graph, on any explored path;
* the gradients get out of the analysed code: returned from a function that nothing calls, stored on
  an object, handed to a call that is not known;
* the pass is run for its hooks: nobody takes what it returns, or the program registers hooks;
* the function that nothing calls has switches, parameters that are True, False or None by default;
* the flag is a variable of unknown value.

## Fix safety
Safe: the gradients have the same values, up to the rounding of a few operations (`gelu`, `silu`,
`layer_norm`) that torch computes by another formula if their gradients must be differentiable.

## References
* `torch.autograd.grad`: "create_graph - If True, graph of the derivative will be constructed,
  allowing to compute higher order derivative products".
"""

from __future__ import annotations

from collections.abc import Iterator

from graphlint.rules.edits import drop_create_graph, retain_instead
from graphlint.rules.rule import Claim, Holds, Rule
from graphlint.trace import Confidence, Doubt, Event, Trace

UNSEEN_HOOK = Doubt(Confidence.LIKELY, "a hook of code that is not known may use them")


_KEEPS_ONLY = (
    "Nothing differentiates the gradients that this pass makes, and a later pass visits its graph: "
    "`retain_graph=True` would do."
)


def check(trace: Trace) -> Iterator[Claim]:
    """Yield every pass whose gradients nobody differentiates."""
    visited_again = {p.site for run in trace.runs for p in run.passes if p.reused}
    for made in trace.creations:
        if not made.differentiated:
            event = Event(made.site, "makes differentiable gradients, which nobody differentiates")
            doubts = trace.doubts_at(made.site)
            if made.foreign:
                doubts |= {UNSEEN_HOOK}
            if made.site in visited_again:
                yield Claim(made.at, (event,), doubts, _KEEPS_ONLY, "retain")
            else:
                yield Claim(made.at, (event,), doubts)


RULE = Rule(
    code="RG302",
    name="unneeded-create-graph",
    message="Nothing differentiates the gradients that this pass makes: drop `create_graph`.",
    holds=Holds.EVERY,
    check=check,
    fix=drop_create_graph,
    repairs={"retain": retain_instead},
    observable=True,
    page=__doc__,
    bad="""\
import torch

image = torch.randn(3, requires_grad=True)
score = (image**3).sum()
(slope,) = torch.autograd.grad(score, image, create_graph=True)
print(slope.abs().max().item())
""",
    good="""\
import torch

image = torch.randn(3, requires_grad=True)
score = (image**3).sum()
(slope,) = torch.autograd.grad(score, image)
print(slope.abs().max().item())
""",
)
