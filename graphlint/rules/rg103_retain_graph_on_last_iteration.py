"""RG103: retain-graph-on-last-iteration.

## What it does
Flags a flag that is needed on every iteration of a loop but the last, after which nobody visits the
graph again.

## Why it matters
The last pass leaves the whole graph alive, with every tensor that it saved, until the last
reference to it goes away. And each of the passes walks the shared part of the graph once more: one
pass over the sum of the losses gives the same gradients for the work of one.

## Example
```python
for loss in losses:
    loss.backward(retain_graph=True)
```

## Use instead
```python
for i, loss in enumerate(losses):
    loss.backward(retain_graph=i < len(losses) - 1)
```
or, where nothing reads the gradients between the passes, `sum(losses).backward()`.

## Silent when
* the flag is already off on the last iteration (`i < n - 1`);
* something after the loop visits the graph once more;
* the loop goes on to other graphs, built in the meantime, so that it is not its last iteration
  alone that keeps one for nobody;
* the graph travels from one iteration to the next (that is RG108).

## Fix safety
Unsafe: where the loop counts, goes over what has a length, or takes item by item out of a list, the
flag is turned off on the last iteration (`retain_graph=i < len(losses) - 1`); a loop without a
counter gets one. A list with the same loss twice, or one that the body changes out of sight, has
its last iteration elsewhere. There is no fix where the passes are iterations of more than one loop.
One pass over the sum of the losses is the better repair where nothing reads the gradients in
between; the fix leaves that to you.

## References
* `torch.autograd.backward`, on `retain_graph`.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphlint.rules.last_iteration import turn_off_on_last
from graphlint.rules.rule import Claim, Holds, Rule
from graphlint.trace import Event, Trace


def check(trace: Trace) -> Iterator[Claim]:
    """Yield every flag that only the last pass of each run has no use for."""
    for kept in trace.retentions():
        if not kept.needed_but_last or kept.implied or kept.carried or trace.clashes_at(kept.site):
            continue
        if kept.site in trace.regrouping:
            continue
        witness = (
            Event(kept.site, "visits again what the iteration before kept"),
            Event(kept.site, "keeps the graph on the last iteration too, and nobody visits it"),
        )
        joinable = all(meeting.combinable for meeting in trace.meetings_of(kept))
        yield Claim(
            kept.at,
            witness,
            kept.reuse_doubts,
            None if joinable else TURN_OFF,
            repair=TURNED_OFF if kept.in_one_loop and not trace.observed else "",
        )


TURNED_OFF = "turned off"
TURN_OFF = (
    "The last iteration keeps the graph for nobody: turn the flag off there "
    "(`retain_graph=i < n - 1`)."
)
RULE = Rule(
    code="RG103",
    name="retain-graph-on-last-iteration",
    message=(
        "The last iteration keeps the graph for nobody: run one pass over the sum of the losses, "
        "or turn the flag off on the last iteration (`retain_graph=i < n - 1`)."
    ),
    holds=Holds.EVERY,
    check=check,
    repairs={TURNED_OFF: turn_off_on_last},
    observable=True,
    page=__doc__,
    bad="""\
import torch

weight = torch.randn(3, requires_grad=True)
outputs = weight.exp()
for i in range(3):
    outputs[i].backward(retain_graph=True)
""",
    good="""\
import torch

weight = torch.randn(3, requires_grad=True)
outputs = weight.exp()
for i in range(3):
    outputs[i].backward(retain_graph=i < 2)
""",
)
