"""RG110: default-spelled-out.

## What it does
Flags `retain_graph=False` and `retain_graph=None` where that is the default. Off by default.

## Why it matters
It does nothing, and makes readers look for the call that keeps its graph.

## Example
```python
loss.backward(retain_graph=False)
```

## Use instead
```python
loss.backward()
```

## Silent when
* the call passes `create_graph` too, and `retain_graph=False` frees what that would keep;
* the call is one of a wrapper, whose default may be another;
* the flag is passed by position.

## Fix safety
Safe: the pass does the same.

## References
* `torch.Tensor.backward`: "retain_graph … Defaults to the value of `create_graph`".
"""

from __future__ import annotations

from collections.abc import Iterator

from graphlint.rules.edits import drop_default_flag
from graphlint.rules.rule import Claim, Holds, Rule
from graphlint.trace import Call, Event, Trace


def check(trace: Trace) -> Iterator[Claim]:
    """Yield every `retain_graph` of a pass that says what holds without it."""
    for call in trace.calls:
        if call.site in trace.passes and _is_default(call):
            yield Claim(call.site, (Event(call.site, "spells the default out"),))


def _is_default(call: Call) -> bool:
    off = call.retain == "False" and call.create in (None, "None", "False")
    return off or call.retain == "None"


RULE = Rule(
    code="RG110",
    name="default-spelled-out",
    message="The graph is not kept by default: drop `retain_graph`.",
    holds=Holds.EVERY,
    check=check,
    fix=drop_default_flag,
    default=False,
    page=__doc__,
    bad="""\
import torch

weight = torch.randn(3, requires_grad=True)
loss = (weight * weight).sum()
loss.backward(retain_graph=False)
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
