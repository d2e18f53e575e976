"""RG107: retain-graph-instead-of-detach.

## What it does
Flags a graph that is kept only because a pass runs into a part of it whose gradients are thrown
away: they are cleared before anybody uses them. A GAN whose discriminator sees the generator's
output with its graph is the usual case.

## Why it matters
The pass computes gradients for a whole network, for nothing, and the later pass through that
network needs the graph kept. With the value detached where the one graph takes it over from the
other, neither the work nor the flag is needed, and the gradients that are used stay what they are.

## Example
```python
fake = generator(noise)
critic_loss = critic(fake).mean() - critic(real).mean()
critic_optimizer.zero_grad()
critic_loss.backward(retain_graph=True)
critic_optimizer.step()
generator_optimizer.zero_grad()
generator_loss = -critic(fake).mean()
generator_loss.backward()
generator_optimizer.step()
```

## Use instead
```python
fake = generator(noise)
critic_loss = critic(fake.detach()).mean() - critic(real).mean()
critic_optimizer.zero_grad()
critic_loss.backward()
critic_optimizer.step()
generator_optimizer.zero_grad()
generator_loss = -critic(fake).mean()
generator_loss.backward()
generator_optimizer.step()
```

## Silent when
* an optimizer steps on the gradients, or somebody reads or clips them, or code that is not known
  may do so, on any path;
* the gradients are still there when the program ends: then nobody has thrown them away;
* both passes go through the part together with others whose gradients are used, so that no
  `detach` would part them.

## Fix safety
Unsafe: the gradients that are used stay the same, but those that were thrown away are no longer
there for somebody who looks for them, and whoever else gets the detached value has no graph any
more.

## References
* pytorch/examples `dcgan/main.py`: `netD(fake.detach())`.
* `torch.Tensor.detach`.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphlint.rules.detaching import detach_and_free
from graphlint.rules.repairs import detach, wasted
from graphlint.rules.rule import Claim, Holds, Rule
from graphlint.trace import Event, Retention, Trace, Waste


def check(trace: Trace) -> Iterator[Claim]:
    """Yield every flag that keeps graphs for passes which a `detach` would keep apart."""
    for kept in trace.retentions():
        waste = wasted(trace.meetings_of(kept))
        if waste is None or kept.implied or kept.carried or trace.clashes_at(kept.site):
            continue
        places = tuple(border.site for border in waste.borders)
        doubts = kept.reuse_doubts
        yield Claim(kept.at, _witness(kept, waste), doubts, _message(kept, waste), places=places)


def _witness(kept: Retention, waste: Waste) -> tuple[Event, ...]:
    taken = [Event(b.site, f"takes over `{b.name}` with its graph") for b in waste.borders]
    runs = [Event(waste.by, "runs into that graph")] if waste.by != kept.site else []
    cleared = Event(waste.cleared, "throws away the gradients that it left there")
    return (*taken, Event(kept.site, "keeps the graph"), *runs, cleared)


def _message(kept: Retention, waste: Waste) -> str:
    who = "This pass" if waste.by == kept.site else f"Line {waste.by.row}"
    name = f" of `{waste.borders[0].name}`" if waste.borders else " that both passes visit"
    repair = detach(waste.borders) or "detach what it takes over from there"
    return (
        f"{who} runs on into the graph{name}, and line {waste.cleared.row} throws away the "
        f"gradients that it leaves there: {repair}, and keep nothing."
    )


RULE = Rule(
    code="RG107",
    name="retain-graph-instead-of-detach",
    message=(
        "The graph is kept for a pass whose gradients below it are thrown away: detach what that "
        "pass takes over, and keep nothing."
    ),
    holds=Holds.EVERY,
    check=check,
    fix_at=detach_and_free,
    page=__doc__,
    bad="""\
import torch

generator = torch.nn.Linear(3, 3)
critic = torch.nn.Linear(3, 1)
generator_optimizer = torch.optim.SGD(generator.parameters(), lr=0.1)
critic_optimizer = torch.optim.SGD(critic.parameters(), lr=0.1)
fake = generator(torch.randn(2, 3)).tanh()
critic_loss = critic(fake).pow(2).mean()
critic_loss.backward(retain_graph=True)
critic_optimizer.step()
generator_optimizer.zero_grad()
generator_loss = -critic(fake).mean()
generator_loss.backward()
generator_optimizer.step()
""",
    good="""\
import torch

generator = torch.nn.Linear(3, 3)
critic = torch.nn.Linear(3, 1)
generator_optimizer = torch.optim.SGD(generator.parameters(), lr=0.1)
critic_optimizer = torch.optim.SGD(critic.parameters(), lr=0.1)
fake = generator(torch.randn(2, 3)).tanh()
critic_loss = critic(fake.detach()).pow(2).mean()
critic_loss.backward()
critic_optimizer.step()
generator_optimizer.zero_grad()
generator_loss = -critic(fake).mean()
generator_loss.backward()
generator_optimizer.step()
""",
)
