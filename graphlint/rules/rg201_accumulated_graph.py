"""RG201: accumulated-graph.

## What it does
Flags `total += loss` in a loop where `total` is never differentiated: a number to look at, which
keeps the graph of every iteration. So do a mean or a moving average that is computed of the one
before (`mean = 0.9 * mean + 0.1 * loss`), and outputs that are joined to those before.

## Why it matters
The sum's graph refers to the graph of each loss. Where a pass has freed what a loss's graph saved,
its nodes stay: a few kilobytes an iteration, whatever the batch. Where no pass has, or the pass
retained, the activations stay too, and memory grows by a whole forward pass an iteration.

## Example
```python
for inputs, targets in loader:
    loss = criterion(model(inputs), targets)
    loss.backward()
    total_loss += loss
```

## Use instead
```python
for inputs, targets in loader:
    loss = criterion(model(inputs), targets)
    loss.backward()
    total_loss += loss.detach()  # or loss.item(), which waits for the device
```

## Silent when
* the value is added without its graph: `.item()`, `.detach()`, `.data`, `float()`, `no_grad`;
* a later pass differentiates the sum, on any explored path;
* the sum starts anew in each iteration, or every few;
* it is handed to unknown code, or returned to it, while it can still be differentiated;
* the loop goes over parts of what a module's forward pass computes, and no pass visits these;
* whether the value has a graph at all can't be told.

## Fix safety
Unsafe: it adds `.detach()`, so that nobody can differentiate the sum any more, and a value that is
a plain number on some path has no such method.

## References
* PyTorch FAQ, "My model reports cuda runtime error(2): out of memory": "Don't accumulate history
  across your training loop."
"""

from __future__ import annotations

from collections.abc import Iterator

from graphlint.rules.detaching import LEFT, detach_summand, leave
from graphlint.rules.rule import Claim, Holds, Rule
from graphlint.rules.witness import hold_witness
from graphlint.trace import Hold, Keeping, Trace


def check(trace: Trace) -> Iterator[Claim]:
    """Yield every sum that keeps its summands' graphs for nothing."""
    for hold in trace.holds:
        if hold.how is Keeping.SUM:
            repair = LEFT if hold.mixed else ""
            yield Claim(hold.site, hold_witness(hold), hold.doubts, _message(hold), repair)


def _message(hold: Hold) -> str:
    total = f"`{hold.name}`" if hold.name else "The sum"
    until = ", until it starts anew" if hold.renewed else ""
    if hold.freed:
        return (
            f"{total} keeps the nodes of every iteration's graph{until}, which no pass can visit "
            "any more: add the value's `.item()` or `.detach()`."
        )
    return (
        f"{total} keeps every iteration's graph with all that it saved{until}, and no pass visits "
        "it: add the value's `.item()` or `.detach()`."
    )


RULE = Rule(
    code="RG201",
    name="accumulated-graph",
    message="A sum keeps the graph of every iteration: add the value's `.item()` or `.detach()`.",
    holds=Holds.SOME,
    check=check,
    observable=True,
    fix=detach_summand,
    repairs={LEFT: leave},
    page=__doc__,
    bad="""\
import torch

model = torch.nn.Linear(3, 1)
total = 0.0
for inputs in torch.randn(4, 2, 3):
    loss = model(inputs).pow(2).mean()
    loss.backward()
    total += loss
print(total)
""",
    good="""\
import torch

model = torch.nn.Linear(3, 1)
total = 0.0
for inputs in torch.randn(4, 2, 3):
    loss = model(inputs).pow(2).mean()
    loss.backward()
    total += loss.detach()
print(total)
""",
)
