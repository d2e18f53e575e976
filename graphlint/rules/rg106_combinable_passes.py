"""RG106: combinable-passes.

## What it does
Flags a pass that keeps its graph for a pass right behind it, with nothing in between that uses the
gradients: no optimizer step, no clipping, no `zero_grad`, nobody who reads `.grad`.

## Why it matters
Backward passes add up: one pass over the sum of the losses leaves the same gradients. It needs no
retention, so that what the graph saved is freed as it goes, and it walks what the losses share once
and not once for each of them. Under distributed data parallelism, and over a compiled graph, it is
the only form that works.

## Example
```python
features = encoder(inputs)
reconstruction_loss = (decoder(features) - inputs).pow(2).mean()
class_loss = cross_entropy(head(features), targets)
reconstruction_loss.backward(retain_graph=True)
class_loss.backward()
optimizer.step()
```

## Use instead
```python
features = encoder(inputs)
reconstruction_loss = (decoder(features) - inputs).pow(2).mean()
class_loss = cross_entropy(head(features), targets)
(reconstruction_loss + class_loss).backward()
optimizer.step()
```
or `torch.autograd.backward([reconstruction_loss, class_loss])`, where the two can't be added.

## Silent when
* gradients are read, clipped, scaled, cleared or stepped on between the passes, or a hook or code
  that is not known may do so;
* the passes differ in `inputs=`, in the gradient that they start from or in their gradient scaler,
  or one of them is a call of `autograd.grad`;
* an optimizer's closure runs them, or a loop repeats them (that is RG103);
* the graph is visited again later;
* the same loss is differentiated twice;
* a `detach` would do, as one pass's gradients are thrown away (that is RG107).

## Fix safety
Unsafe: the order in which gradients are added up changes, and with it their last bits.

## References
* `torch.autograd.backward`, on several tensors, and on `retain_graph`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphlint.rules.combining import combine_passes
from graphlint.rules.repairs import combinable, combine, lines, wasted
from graphlint.rules.rule import Claim, Holds, Rule
from graphlint.trace import Event, Meeting, Trace


def check(trace: Trace) -> Iterator[Claim]:
    """Yield every flag that keeps graphs for passes which could be one with its own."""
    for kept in trace.retentions():
        met = trace.meetings_of(kept)
        if kept.implied or kept.carried or kept.needed_but_last or trace.clashes_at(kept.site):
            continue
        if combinable(met) and not wasted(met):
            places = tuple(dict.fromkeys(meeting.later for meeting in met))
            at = kept.site if _in_one_function(met) else kept.at
            yield Claim(at, _witness(met), kept.reuse_doubts, _message(met), places=places)


def _in_one_function(met: Sequence[Meeting]) -> bool:
    """Whether both passes stand in one function: then a caller's flag is another matter."""
    ends = [(m.earlier, m.later) for m in met]
    return all((a.filename, a.function) == (b.filename, b.function) and a != b for a, b in ends)


def _witness(met: Sequence[Meeting]) -> tuple[Event, ...]:
    again = [
        Event(later, "visits it again; nothing used the gradients in between")
        for later in dict.fromkeys(meeting.later for meeting in met)
    ]
    return (Event(met[0].earlier, "keeps the graph"), *again)


def _message(met: Sequence[Meeting]) -> str:
    rows = {meeting.later.row for meeting in met}
    visit = "visit" if len(rows) > 1 else "visits"
    where = lines(rows)
    return (
        f"{where[0].upper()}{where[1:]} {visit} this graph again, and nothing uses the gradients "
        f"in between: {combine(met)}, which keeps nothing and does the shared work once."
    )


RULE = Rule(
    code="RG106",
    name="combinable-passes",
    message=(
        "A later pass visits this graph again, and nothing uses the gradients in between: run one "
        "pass over the sum of the losses, which keeps nothing and does the shared work once."
    ),
    holds=Holds.EVERY,
    check=check,
    fix_at=combine_passes,
    page=__doc__,
    bad="""\
import torch

weight = torch.randn(3, requires_grad=True)
shared = weight.exp()
first = shared.sum()
second = shared.pow(2).mean()
first.backward(retain_graph=True)
second.backward()
""",
    good="""\
import torch

weight = torch.randn(3, requires_grad=True)
shared = weight.exp()
first = shared.sum()
second = shared.pow(2).mean()
(first + second).backward()
""",
)
