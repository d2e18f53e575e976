"""RG203: graph-never-differentiated.

## What it does
Flags an evaluation that builds graphs for nobody: a model in evaluation mode is called over and
over with gradients on, and nothing differentiates what comes of it.

## Why it matters
`model.eval()` changes what dropout and batch normalisation do; it doesn't turn gradients off. Each
forward pass keeps the activations of all layers until its outputs are gone, and takes the time to
record them. That is most of the memory of a training step, for numbers that are only looked at.

## Example
```python
model.eval()
for images, labels in loader:
    correct += (model(images).argmax(1) == labels).sum().item()
```

## Use instead
```python
model.eval()
with torch.no_grad():
    for images, labels in loader:
        correct += (model(images).argmax(1) == labels).sum().item()
```

## Silent when
* a pass visits the graph on some path, or the call is differentiated elsewhere;
* what is made of it is returned to, stored on, or handed to code that is not known;
* gradients are off at one of the calls: `no_grad`, `inference_mode`, a decorator, a caller, or may
  be: a context manager or decorator that is not known;
* a forward hook is registered before, which may keep what it sees on the way for a loss;
* no parameter wants gradients, or whether one does is not known;
* the model is called once, outside of any loop, by a function that doesn't evaluate by its name.

## Fix safety
Unsafe: who imports the function may want to differentiate what it returns.

## References
* PyTorch, "Autograd mechanics": "`model.eval()` … is completely orthogonal to no-grad mode and
  inference mode".
* `torch.no_grad`: "It will reduce memory consumption for computations that would otherwise have
  `requires_grad=True`".
"""

from __future__ import annotations

from collections.abc import Iterator

from graphlint.rules.rule import Claim, Holds, Rule
from graphlint.rules.without_grad import turn_gradients_off
from graphlint.trace import Event, Trace


def check(trace: Trace) -> Iterator[Claim]:
    """Yield every call of a model in evaluation mode whose graphs are for nobody."""
    for made in trace.evaluations:
        event = Event(made.site, "builds a graph, and no pass visits it")
        yield Claim(made.site, (event,), made.doubts | trace.doubts_at(made.site))


RULE = Rule(
    code="RG203",
    name="graph-never-differentiated",
    message=(
        "The model is evaluated, and nothing differentiates the graph that this builds: run it "
        "under `torch.no_grad()`."
    ),
    holds=Holds.EVERY,
    check=check,
    fix=turn_gradients_off,
    page=__doc__,
    bad="""\
import torch

model = torch.nn.Linear(3, 2)
model.eval()
for inputs in torch.randn(3, 4, 3):
    print(model(inputs).argmax(1))
""",
    good="""\
import torch

model = torch.nn.Linear(3, 2)
model.eval()
with torch.no_grad():
    for inputs in torch.randn(3, 4, 3):
        print(model(inputs).argmax(1))
""",
)
