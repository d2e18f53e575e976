"""RG301: create-graph-in-backward.

## What it does
Flags `.backward(create_graph=True)` whose gradients stay in the parameters: nothing throws them
away afterwards.

## Why it matters
Such a gradient is a graph, and its graph holds the parameter, which holds the gradient in `.grad`:
a cycle that reference counting never frees. The collector does not see through it either, as part
of it is in C++: parameter, gradient and graph stay for good, with everything that the graph saved.

## Example
```python
loss.backward(create_graph=True)
penalty = sum((weight.grad**2).sum() for weight in model.parameters())
penalty.backward()
```

## Use instead
```python
gradients = torch.autograd.grad(loss, list(model.parameters()), create_graph=True)
penalty = sum((gradient**2).sum() for gradient in gradients)
penalty.backward()
```

## Silent when
* the gradients are thrown away on some path after the pass: `zero_grad()`, `weight.grad = None`,
  `detach_()`;
* the gradients have no graph, as those of a linear function;
* whose gradients they are is not known.

## Fix safety
There is no automatic fix: what reads `.grad` has to read what `torch.autograd.grad` returns.

## References
* `torch.Tensor.backward` warns: "Using backward() with create_graph=True will create a reference
  cycle between the parameter and its gradient which can cause a memory leak".
"""

from __future__ import annotations

from collections.abc import Iterator

from graphlint.rules.rule import Claim, Holds, Rule
from graphlint.trace import Event, Form, Trace

_FORMS = (Form.TENSOR_BACKWARD, Form.AUTOGRAD_BACKWARD)


def check(trace: Trace) -> Iterator[Claim]:
    """Yield every pass that leaves gradients with graphs in leaves for good."""
    for made in trace.creations:
        if made.form in _FORMS and not made.cleared:
            event = Event(made.site, "leaves gradients with graphs in `.grad`")
            yield Claim(made.at, (event,), made.doubts | trace.doubts_at(made.site))


RULE = Rule(
    code="RG301",
    name="create-graph-in-backward",
    message=(
        "`create_graph=True` ties each parameter and its gradient into a cycle that is never "
        "freed: use `torch.autograd.grad`, or set `.grad = None` afterwards."
    ),
    holds=Holds.SOME,
    check=check,
    observable=True,
    page=__doc__,
    bad="""\
import torch

weight = torch.randn(3, requires_grad=True)
loss = (weight**3).sum()
loss.backward(create_graph=True)
penalty = (weight.grad**2).sum()
penalty.backward()
""",
    good="""\
import torch

weight = torch.randn(3, requires_grad=True)
loss = (weight**3).sum()
(gradient,) = torch.autograd.grad(loss, weight, create_graph=True)
penalty = (gradient**2).sum()
penalty.backward()
""",
)
