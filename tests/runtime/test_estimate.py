"""Estimates are what a real run saves, and leave no trace."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

import graphlint
from graphlint.runtime.estimate import EstimateError
from graphlint.runtime.sizes import measure


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(8 * 8 * 8, 10),
    )


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRU(16, 24, batch_first=True, bidirectional=True)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.cell(inputs.flatten(1).unflatten(1, (-1, 16)))[0].sum()


class Checkpointed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(768, 64), nn.Tanh(), nn.Linear(64, 64))

    def forward(self, inputs: Tensor) -> Tensor:
        return checkpoint(self.body, inputs, use_reentrant=False).exp()


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layer(inputs.reshape(len(inputs), -1, 32))


@pytest.mark.parametrize("kind", [convolutional, Recurrent, Checkpointed, Attention])
def test_estimates_are_what_a_run_saves(kind: type[nn.Module]) -> None:
    model, inputs = kind(), torch.randn(4, 3, 16, 16)
    assert graphlint.estimate(model, inputs).saved_bytes == measure(model(inputs)).total_bytes


def test_activations_are_what_a_pass_frees() -> None:
    model, inputs = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4)), torch.randn(5, 8)
    estimated = graphlint.estimate(model, inputs)
    assert estimated.activation_bytes == measure(model(inputs)).exclusive_bytes == 5 * 16 * 4
    assert estimated.saved_bytes > estimated.activation_bytes


def test_a_function_is_estimated_with_the_modules_it_refers_to() -> None:
    model, inputs, labels = convolutional(), torch.randn(4, 3, 16, 16), torch.tensor([1, 2, 3, 4])

    def loss(inputs: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(model(inputs), labels)

    real = measure(loss(inputs, labels)).total_bytes
    assert graphlint.estimate(loss, inputs, labels=labels).saved_bytes == real
    assert graphlint.estimate(partial(loss, labels=labels), inputs).saved_bytes == real
    assert graphlint.estimate(model.forward, inputs).nodes > 5


class Trainer:
    """Something that a model hangs on, beside other things."""

    def __init__(self, model: nn.Module) -> None:
        self.settings = {"rate": 0.1}
        self.parts = {"models": [model]}

    def loss(self, inputs: Tensor) -> Tensor:
        return sum((model(inputs) for model in self.parts["models"]), torch.zeros(())).sum()


def test_parameters_are_no_activations_however_the_model_is_reached() -> None:
    model, inputs = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4)), torch.randn(5, 8)
    trainer = Trainer(model)

    def through_default(inputs: Tensor, model: nn.Module = model) -> Tensor:
        return model(inputs).sum()

    def through_function(inputs: Tensor) -> Tensor:
        return through_default(inputs) + 1

    def through_comprehension(inputs: Tensor) -> Tensor:
        return torch.stack([trainer.loss(inputs) for _ in range(1)])

    real = measure(model(inputs).sum()).exclusive_bytes
    for function in (through_default, through_function, trainer.loss, through_comprehension):
        assert graphlint.estimate(function, inputs).activation_bytes == real, function.__name__


def test_batch_sizes_scale_what_has_the_batch() -> None:
    model, inputs = convolutional(), torch.randn(4, 3, 16, 16)
    estimated = graphlint.estimate(model, inputs, batch_sizes=(8, 2))
    assert [each.batch_size for each in estimated.scaled] == [8, 2]
    for each in estimated.scaled:
        real = measure(model(torch.randn(each.batch_size, 3, 16, 16)))
        assert each.saved_bytes == real.total_bytes
    table = str(estimated).splitlines()
    assert table[0].split() == ["batch", "saved", "activations"]
    assert [line.split()[0] for line in table[1:]] == ["2", "4", "8"]


def test_nothing_changes_and_nothing_is_allocated() -> None:
    model, inputs = convolutional(), torch.randn(4, 3, 16, 16)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    versions = {name: value._version for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    graphlint.estimate(model, inputs, batch_sizes=(1_000_000_000,))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert {name: value._version for name, value in model.state_dict().items()} == versions
    assert torch.equal(torch.get_rng_state(), random)


def test_what_depends_on_values_is_refused() -> None:
    def depends(inputs: Tensor) -> Tensor:
        return inputs.exp() if inputs.sum().item() > 0 else inputs

    with pytest.raises(EstimateError, match="depends on the values of tensors"):
        graphlint.estimate(depends, torch.ones(3, requires_grad=True))


def test_a_result_without_a_graph_is_refused() -> None:
    with pytest.raises(EstimateError, match="no tensor that has a graph"):
        graphlint.estimate(torch.exp, torch.ones(3))


def test_the_users_own_errors_pass_through() -> None:
    with pytest.raises(RuntimeError, match="must have same reduction dim"):
        graphlint.estimate(nn.Linear(3, 4), torch.ones(2, 5))
