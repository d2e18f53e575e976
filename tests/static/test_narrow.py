"""Programs of so many settings that not all their paths are followed."""

from __future__ import annotations

import pytest

from graphlint import lint_source
from graphlint.trace import Confidence

SETTINGS = 10
HEAD = """\
import argparse
import torch

parser = argparse.ArgumentParser()
options = parser.parse_args()
model = torch.nn.Linear(3, 3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def main():
    for step in range(100):
        batch = model(torch.rand(4, 3))
"""
SETTING = """\
        if options.layer{n} == "plain":
            batch = batch.exp()
        elif options.layer{n} == "wide":
            batch = batch.tanh() * batch.detach()
        else:
            batch = [part.sigmoid() for part in (batch, batch)][0]
"""
STEP = """\
        losses = [batch.pow(2).mean(), batch.exp().mean()]
        optimizer.zero_grad()
        {passes}
        optimizer.step()


main()
"""
EVERY = "for loss in losses:\n            loss.backward(retain_graph=True)"
SUMMED = "sum(losses).backward(retain_graph=True)"
TWICE = "losses[0].backward(retain_graph=True)\n        losses[1].backward()"


@pytest.mark.parametrize(
    ("passes", "code"), [(EVERY, "RG103"), (SUMMED, "RG101"), (TWICE, "RG106")]
)
def test_one_path_stands_for_many_that_have_the_same_passes_pending(passes: str, code: str) -> None:
    settings = "".join(SETTING.format(n=number) for number in range(SETTINGS))
    found = lint_source(HEAD + settings + STEP.format(passes=passes))
    assert {f.code for f in found} - {"RG106"} == {code} - {"RG106"}
    assert all(f.confidence in (Confidence.LIKELY, Confidence.POSSIBLE) for f in found)


FACTORY = """\
import argparse
import torch
from torch import nn


def make_block(kind, width):
    if kind == "plain":
        return nn.Sequential(nn.Linear(width, width), nn.Tanh())
    if kind == "gated":
        return nn.Sequential(nn.Linear(width, width), nn.Sigmoid())
    return nn.Sequential(nn.Linear(width, width), nn.ReLU())


class Cut:
    def __init__(self, blocks):
        self.blocks = nn.ModuleList(blocks)

    def loss(self, value):
        return self.run(value.detach())

    def run(self, value):
        for block in self.blocks:
            value = block(value)
        return value.pow(2).mean()


def make_critic(options):
    count = 0
    blocks = [{blocks}]
{lines}
    return Cut(blocks)


def main():
    options = argparse.ArgumentParser().parse_args()
    critic, painter = make_critic(options), nn.Linear(3, 3)
    optimizer = torch.optim.SGD(painter.parameters(), lr=0.1)
    for _ in range(10):
        image = painter(torch.rand(2, 3)).tanh()
        {first}.backward(retain_graph=True)
        critic.run(image).backward()
        optimizer.step()


main()
"""


@pytest.mark.parametrize(
    ("first", "codes"), [("critic.loss(image)", ["RG101"]), ("critic.run(image)", [])]
)
def test_a_factory_that_is_too_long_for_all_its_paths_is_followed_on_one(
    first: str, codes: list[str]
) -> None:
    blocks = ", ".join(f"make_block(options.kind{n}, 3)" for n in range(8))
    lines = "    count += 1\n" * 300
    text = FACTORY.format(blocks=blocks, lines=lines, first=first)
    found = [f for f in lint_source(text) if f.confidence is not Confidence.POSSIBLE]
    assert [finding.code for finding in found if finding.code == "RG101"] == codes
