"""RG202: graph-in-container.

## What it does
Flags a tensor that is stored with its graph in a list, dictionary, deque, or slot of a tensor that
outlives the iteration, grows with every one, and is never differentiated.

## Why it matters
A container of losses or outputs for logging keeps the graph of each. Where a pass has freed what a
graph saved, its nodes stay: a few kilobytes an iteration, whatever the batch. Where no pass has, or
the pass retained, the activations stay too, and memory grows by a whole forward pass an iteration.

## Example
```python
for inputs, targets in loader:
    loss = criterion(model(inputs), targets)
    loss.backward()
    history.append(loss)
```

## Use instead
```python
for inputs, targets in loader:
    loss = criterion(model(inputs), targets)
    loss.backward()
    history.append(loss.item())  # or loss.detach()
```

## Silent when
* the value is added without its graph: `.item()`, `.detach()`, `.data`, `float()`, `no_grad`;
* a later pass differentiates what is stored, on any explored path;
* the container is made anew or cleared in each iteration, is a `deque` with a `maxlen` below 1000,
  or the file takes items out of it again;
* it is handed to unknown code, or returned to it, while it can still be differentiated;
* the loop goes over parts of what a module's forward pass computes, and no pass visits these;
* whether the value has a graph at all can't be told.

## Fix safety
Unsafe: it adds `.detach()`, so that nobody can differentiate the stored value any more, and a value
that is a plain number on some path has no such method.

## References
* PyTorch FAQ, "My model reports cuda runtime error(2): out of memory": "Don't accumulate history
  across your training loop."
"""

from __future__ import annotations

from collections.abc import Iterator

from graphlint.rules.detaching import LEFT, detach_stored, leave
from graphlint.rules.rule import Claim, Holds, Rule
from graphlint.rules.witness import hold_witness
from graphlint.trace import Hold, Keeping, Trace


def check(trace: Trace) -> Iterator[Claim]:
    """Yield every store into a container that keeps graphs for nothing."""
    for hold in trace.holds:
        if hold.how is Keeping.CONTAINER:
            repair = LEFT if hold.mixed else ""
            yield Claim(hold.site, hold_witness(hold), hold.doubts, _message(hold), repair)


def _message(hold: Hold) -> str:
    container = f"`{hold.name}`" if hold.name else "The container"
    if hold.freed:
        return (
            f"{container} keeps the nodes of every iteration's graph, which no pass can visit any "
            "more: store the value's `.item()` or `.detach()`."
        )
    return (
        f"{container} keeps every iteration's graph with all that it saved, and no pass visits it: "
        "store the value's `.item()` or `.detach()`."
    )


RULE = Rule(
    code="RG202",
    name="graph-in-container",
    message=(
        "A container keeps the graph of every iteration: store the value's `.item()` or "
        "`.detach()`."
    ),
    holds=Holds.SOME,
    check=check,
    observable=True,
    fix=detach_stored,
    repairs={LEFT: leave},
    page=__doc__,
    bad="""\
import torch

model = torch.nn.Linear(3, 1)
losses = []
for inputs in torch.randn(4, 2, 3):
    loss = model(inputs).pow(2).mean()
    loss.backward()
    losses.append(loss)
print(losses[-1])
""",
    good="""\
import torch

model = torch.nn.Linear(3, 1)
losses = []
for inputs in torch.randn(4, 2, 3):
    loss = model(inputs).pow(2).mean()
    loss.backward()
    losses.append(loss.detach())
print(losses[-1])
""",
)
