"""RG205: hook-captures-graph.

## What it does
Flags a hook on a tensor or node whose function holds a tensor of the very graph that holds the
hook: a variable of the function around it, a default, the argument of a `partial`, an attribute of
the object whose method it is.

## Why it matters
The tensor holds its graph, the graph the hook, the hook its function, and the function the tensor.
Reference counting never frees such a cycle. Nor does the garbage collector where the graph is part
of it, as that is in C++: the graph stays for as long as the program runs, one for each call.

## Example
```python
def step(inputs):
    hidden = encoder(inputs)
    hidden.register_hook(lambda gradient: gradient * hidden.abs().mean())
    decoder(hidden).sum().backward()
```

## Use instead
```python
def step(inputs):
    hidden = encoder(inputs)
    scale = hidden.detach().abs().mean()
    hidden.register_hook(lambda gradient: gradient * scale)
    decoder(hidden).sum().backward()
```

## Silent when
* what the function holds is detached, a number, or a tensor that the graph is built on;
* somebody has the handle that `register_hook` returns, and may remove the hook;
* the variable is bound to something else, or deleted, before its function ends;
* the tensor is a variable of the file: functions don't hold these;
* it is an attribute of an object that lives on, and is overwritten when that is used again.

## Fix safety
There is no automatic fix: have the function use the gradient that it is given, or a detached copy;
or keep the handle and call `remove()`.

## References
* `torch.Tensor.register_hook`: "This function returns a handle with a method `handle.remove()` that
  removes the hook from the module".
* That the garbage collector doesn't free the cycle was measured with torch 2.13.0.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphlint.rules.rule import Claim, Holds, Rule
from graphlint.trace import Event, Trace


def check(trace: Trace) -> Iterator[Claim]:
    """Yield every hook that holds the graph that holds it."""
    for cycle in trace.hook_cycles:
        known = f" as `{cycle.name}`" if cycle.name else ""
        made = Event(cycle.made, f"makes the tensor that the hook's function holds{known}")
        yield Claim(cycle.site, (made, Event(cycle.site, "registers the hook")), cycle.doubts)


RULE = Rule(
    code="RG205",
    name="hook-captures-graph",
    message=(
        "The hook's function holds a tensor whose graph holds the hook, so that neither is ever "
        "freed: use a detached copy, or remove the hook."
    ),
    holds=Holds.SOME,
    check=check,
    page=__doc__,
    bad="""\
import torch


def step(weight):
    hidden = weight.exp()
    hidden.register_hook(lambda gradient: gradient * hidden.mean())
    hidden.sum().backward()


step(torch.randn(3, requires_grad=True))
""",
    good="""\
import torch


def step(weight):
    hidden = weight.exp()
    mean = hidden.detach().mean()
    hidden.register_hook(lambda gradient: gradient * mean)
    hidden.sum().backward()


step(torch.randn(3, requires_grad=True))
""",
)
