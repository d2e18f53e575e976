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
