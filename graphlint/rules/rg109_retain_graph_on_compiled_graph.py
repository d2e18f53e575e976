"""RG109: retain-graph-on-compiled-graph.

## What it does
Flags a pass that keeps a graph which runs through something that `torch.compile` compiled.

## Why it matters
The compiled backward pass takes over saved tensors that nobody else can see (donated buffers) and
writes its own results into them. It can't run with `retain_graph=True` then, and raises "This
backward function was compiled with non-empty donated buffers which requires create_graph=False and
retain_graph=False". Whether there are such buffers depends on the model, the backend and the
version of torch, so that a program may run today and raise after an update.

## Example
```python
model = torch.compile(model)
features = model(inputs)
features.pow(2).mean().backward(retain_graph=True)
features.abs().mean().backward()
```

## Use instead
One pass over the sum of the losses, which keeps nothing.
```python
model = torch.compile(model)
features = model(inputs)
(features.pow(2).mean() + features.abs().mean()).backward()
```
Where the passes must be two, `torch._functorch.config.donated_buffer = False` turns such buffers
off, at the price of memory.

## Silent when
* the pass keeps nothing, or goes through no compiled code;
* what `torch.compile` was handed is not known to be what is called.

## Fix safety
There is no automatic fix: which repair is right is told by the message, and by the other findings
of the same line.

## References
* torch 2.13 `torch/_functorch/config.py`, `donated_buffer`.
* torch 2.13 `torch/_functorch/_aot_autograd/runtime_wrappers.py`, the check before the backward.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphlint.rules.repairs import combinable, combine, detach, wasted
from graphlint.rules.rule import Claim, Holds, Rule
from graphlint.trace import Event, Retention, Trace


def check(trace: Trace) -> Iterator[Claim]:
    """Yield every flag that keeps a graph with compiled code in it."""
    for kept in trace.retentions():
        if any(p.compiled for p in kept.passes):
            what = "keeps" if not kept.refused else "raises, as it was to keep"
            witness = (Event(kept.site, f"{what} a graph that `torch.compile` made"),)
            repair = _repair(trace, kept)
            yield Claim(kept.at, witness, message=f"{RULE.message[:-1]}: {repair}.")


def _repair(trace: Trace, kept: Retention) -> str:
    met = trace.meetings_of(kept)
    waste = wasted(met)
    if waste:
        return detach(waste.borders) or "detach what both passes share"
    if combinable(met):
        return combine(met)
    if not (kept.reused or any(p.refused for p in kept.passes)):
        return "drop the flag, as no later pass visits the graph"
    return "run one pass over the sum of the losses, or the forward pass again"


RULE = Rule(
    code="RG109",
    name="retain-graph-on-compiled-graph",
    message="Keeping the graph of code that `torch.compile` compiled can raise (donated buffers).",
    holds=Holds.SOME,
    observable=True,
    check=check,
    page=__doc__,
    bad="""\
import torch

model = torch.compile(torch.nn.Linear(3, 2))
outputs = model(torch.randn(4, 3)).tanh()
outputs[:, 0].pow(2).sum().backward(retain_graph=True)
outputs[:, 1].pow(2).sum().backward()
""",
    good="""\
import torch

model = torch.compile(torch.nn.Linear(3, 2))
outputs = model(torch.randn(4, 3)).tanh()
(outputs[:, 0].pow(2).sum() + outputs[:, 1].pow(2).sum()).backward()
""",
)
