"""RG101: unneeded-retain-graph.

## What it does
Flags a backward pass that keeps its graph (`retain_graph=True`) although no later pass visits what
it keeps.

## Why it matters
Without the flag, the pass frees the tensors that the graph saved for it: usually most of a
training step's memory. With it they stay until the last reference to the loss goes away, often
while the next iteration already builds its own graph, so that peak memory grows by a whole graph.

## Example
```python
loss = criterion(model(inputs), targets)
optimizer.zero_grad()
loss.backward(retain_graph=True)
optimizer.step()
```

## Use instead
```python
loss = criterion(model(inputs), targets)
optimizer.zero_grad()
loss.backward()
optimizer.step()
```

## Silent when
* some execution of the call keeps nodes that a later pass visits, on any explored path;
* all that the call differentiates comes from outside the analysed program;
* `create_graph=True` implies the flag (that is RG104).

## Fix safety
Safe: the gradients are the same, as nobody visits the graph again.

## References
* `torch.Tensor.backward`: "in nearly all cases setting this option to True is not needed and often
  can be worked around in a much more efficient way".
"""

from __future__ import annotations

from collections.abc import Iterator

from graphlint.rules.edits import drop_retain_graph
from graphlint.rules.rule import Claim, Holds, Rule
from graphlint.trace import Event, Trace


def check(trace: Trace) -> Iterator[Claim]:
    """Yield every flag whose graphs no later pass visits."""
    for kept in trace.retentions():
        if kept.reused or kept.refused or kept.implied:
            continue
        if kept.site not in trace.overruled:
            built = next((p.built for p in kept.passes if p.built), None)
            witness = [Event(built, "builds the graph")] if built else []
            witness.append(Event(kept.site, "keeps the graph, and no later pass visits it"))
            yield Claim(kept.at, tuple(witness), kept.doubts)


RULE = Rule(
    code="RG101",
    name="unneeded-retain-graph",
    message="No later pass visits the graph that this pass keeps: drop `retain_graph`.",
    holds=Holds.EVERY,
    check=check,
    fix=drop_retain_graph,
    observable=True,
    page=__doc__,
    bad="""\
import torch

weight = torch.randn(3, requires_grad=True)
loss = (weight * weight).sum()
loss.backward(retain_graph=True)
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
