"""RG102: missing-retain-graph.

## What it does
Flags a backward pass that frees a graph which a later pass visits. It is reported at the pass that
frees; the pass that raises stands in the witness.

## Why it matters
The later pass raises "Trying to backward through the graph a second time". The line that raises is
rarely the line to change: most often the two passes should be one (over the sum of the losses), one
loss should not reach into the other's graph (`detach()`), or the shared part should be computed
again. Keeping the graph is the last resort, as it costs memory on every pass.

## Example
```python
features = encoder(inputs)
reconstruction_loss = (decoder(features) - inputs).pow(2).mean()
class_loss = cross_entropy(head(features), targets)
reconstruction_loss.backward()
class_loss.backward()
```

## Use instead
```python
features = encoder(inputs)
reconstruction_loss = (decoder(features) - inputs).pow(2).mean()
class_loss = cross_entropy(head(features), targets)
(reconstruction_loss + class_loss).backward()
```

## Silent when
* the later pass visits only nodes that save nothing, such as additions and views, which torch
  allows;
* the two passes share only leaves (parameters);
* whether the shared nodes save anything, or whether they are shared, can't be told;
* the graph comes round a loop from an earlier iteration (that is RG108).

## Fix safety
`retain_graph=True` is shown, never applied: combining the passes or detaching is better in most
programs.

## References
* torch 2.13 `torch/csrc/autograd/saved_variable.cpp`, `ERR_BACKWARD_TWICE`.
* `torch.Tensor.backward`, on `retain_graph`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphlint.rules.edits import add_retain_graph
from graphlint.rules.repairs import borders, detach, part
from graphlint.rules.rule import Claim, Holds, Rule
from graphlint.rules.witness import clash_witness
from graphlint.trace import Broken, Meeting, Trace


def check(trace: Trace) -> Iterator[Claim]:
    """Yield every pass that frees what a later pass visits."""
    for clash in trace.clashes:
        if clash.why is Broken.FREED and not clash.carried:
            message = (
                f"Line {clash.later.row} visits the graph that this pass frees, and raises: "
                f"{_repair(trace.meetings_between(clash))}."
            )
            yield Claim(clash.site, clash_witness(clash), clash.doubts, message)


def _repair(met: Sequence[Meeting]) -> str:
    """Name the repair: keeping the graph is the last one to think of."""
    cut = detach(borders(met)) or "detach what they share"
    join = "combine the two passes"
    if any(meeting.repeated for meeting in met):
        join = "build what they share in each iteration"
    return part(met) or f"{join}, {cut}, or keep the graph here"


RULE = Rule(
    code="RG102",
    name="missing-retain-graph",
    message="A later pass visits the graph that this pass frees, and raises.",
    holds=Holds.SOME,
    check=check,
    fix=add_retain_graph,
    observable=True,
    page=__doc__,
    bad="""\
import torch

weight = torch.randn(3, requires_grad=True)
shared = weight.exp()
first = shared.sum()
second = shared.mean()
first.backward()
second.backward()
""",
    good="""\
import torch

weight = torch.randn(3, requires_grad=True)
shared = weight.exp()
first = shared.sum()
second = shared.mean()
(first + second).backward()
""",
)
