"""Objects of classes that are not known, with a `backward` of their own."""

from __future__ import annotations

import pytest

from graphlint import lint_source

STRATEGY = """
import torch
from plugins import Precision


class Strategy:
    def __init__(self):
        self.precision = Precision()
        self.net = torch.nn.Linear(4, 1)

    def backward(self, tensor, module, flag, *args, **kwargs):
        {call}

    def step(self, inputs):
        loss = self.net(inputs).pow(2).mean()
        {step}
"""


def _codes(call: str = "pass", step: str = "return loss") -> list[str]:
    return [found.code for found in lint_source(STRATEGY.format(call=call, step=step))]


@pytest.mark.parametrize(
    "call",
    [
        "self.precision.backward(tensor, module, *args, **kwargs)",
        "self.precision.backward(tensor, retain_graph=flag)",
        "self.precision.backward(tensor, retain_graph=True)",
        "self.precision.backward()",
    ],
)
def test_a_wrapper_that_hands_on_what_it_was_handed_is_silent(call: str) -> None:
    assert not _codes(call=call)


def test_an_object_differentiates_the_loss_that_it_is_handed() -> None:
    assert _codes(step="self.precision.backward(loss, retain_graph=True)") == ["RG101"]


def test_a_loss_of_an_unknown_class_is_the_argument_and_not_the_object() -> None:
    twice = "self.precision.backward(loss, retain_graph=True); self.precision.backward(loss)"
    assert "RG101" not in _codes(step=twice)
