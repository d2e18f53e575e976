"""RG402: unneeded-retain-grad.

## What it does
Flags `retain_grad()` on a leaf, which does nothing, and on a tensor whose `.grad` nothing reads.

## Why it matters
A leaf keeps its gradient anyway, and whoever reads the call believes that the tensor is no leaf. On
other tensors the call keeps a gradient as large as the tensor for as long as the tensor lives.

## Example
```python
weight = torch.randn(3, requires_grad=True)
weight.retain_grad()
```

## Use instead
```python
weight = torch.randn(3, requires_grad=True)
```

## Silent when
* the gradient is read on some path, or the tensor gets out of the analysed code: returned, stored
  on an object, handed to a call that is not known;
* the leaf may have become another tensor by `.to(…)`, `.cuda()` or a cast;
* the tensor is a module's parameter (a parametrization makes it a tensor that is no leaf).

## Fix safety
Safe on a leaf. Unsafe elsewhere: a debugger, a notebook or a hook may read the gradient.

## References
* `torch.Tensor.retain_grad`: "This is a no-op for leaf tensors".
"""

from __future__ import annotations

from collections.abc import Iterator

from graphlint.rules.rule import Claim, Holds, Rule
from graphlint.rules.statements import drop_statement
from graphlint.trace import Confidence, Doubt, Event, Trace

UNSEEN_READER = Doubt(Confidence.LIKELY, "a debugger or a hook may read it")


def check(trace: Trace) -> Iterator[Claim]:
    """Yield every call of `retain_grad` that keeps nothing, or keeps it for nobody."""
    for call in trace.retained_grads:
        doubts = trace.doubts_at(call.site)
        if call.on_leaf:
            yield Claim(call.site, (Event(call.site, "is called on a leaf"),), doubts)
        elif not call.read:
            event = Event(call.site, "keeps a gradient that nothing reads")
            yield Claim(call.site, (event,), doubts | {UNSEEN_READER}, _UNREAD)


_UNREAD = "Nothing reads the gradient that this call keeps: drop it."
RULE = Rule(
    code="RG402",
    name="unneeded-retain-grad",
    message="A leaf keeps its gradient anyway: drop `retain_grad()`.",
    holds=Holds.EVERY,
    check=check,
    fix=drop_statement,
    page=__doc__,
    bad="""\
import torch

weight = torch.randn(3, requires_grad=True)
weight.retain_grad()
loss = (weight * weight).sum()
loss.backward()
print(weight.grad)
""",
    good="""\
import torch

weight = torch.randn(3, requires_grad=True)
loss = (weight * weight).sum()
loss.backward()
print(weight.grad)
""",
)
