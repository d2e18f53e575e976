"""RG105: step-between-passes.

## What it does
Flags a graph that a later pass visits after a tensor which it saved was changed in place, by an
optimizer step or by hand.

## Why it matters
A layer saves its weights for the backward pass. Once `optimizer.step()` has changed them, the
saved values are gone, and the next visit raises "one of the variables needed for gradient
computation has been modified by an inplace operation". Keeping the graph does not help: the
gradients would be those of weights that no longer exist.

## Example
```python
fake = generator(noise)
critic_loss = discriminator(fake).mean()
critic_loss.backward(retain_graph=True)
critic_optimizer.step()
generator_loss = -discriminator_score(fake)
generator_loss.backward()
```

## Use instead
Run both passes before the first step, or compute the shared part again after it.
```python
fake = generator(noise)
critic_loss = discriminator(fake.detach()).mean()
critic_loss.backward()
critic_optimizer.step()
generator_loss = -discriminator(fake).mean()
generator_loss.backward()
```

## Silent when
* the nodes visited again saved no tensor that the step changes (an output, as of `exp`, or the
  weights of another network);
* which tensors the step changes, or which the nodes saved, can't be told.

## Fix safety
There is no automatic fix: which of the repairs is right depends on what the program means.

## References
* torch 2.13 `torch/csrc/autograd/saved_variable.cpp`, the version check in `SavedVariable::unpack`.
* PyTorch 1.5 release notes: optimizer steps count as in-place changes.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphlint.rules.repairs import part
from graphlint.rules.rule import Claim, Holds, Rule
from graphlint.rules.witness import clash_witness
from graphlint.trace import Broken, Trace


def check(trace: Trace) -> Iterator[Claim]:
    """Yield every graph that is visited after a tensor which it saved has changed."""
    for clash in trace.clashes:
        if clash.why is Broken.MODIFIED:
            where = f" on line {clash.step.row}" if clash.step else ""
            message = (
                f"Line {clash.later.row} visits this graph after a tensor that it saved was "
                f"changed in place{where}, and raises: "
                f"{part(trace.meetings_between(clash)) or CHANGE_LATER}."
            )
            yield Claim(clash.site, clash_witness(clash), clash.doubts, message)


CHANGE_LATER = "make that change after the last pass, or run the forward pass again after it"
RULE = Rule(
    code="RG105",
    name="step-between-passes",
    message="A tensor that this graph saved is changed in place before a later pass visits it.",
    holds=Holds.SOME,
    check=check,
    observable=True,
    page=__doc__,
    bad="""\
import torch

layer = torch.nn.Linear(3, 3)
optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
hidden = layer(torch.randn(2, 3)).tanh()
loss = layer(hidden).sum()
loss.backward(retain_graph=True)
optimizer.step()
loss.backward()
""",
    good="""\
import torch

layer = torch.nn.Linear(3, 3)
optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
hidden = layer(torch.randn(2, 3)).tanh()
loss = layer(hidden).sum()
loss.backward(retain_graph=True)
loss.backward()
optimizer.step()
""",
)
