"""RG204: ctx-attribute.

## What it does
Flags a tensor that the forward of a custom `autograd.Function` keeps as an attribute of `ctx`: an
input, an output, or one that it computed on its way.

## Why it matters
`save_for_backward` is what lets autograd look after a tensor. On `ctx` it stays when a pass has
freed the graph, and saved-tensor hooks (offloading, checkpointing) don't see it. That an input was
changed in place goes unnoticed, and the gradients are wrong. An output holds the node and the node
its `ctx`: a cycle, so that the tensor stays until the garbage collector runs.

## Example
```python
class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.x = x
        return x * x

    @staticmethod
    def backward(ctx, gradient):
        return 2 * ctx.x * gradient
```

## Use instead
```python
class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return 2 * x * gradient
```

## Silent when
* what is kept is no tensor (a shape, a flag, a number), or may be none;
* the tensor has a graph of its own, made under `enable_grad`, for the backward pass to visit;
* the class deletes the attribute or sets it to None, to free it when it wants to.

## Fix safety
Unsafe: where something changes the tensor in place, the backward pass raises from then on. There
is a fix where the attribute is all that the class saves, and only `backward` reads it.

## References
* `torch.autograd.function.FunctionCtx.save_for_backward`: tensors should be saved with it "as
  opposed to directly on ctx … to prevent incorrect gradients and memory leaks".
"""

from __future__ import annotations

from collections.abc import Iterator

from graphlint.rules.rule import Claim, Holds, Rule
from graphlint.rules.saving import save_for_backward
from graphlint.trace import Event, Role, Trace

_KEPT = {
    Role.INPUT: "keeps an input, which may be changed in place before the backward pass",
    Role.OUTPUT: "keeps an output, which holds the node that holds `ctx`",
    Role.OTHER: "keeps a tensor, which no pass frees",
}


def check(trace: Trace) -> Iterator[Claim]:
    """Yield every tensor that a custom function keeps on its context."""
    for kept in trace.context_tensors:
        yield Claim(kept.site, (Event(kept.site, _KEPT[kept.role]),))


RULE = Rule(
    code="RG204",
    name="ctx-attribute",
    message="`ctx` keeps a tensor that autograd doesn't know of: use `save_for_backward`.",
    holds=Holds.SOME,
    check=check,
    fix=save_for_backward,
    page=__doc__,
    bad="""\
import torch


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.x = x
        return x * x

    @staticmethod
    def backward(ctx, gradient):
        return 2 * ctx.x * gradient


weight = torch.randn(3, requires_grad=True)
Square.apply(weight).sum().backward()
""",
    good="""\
import torch


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, gradient):
        return 2 * ctx.saved_tensors[0] * gradient


weight = torch.randn(3, requires_grad=True)
Square.apply(weight).sum().backward()
""",
)
