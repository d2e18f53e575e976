"""RG104: redundant-retain-graph.

## What it does
Flags `retain_graph` beside a `create_graph` that has the same value: `retain_graph` defaults to the
value of `create_graph`.

## Why it matters
It costs nothing, and says that two things are wanted where one is. Whoever later turns
`create_graph` off keeps a graph that nobody needs.

## Example
```python
(grad,) = torch.autograd.grad(loss, weight, create_graph=True, retain_graph=True)
```

## Use instead
```python
(grad,) = torch.autograd.grad(loss, weight, create_graph=True)
```

## Silent when
* the two flags are different expressions, and may differ in value;
* the call passes only one of them.

A call that hands on both flags of its callers is flagged where every caller has them agree.

## Fix safety
Safe: the pass does the same.

## References
* `torch.autograd.grad`: "retain_graph … Defaults to the value of `create_graph`".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphlint.rules.edits import drop_implied_retain_graph
from graphlint.rules.rule import Claim, Holds, Rule
from graphlint.trace import Confidence, Doubt, Event, Retention, Site, Trace

OTHER_CALLERS = Doubt(Confidence.LIKELY, "callers that are not seen may set one flag alone")


def check(trace: Trace) -> Iterator[Claim]:
    """Yield every `retain_graph` that says what `create_graph` says already."""
    seen: set[Site] = set()
    for call in trace.calls:
        if call.repeats_create_graph:
            seen.add(call.site)
            yield Claim(call.site, (Event(call.site, "passes both flags"),))
    always = {call.site for call in trace.calls if call.create == "True"}
    passing = {call.site for call in trace.calls if None not in (call.retain, call.create)}
    told = seen | trace.overruled | trace.alone
    by_site: dict[Site, list[Retention]] = {}
    for kept in trace.retentions():
        by_site.setdefault(kept.site, []).append(kept)
    for site, all_kept in by_site.items():
        witness = (Event(site, "runs with `create_graph` on each time"),)
        implied = [k for k in all_kept if k.implied and not {site, k.at} & told]
        if site in passing and len(implied) == len(all_kept):
            yield Claim(site, witness, _doubts(implied, always=site in always))
        else:
            yield from (Claim(kept.at, witness, kept.doubts) for kept in implied)


def _doubts(implied: Sequence[Retention], always: bool) -> frozenset[Doubt]:
    """Say what is not known: where `create_graph` is always on, only whether callers pass both.

    What becomes of the graphs, and whether every path was followed, has no part in that.
    """
    handed = any(kept.at != kept.site for kept in implied)
    doubts = frozenset[Doubt]().union(*(kept.doubts for kept in implied))
    if handed or (always and doubts):
        return frozenset((OTHER_CALLERS,)).union(() if always else doubts)
    return doubts


RULE = Rule(
    code="RG104",
    name="redundant-retain-graph",
    message="`create_graph` keeps the graph already: drop `retain_graph`.",
    holds=Holds.EVERY,
    check=check,
    fix=drop_implied_retain_graph,
    observable=True,
    page=__doc__,
    bad="""\
import torch

weight = torch.randn(3, requires_grad=True)
loss = (weight**3).sum()
(grad,) = torch.autograd.grad(loss, weight, retain_graph=True, create_graph=True)
grad.sum().backward()
""",
    good="""\
import torch

weight = torch.randn(3, requires_grad=True)
loss = (weight**3).sum()
(grad,) = torch.autograd.grad(loss, weight, create_graph=True)
grad.sum().backward()
""",
)
