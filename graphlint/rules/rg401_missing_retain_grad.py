"""RG401: missing-retain-grad.

## What it does
Flags reading `.grad` of a tensor that an operation made (no leaf) after a pass through it, where
nothing called `retain_grad()` on it.

## Why it matters
A pass accumulates gradients in leaves only. Everything between gets its gradient, hands it on and
forgets it: `.grad` is None, and what is done with it raises or is skipped in silence.

## Example
```python
features = encoder(images)
criterion(head(features), labels).backward()
print(features.grad.norm())
```

## Use instead
```python
features = encoder(images)
features.retain_grad()
criterion(head(features), labels).backward()
print(features.grad.norm())
```

## Silent when
* the program asks whether there is a gradient (`is None`);
* `retain_grad()` is called on the tensor, or on one that may be the same, or unknown code has had
  the tensor;
* the tensor is among the `inputs` of a `backward` call;
* no pass has gone through it, or whether it is a leaf can't be told.

## Fix safety
Unsafe: the gradient is as large as the tensor, and what does nothing now will do something. There
is a fix where the tensor is a variable that is assigned once in its function. Else call
`retain_grad()` on the tensor before the pass, or ask `torch.autograd.grad` for the gradient.

## References
* torch warns: "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its
  .grad attribute won't be populated during autograd.backward()."
"""

from __future__ import annotations

from collections.abc import Iterator

from graphlint.rules.retaining import retain_grad
from graphlint.rules.rule import Claim, Holds, Rule
from graphlint.trace import Event, Trace


def check(trace: Trace) -> Iterator[Claim]:
    """Yield every read of a gradient that is not there."""
    for read in trace.grad_reads:
        witness = [Event(read.made, "makes the tensor, which is no leaf")] if read.made else []
        witness.append(Event(read.site, "reads its gradient, which is None"))
        yield Claim(read.site, tuple(witness))


RULE = Rule(
    code="RG401",
    name="missing-retain-grad",
    message=(
        "This tensor is no leaf and has no gradient: `.grad` is None. Call `retain_grad()` on it "
        "before the pass."
    ),
    holds=Holds.SOME,
    check=check,
    fix=retain_grad,
    observable=True,
    page=__doc__,
    bad="""\
import torch

weight = torch.randn(3, requires_grad=True)
scale = weight.exp()
loss = (scale * scale).sum()
loss.backward()
print(scale.grad)
""",
    good="""\
import torch

weight = torch.randn(3, requires_grad=True)
scale = weight.exp()
scale.retain_grad()
loss = (scale * scale).sum()
loss.backward()
print(scale.grad)
""",
)
