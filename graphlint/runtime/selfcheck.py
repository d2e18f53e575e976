"""Check the recorder against torch's own allocator, on this machine and its devices.

What the recorder reads of torch's graphs is no documented interface. The tests hold it exact for
one version of torch on the CPU; this says in a minute whether it is so here, on a GPU too.
"""

from __future__ import annotations

import gc
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial, update_wrapper

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from graphlint.runtime.allocator import Builder, Built, bytes_freed_by_passes
from graphlint.runtime.profile import profile


@dataclass(frozen=True, slots=True)
class Check:
    """One model on one device, measured twice.

    Attributes:
        device: where it ran.
        model: its name.
        recorded: the exclusive bytes that the recorder measured.
        freed: the bytes that torch's allocator got back.
        lower_bound: the recorder says that there may be more than it measured.
        unchanged: the gradients are the same, bit by bit, with and without the recorder.
    """

    device: str
    model: str
    recorded: int
    freed: int
    lower_bound: bool
    unchanged: bool

    @property
    def result(self) -> str:
        """Whether the figure is `exact`, a `lower bound` that says so, or `wrong`."""
        if not self.unchanged:
            return "wrong"
        if self.recorded == self.freed:
            return "exact"
        return "lower bound" if self.lower_bound and self.recorded < self.freed else "wrong"


def devices() -> list[str]:
    """Return the devices of this machine that can be checked."""
    return ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]


def machine() -> str:
    """Name what was checked: the versions of torch and Python, and the system."""
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    parts = (f"torch {torch.__version__}", f"Python {platform.python_version()}")
    return ", ".join((*parts, platform.platform(), *gpus))


def selfcheck(device: str = "cpu") -> Iterator[Check]:
    """Measure each model on a device with the recorder and with torch's allocator."""
    builders = [update_wrapper(partial(model, device), model) for model in MODELS]
    for builder in builders:  # libraries behind some operations allocate when they are first used
        builder()[0].backward()
    freed = bytes_freed_by_passes(builders, device)
    for builder in builders:
        yield _check(builder, device, freed[builder.__name__])


def _check(builder: Builder, device: str, freed: int) -> Check:
    plain = _gradients(builder)
    with profile() as recorded:
        gradients = _gradients(builder)
    (site,) = recorded.report.sites
    return Check(
        device,
        builder.__name__,
        int(site.exclusive_bytes.max),
        freed,
        site.lower_bound,
        len(plain) == len(gradients) and all(map(torch.equal, plain, gradients)),
    )


def _gradients(builder: Builder) -> list[torch.Tensor]:
    """Run a retained pass over a model's graph, always from the same random numbers."""
    torch.manual_seed(0)
    loss, keep = builder()
    gc.collect()
    loss.backward(retain_graph=True)  # graphlint: ignore[RG101] kept to be measured
    modules = [each for each in keep if isinstance(each, nn.Module)]
    return [p.grad for module in modules for p in module.parameters() if p.grad is not None]


# ------------------------------------------------------------------------------------ the models
def perceptron(device: str) -> Built:
    """Classify with two hidden layers."""
    net = nn.Sequential(nn.Linear(31, 67), nn.ReLU(), nn.Linear(67, 43), nn.GELU()).to(device)
    inputs, labels = torch.randn(29, 31, device=device), torch.randint(43, (29,), device=device)
    return F.cross_entropy(net(inputs), labels), (net, inputs, labels)


def convolution(device: str) -> Built:
    """Convolve, normalise, pool, drop out."""
    layers = (nn.Conv2d(3, 7, 3), nn.BatchNorm2d(7), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.3))
    net = nn.Sequential(*layers).to(device)
    inputs = torch.randn(5, 3, 17, 17, device=device)
    return net(inputs).pow(2).mean(), (net, inputs)


def transformer(device: str) -> Built:
    """Attend, with layer norm and residuals."""
    net = nn.TransformerEncoderLayer(24, 3, 41, batch_first=True, dropout=0.0).to(device)
    inputs = torch.randn(5, 11, 24, device=device)
    return net(inputs).pow(2).mean(), (net, inputs)


def recurrence(device: str) -> Built:
    """Run a cell over time, step by step."""
    net = nn.GRUCell(13, 19).to(device)
    state, inputs = torch.zeros(3, 19, device=device), torch.randn(9, 3, 13, device=device)
    for step in inputs:
        state = net(step, state)
    return state.pow(2).mean(), (net, inputs, state)


def embedding(device: str) -> Built:
    """Look rows up, and use the same weights for the output."""
    net = nn.Embedding(53, 17).to(device)
    tokens = torch.randint(53, (7, 5), device=device)
    return F.cross_entropy(net(tokens).tanh().flatten(0, 1) @ net.weight.T, tokens.flatten()), (
        net,
        tokens,
    )


def checkpointed(device: str) -> Built:
    """Keep the inputs of a block, and compute the rest again."""
    net = nn.Sequential(nn.Linear(31, 67), nn.Tanh(), nn.Linear(67, 31)).to(device)
    inputs = torch.randn(29, 31, device=device, requires_grad=True)
    return checkpoint(net, inputs * 2, use_reentrant=False).exp().mean(), (net, inputs)


def held_elsewhere(device: str) -> Built:
    """Keep an activation in a variable too: then it is not the graph's alone."""
    net = nn.Linear(31, 67).to(device)
    hidden = net(torch.randn(29, 31, device=device)).exp()
    return hidden.tanh().mean(), (net, hidden)


def half_precision(device: str) -> Built:
    """Cast under autocast."""
    net = nn.Sequential(nn.Linear(31, 67), nn.ReLU(), nn.Linear(67, 5)).to(device)
    inputs = torch.randn(29, 31, device=device)
    with torch.autocast(torch.device(device).type, dtype=torch.bfloat16):
        outputs = net(inputs)
    return outputs.float().pow(2).mean(), (net, inputs)


def changed_views(device: str) -> Built:
    """Change a part of a tensor in place."""
    net = nn.Linear(31, 67).to(device)
    hidden = net(torch.randn(29, 31, device=device)).clone()
    hidden[:, ::2].tanh_()
    return hidden.pow(2).mean(), (net,)


MODELS: tuple[Callable[[str], Built], ...] = (
    perceptron,
    convolution,
    transformer,
    recurrence,
    embedding,
    checkpointed,
    held_elsewhere,
    half_precision,
    changed_views,
)
