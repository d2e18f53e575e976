"""The recorder's bytes are torch's own, on models of every kind."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn
from torch._functorch import config as functorch_config

from graphlint.runtime.allocator import bytes_freed_by_passes
from graphlint.runtime.sizes import GraphSize, measure

from . import zoo


@pytest.fixture(scope="module", autouse=True)
def quick_collections() -> Iterator[None]:
    """Leave torch's own objects out of garbage collections: these take most of the time here."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def freed() -> dict[str, int]:
    builds = zoo.EXACT
    for build in builds:  # the libraries behind some operations allocate when they are first used
        build()[0].backward()
    return bytes_freed_by_passes(builds)


def size_of_retained(build: zoo.Builder) -> GraphSize:
    loss, keep = build()
    loss.backward(retain_graph=True)
    gc.collect()
    size = measure(loss)
    del keep
    return size


@pytest.mark.parametrize("build", zoo.EXACT, ids=lambda build: build.__name__)
def test_exclusive_bytes_are_what_a_pass_frees(build: zoo.Builder, freed: dict[str, int]) -> None:
    size = size_of_retained(build)
    assert size.exclusive_bytes == freed[build.__name__]
    assert size.exclusive_bytes <= size.total_bytes
    assert not size.lower_bound


def compiled(backend: str) -> zoo.Built:
    net = nn.Sequential(nn.Linear(31, 67), nn.GELU(), nn.Linear(67, 43), nn.Tanh())
    inputs = torch.randn(29, 31)
    return torch.compile(net, backend=backend)(inputs).pow(2).mean(), (net, inputs)


@pytest.mark.parametrize("backend", ["aot_eager", "eager"])
def test_compiled_graphs_are_seen_whole(backend: str) -> None:
    """A pass may keep the graph of compiled code where its buffers are not donated."""

    def build() -> zoo.Built:
        return compiled(backend)

    with functorch_config.patch(donated_buffer=False):
        build()[0].backward()
        size = size_of_retained(build)
        assert size.exclusive_bytes == bytes_freed_by_passes([build])["build"]
    assert not size.lower_bound


@pytest.mark.parametrize("build", [zoo.views, zoo.changed_views], ids=lambda b: b.__name__)
def test_what_cannot_be_looked_into_leaves_a_lower_bound(
    build: zoo.Builder, freed: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphlint.runtime.holdings.can_look_inside", lambda: False)
    size = size_of_retained(build)
    assert size.lower_bound
    assert size.opaque_nodes > 0
    assert 0 < size.exclusive_bytes < freed[build.__name__]


def test_a_freed_change_of_a_view_is_not_opaque() -> None:
    loss, keep = zoo.changed_views()
    loss.backward()
    size = measure(loss)
    assert (size.total_bytes, size.lower_bound) == (0, False)
    del keep


def test_parts_account_for_the_exclusive_bytes() -> None:
    size = size_of_retained(zoo.mlp)
    assert sum(part.bytes for part in size.parts) == size.exclusive_bytes
    assert size.exclusive_bytes == sum(size.node_bytes.values())
    assert {part.device for part in size.parts} == {"cpu"}


def test_freed_graph_keeps_nothing() -> None:
    weight = torch.randn(8, requires_grad=True)
    loss = weight.exp().sin().sum()
    assert measure(loss).exclusive_bytes == 8 * 4
    loss.backward()
    size = measure(loss)
    assert size.total_bytes == size.exclusive_bytes == 0
    assert size.nodes == 4


def test_what_the_user_holds_is_not_the_graphs() -> None:
    weight = torch.randn(8, requires_grad=True)
    hidden = weight.exp()
    loss = hidden.sin().sum()
    assert measure(loss).exclusive_bytes == 0
    assert measure(loss).total_bytes == 8 * 4
    del hidden
    assert measure(loss).exclusive_bytes == 8 * 4


def _view(hidden: torch.Tensor) -> torch.Tensor:
    return hidden[:2]


def _numpy(hidden: torch.Tensor) -> object:
    return hidden.detach().numpy()


def _storage(hidden: torch.Tensor) -> object:
    return hidden.untyped_storage()


@pytest.mark.parametrize("hold", [_view, _numpy, _storage])
def test_every_way_to_hold_a_storage_counts(hold: Callable[[torch.Tensor], object]) -> None:
    weight = torch.randn(8, requires_grad=True)
    hidden = weight.exp()
    loss = hidden.sin().sum()
    held = hold(hidden)
    del hidden
    assert measure(loss).exclusive_bytes == 0
    del held
    assert measure(loss).exclusive_bytes == 8 * 4


def test_context_attributes_are_freed_by_dropping_only() -> None:
    class Kept(torch.autograd.Function):
        @staticmethod
        def forward(ctx, inputs):
            ctx.factor = inputs * 2
            return inputs.clone()

        @staticmethod
        def backward(ctx, grad):
            return grad * ctx.factor

    loss = Kept.apply(torch.randn(8, requires_grad=True)).sum()
    assert measure(loss).exclusive_bytes == 0
    assert measure(loss, until_drop=True).exclusive_bytes == 8 * 4


def test_measuring_several_outputs_counts_shared_nodes_once() -> None:
    weight = torch.randn(8, requires_grad=True)
    hidden = weight.exp().sin()
    first, second = hidden.sum(), hidden.mean()
    assert measure([first, second]).nodes == measure(first).nodes + 1


def test_limit_truncates() -> None:
    value = torch.randn(1, requires_grad=True)
    for _ in range(50):
        value = value * value
    size = measure(value, limit=20)
    assert size.truncated
    assert size.lower_bound
    assert size.nodes < 30


def test_wrapped_tensors_are_looked_into() -> None:
    net = nn.Linear(4, 4)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: [t.clone()], lambda p: p[0]):
        loss = net(torch.randn(3, 4)).pow(2).sum()
    size = measure(loss)
    assert size.exclusive_bytes == 4 * (3 * 4 + 3 * 4)
