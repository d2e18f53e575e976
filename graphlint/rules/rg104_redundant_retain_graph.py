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
    seen = dict.fromkeys(call.site for call in trace.calls if call.repeats_create_graph)
    yield from (Claim(site, (Event(site, "passes both flags"),)) for site in seen)
    always = {call.site for call in trace.calls if call.create == "True"}
    passing = {call.site for call in trace.calls if None not in (call.retain, call.create)}
    apart = trace.overruled | trace.alone
    by_site: dict[Site, list[Retention]] = {}
    for kept in trace.retentions():
        by_site.setdefault(kept.site, []).append(kept)
    for site, all_kept in by_site.items():
        witness = (Event(site, "runs with `create_graph` on each time"),)
        implied = [k for k in all_kept if k.implied and not {site, k.at} & apart]
        doubts = trace.doubts_at(site)
        if site in passing - seen.keys() and len(implied) == len(all_kept):
            yield Claim(site, witness, _doubts(implied, doubts, always=site in always))
        else:
            told = (k for k in implied if not {site, k.at} & seen.keys())
            yield from (Claim(kept.at, witness, doubts) for kept in told)


def _doubts(
    implied: Sequence[Retention], doubts: frozenset[Doubt], always: bool
) -> frozenset[Doubt]:
    """Say what is not known: where `create_graph` is always on, only whether callers pass both.

    Otherwise whether every path to the pass was followed. What becomes of its graph has no part in
    that.
    """
    handed = any(kept.at != kept.site for kept in implied)
    unsure = handed or (always and any(kept.doubts for kept in implied))
    return frozenset((OTHER_CALLERS,) if unsure else ()).union(() if always else doubts)


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
