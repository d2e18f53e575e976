"""Which module holds the bytes: held against what hooks on the modules see of the forward pass."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphlint import profile
from graphlint.runtime import reach
from graphlint.runtime.budget import Purse
from graphlint.runtime.modules import Modules
from graphlint.runtime.nodes import Node, kind_of, roots_of, walk


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave other test modules out: where there are more models, paths say whose they are."""
    monkeypatch.setattr(reach, "_modules", lambda _known: ())


class Block(nn.Module):
    """A convolution with a norm, and an activation that is used twice."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, 1, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.relu(self.conv2(self.relu(self.bn1(self.conv1(inputs)))) + inputs)


class Functional(nn.Module):
    """Calls functions between its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(5, 7)
        self.fc2 = nn.Linear(7, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(inputs)).exp())


def perceptron() -> tuple[nn.Module, Tensor]:
    layers = [nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 7), nn.ReLU(), nn.Linear(7, 3), nn.Tanh()]
    return nn.Sequential(*layers), torch.randn(2, 5)


def functional() -> tuple[nn.Module, Tensor]:
    return nn.Sequential(Functional(), nn.Tanh(), nn.Linear(3, 1)), torch.randn(2, 5)


def residual() -> tuple[nn.Module, Tensor]:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), Block(4), Block(4), nn.Flatten(), nn.LazyLinear(2))
    images = torch.randn(2, 1, 8, 8)
    net(images)
    return net, images


def transformer() -> tuple[nn.Module, Tensor]:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    net = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    return nn.ModuleDict({"encoder": net})["encoder"], torch.randn(2, 3, 8)


def weight_norm() -> tuple[nn.Module, Tensor]:
    normed = nn.utils.parametrizations.weight_norm(nn.Linear(5, 7))
    return nn.Sequential(normed, nn.Tanh(), nn.Linear(7, 1)), torch.randn(2, 5)


@contextmanager
def watched(net: nn.Module) -> Iterator[list[tuple[int, int, str]]]:
    """Note the numbers of the nodes that each module's forward pass builds."""
    spans: list[tuple[int, int, str]] = []
    starts: list[int] = []
    handles = []
    for name, module in net.named_modules():
        path = name.partition(".parametrizations")[0]

        def enter(module: Any, inputs: Any) -> None:
            starts.append(torch.autograd._get_sequence_nr())

        def leave(module: Any, inputs: Any, output: Any, path: str = path) -> None:
            spans.append((starts.pop(), torch.autograd._get_sequence_nr(), path))

        handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    yield spans
    for handle in handles:
        handle.remove()


def true_module(node: Node, spans: list[tuple[int, int, str]]) -> str | None:
    number = node._sequence_nr()
    inside = [(end - start, path) for start, end, path in spans if start <= number < end]
    return min(inside)[1] if inside else None


BUILDERS = [perceptron, functional, residual, transformer, weight_norm]


@pytest.mark.parametrize("build", BUILDERS)
def test_names_agree_with_hooks(build: Callable[[], tuple[nn.Module, Tensor]]) -> None:
    net, inputs = build()
    with watched(net) as spans:
        loss = net(inputs).pow(2).mean()
    nodes = [node for node in walk(roots_of([loss])).nodes if not kind_of(node).leaf]
    leaves = [node for node in walk(roots_of([loss])).nodes if kind_of(node).leaf]
    names = Modules(Purse(None)).names([*nodes, *leaves], sys._getframe())
    by_node = dict(zip(nodes, names, strict=False))
    exact = 0
    for node in nodes:
        name, truth = by_node[node], true_module(node, spans)
        if name is None:
            continue
        assert truth is not None, (node.name(), name)
        # Attention uses the weights of its projections without calling these.
        within = not name or truth.startswith(f"{name}.") or name == f"{truth}.out_proj"
        assert truth == name or within, (node.name(), name, truth)
        exact += name == truth
    assert exact >= 0.7 * len(nodes), {n.name(): (by_node[n], true_module(n, spans)) for n in nodes}


def holder_modules(program: Callable[[], object]) -> set[str | None]:
    with profile() as prof:
        program()
    assert prof.report.profile.recorder_errors == 0
    return {holder.module for holder in prof.report.holders}


def test_bytes_are_split_by_module() -> None:
    def program() -> None:
        net = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))
        net(torch.randn(2, 5)).pow(2).sum().backward(retain_graph=True)

    with profile() as prof:
        program()
    (site, *_) = prof.report.sites
    held = {(h.op, h.attribute, h.module): (h.bytes, h.device) for h in site.holders}
    assert held[("AddmmBackward0", "mat1", "2")] == (2 * 7 * 4, "cpu")
    assert sum(h.bytes for h in site.holders) == site.exclusive_bytes.max
    assert "96 B  AddmmBackward0.mat1 in modules 2, 0, " in str(prof.report)


def test_several_models_are_told_apart_by_their_variables() -> None:
    def program() -> None:
        maker, critic = nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1))
        made = maker(torch.randn(2, 3)).exp()
        critic(made).pow(2).sum().backward(retain_graph=True)

    modules = holder_modules(program)
    assert {"critic.2"} <= modules
    assert modules <= {"maker", "critic", "critic.0", "critic.1", "critic.2", None}


def test_a_model_on_an_attribute_is_found() -> None:
    class Trainer:
        def __init__(self) -> None:
            self.net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1))

        def step(self) -> None:
            self.net(torch.randn(2, 3)).pow(2).sum().backward(retain_graph=True)

    assert "2" in holder_modules(lambda: Trainer().step())


def test_parameters_outside_of_models_have_no_module() -> None:
    def program() -> None:
        weight = torch.randn(3, requires_grad=True)
        weight.exp().sum().backward(retain_graph=True)

    assert holder_modules(program) == {None}


def test_models_are_not_kept_alive() -> None:
    net, inputs = perceptron()
    names, alive = Modules(Purse(None)), weakref.ref(net)
    names.names(walk(roots_of([net(inputs).sum()])).nodes, sys._getframe())
    del net
    gc.collect()
    assert alive() is None
