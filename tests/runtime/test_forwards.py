"""The lines that ran operations: held against the stacks that torch's anomaly mode notes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import graphlint
from graphlint.runtime import reach
from graphlint.runtime.nodes import roots_of, walk

_LINE = re.compile(r'File "(.*)", line (\d+)')


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave other test modules out: their models are no part of the programs here."""
    monkeypatch.setattr(reach, "_modules", lambda _known: ())


class Attention(nn.Module):
    """Uses its layers, operators, functions and a parameter of its own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, inputs: Tensor) -> Tensor:
        scores = self.query(inputs) @ self.key(inputs).transpose(-1, -2)
        weights = torch.softmax(scores, -1)
        return F.gelu(weights @ inputs) * self.scale


class Deep(nn.Module):
    """Runs its layers in a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Attention(6) for _ in range(3))
        self.head = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 2))

    def forward(self, inputs: Tensor) -> Tensor:
        for _index, layer in enumerate(self.layers):
            inputs = inputs + layer(inputs)
        return self._last(inputs.tanh())

    def _last(self, inputs: Tensor) -> Tensor:
        return self.head(inputs)


class Twice(nn.Module):
    """Uses a layer in two lines, and the same function in two."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, inputs: Tensor) -> Tensor:
        first = self.layer(inputs).sigmoid()
        second = self.layer(first)
        return second.sigmoid() ** 2


class Chosen(nn.Module):
    """Calls a layer by an index, and another's method."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList([nn.Linear(6, 6), Twice()])

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.parts[0](inputs)
        return self.parts[1].forward(hidden)


Note = Callable[[Tensor], None]


def deep(note: Note) -> None:
    net = Deep()
    out = net(torch.randn(2, 4, 6))
    loss = F.cross_entropy(out.flatten(0, 1), torch.zeros(8, dtype=torch.long))
    note(loss)
    loss.backward(retain_graph=True)


def twice(note: Note) -> None:
    net = Twice()
    loss = net(torch.randn(3, 6)).exp().sum()
    note(loss)
    loss.backward(retain_graph=True)


def chosen(note: Note) -> None:
    net = Chosen()
    loss = net(torch.randn(3, 6)).square().sum()
    note(loss)
    loss.backward(retain_graph=True)


def sequential(note: Note) -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten())
    optimizer = torch.optim.SGD(net.train().parameters(), lr=0.1)
    images = torch.randn(2, 1, 8, 8)
    loss = net(images).pow(2).mean()
    note(loss)
    loss.backward(retain_graph=True)
    optimizer.step()


def no_module(note: Note) -> None:
    weight = torch.randn(4, requires_grad=True)
    hidden = weight.cosh()
    loss = hidden.log2().sum()
    note(loss)
    loss.backward(retain_graph=True)


PROGRAMS = {deep: 1.0, twice: 0.3, chosen: 0.3, sequential: 0.7, no_module: 1.0}


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
@pytest.mark.parametrize("program", PROGRAMS)
def test_lines_agree_with_the_stacks_of_anomaly_mode(program: Callable[[Note], None]) -> None:
    stacks: dict[str, list[set[str]]] = {}

    def note(loss: Tensor) -> None:
        for node in walk(roots_of([loss])).nodes:
            lines = _LINE.findall("".join(node.metadata.get("traceback_") or ()))
            stacks.setdefault(node.name(), []).append({f"{name}:{row}" for name, row in lines})

    with torch.autograd.detect_anomaly(check_nan=False), graphlint.profile() as prof:
        program(note)
    profile = prof.report.profile
    assert profile.recorder_errors == 0
    holders = profile.sites[0].holders
    told = [holder for holder in holders if holder.source]
    for holder in told:
        line = f"{Path.cwd() / str(holder.source)}"
        assert any(line in stack for stack in stacks[holder.op]), holder
    assert len(told) >= PROGRAMS[program] * len(holders), holders


def test_a_layer_that_is_called_in_two_lines_has_no_line() -> None:
    with graphlint.profile() as prof:
        twice(lambda _: None)
    (layer,) = [h for h in prof.report.holders if h.module == "layer"]
    assert layer.source is None


def test_what_another_function_of_the_file_may_have_run_has_no_line() -> None:
    def helper(value: Tensor) -> Tensor:
        return value.atanh()

    with graphlint.profile() as prof:
        weight = torch.full((3,), 0.1, requires_grad=True)
        helper(weight * 2).sum().backward(retain_graph=True)
        assert math.atanh(0.0) == 0.0
    (holder,) = [h for h in prof.report.holders if h.op == "AtanhBackward0"]
    assert holder.source is None


class Whole(nn.Module):
    """Calls a function between its layers, which is no layer's."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.second = nn.Linear(6, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.first(inputs)
        hidden = hidden.erf()
        return self.second(hidden)


def test_an_operation_of_the_model_itself_has_a_line_and_no_module() -> None:
    with graphlint.profile() as prof:
        net = Whole()
        net(torch.ones(2, 6)).sum().backward(retain_graph=True)
    (erf,) = [h for h in prof.report.holders if h.op == "ErfBackward0"]
    row = int(str(erf.source).rpartition(":")[2])
    assert "hidden.erf()" in Path(__file__).read_text(encoding="utf-8").splitlines()[row - 1]
    assert erf.module is None
