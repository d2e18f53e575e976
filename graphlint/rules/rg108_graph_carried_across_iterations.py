"""RG108: graph-carried-across-iterations.

## What it does
Flags a pass in a loop that visits nodes built in an earlier iteration: a value that is carried
round the loop (a hidden state, a running average) brings its graph along.

## Why it matters
Without retention the second iteration raises "Trying to backward through the graph a second time".
With it the program runs, and every iteration walks and keeps one more iteration's graph: memory and
time per iteration grow until one of them runs out.

## Example
```python
for inputs in batches:
    output, hidden = rnn(inputs, hidden)
    loss = output.pow(2).mean()
    loss.backward()
```

## Use instead
```python
for inputs in batches:
    output, hidden = rnn(inputs, hidden.detach())
    loss = output.pow(2).mean()
    loss.backward()
```

## Silent when
* the value is cut where it is carried: `detach()`, `detach_()`, `.data`, `no_grad`, a helper that
  detaches;
* the graph was built before the loop (that is RG102 or RG103);
* a pass behind the loop differentiates what all iterations built, as learning to learn does;
* the earlier iteration's nodes save nothing.

## Fix safety
There is no automatic fix yet: detach the value where it is carried into the next iteration.

## References
* PyTorch FAQ, "My model reports cuda runtime error(2): out of memory", on history across loops.
* pytorch/examples `word_language_model/main.py`, `repackage_hidden`.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphlint.rules.repairs import borders, detach
from graphlint.rules.rule import Claim, Holds, Rule
from graphlint.rules.witness import clash_witness
from graphlint.trace import Broken, Event, Pass, Reuse, Trace


def check(trace: Trace) -> Iterator[Claim]:
    """Yield every pass that visits an earlier iteration's nodes, freed or kept."""
    for clash in trace.clashes:
        if clash.why is Broken.FREED and clash.carried:
            cut = detach(borders(trace.meetings_between(clash)))
            message = f"{CARRIED}: {cut}." if cut else None
            yield Claim(clash.site, clash_witness(clash), clash.doubts, message)
    for kept in trace.retentions():
        reuses = [(p, r) for p in kept.passes for r in p.reuses]
        carried = [(p, r) for p, r in reuses if r.carried and r.sure and not r.guessed]
        if carried and not any(p.differentiated_as_a_whole for p in kept.passes):
            repeated = [m for m in trace.meetings_of(kept) if m.repeated]
            cut = detach(borders(repeated)) or "detach the value that is carried round the loop"
            yield Claim(kept.at, _growth_witness(*carried[0]), kept.doubts, f"{KEPT}: {cut}.")


def _growth_witness(kept: Pass, reuse: Reuse) -> tuple[Event, ...]:
    built = [Event(kept.built, "builds the graph that is carried on")] if kept.built else []
    again = Event(reuse.by, "visits it again in a later iteration, with one more graph on top")
    return (*built, Event(kept.site, "keeps the graph"), again)


CARRIED = (
    "A value carried round the loop brings its graph along, and the next iteration's pass raises"
)
KEPT = "Each iteration's pass visits and keeps the graphs of all earlier iterations"
RULE = Rule(
    code="RG108",
    name="graph-carried-across-iterations",
    message=f"{CARRIED}: detach it where it is carried.",
    holds=Holds.SOME,
    check=check,
    observable=True,
    page=__doc__,
    bad="""\
import torch

cell = torch.nn.RNNCell(3, 3)
hidden = torch.zeros(2, 3)
for step in range(4):
    hidden = cell(torch.randn(2, 3), hidden)
    hidden.sum().backward()
""",
    good="""\
import torch

cell = torch.nn.RNNCell(3, 3)
hidden = torch.zeros(2, 3)
for step in range(4):
    hidden = cell(torch.randn(2, 3), hidden.detach())
    hidden.sum().backward()
""",
)
