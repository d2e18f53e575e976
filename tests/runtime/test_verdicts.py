"""The recorder's verdicts on the calls of generated programs, held to what torch itself shows."""

from __future__ import annotations

import sys
from collections import Counter
from textwrap import dedent

import pytest
import torch  # noqa: F401 (the programs under test import it)
from generated.grammar import generate
from generated.program import MAIN, Program
from generated.recorded import NEEDED, NOT_RETAINED, PARTLY, UNNEEDED, Compared, compare

from .recording import patience

SEEDS = range(600, 640)
LEAST_AGREEMENT = 0.99

pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(sys.version_info < (3, 11), reason="frames don't know their columns"),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module")
def compared() -> list[Compared]:
    with patience():
        return [each for seed in SEEDS for each in compare(generate(seed)) if each.retains]


def test_verdicts_are_true(compared: list[Compared]) -> None:
    wrong = [str(each) for each in compared if not each.agrees]
    assert len(wrong) <= (1 - LEAST_AGREEMENT) * len(compared), "\n".join(wrong)


def test_every_verdict_is_put_to_the_test(compared: list[Compared]) -> None:
    common = Counter(word for each in compared for word in each.true)
    assert min(common[word] for word in (UNNEEDED, NEEDED, PARTLY)) >= 3, common


def verdicts(text: str) -> list[tuple[str, ...]]:
    """Return the recorded verdicts of a program's rows, which have to be the true ones."""
    head = "import torch\nw = torch.ones(3, requires_grad=True)\n"
    compared = list(compare(Program(seed=0, files={MAIN: head + dedent(text)})))
    assert all(each.agrees for each in compared), "\n".join(map(str, compared))
    return [each.recorded for each in sorted(compared, key=lambda each: each.row)]


def test_each_verdict() -> None:
    text = """
        for _ in range(2):
            loss = w.exp().sum()
            loss.backward(retain_graph=True)
            loss.backward()
        for _ in range(2):
            w.exp().sum().backward(retain_graph=True)
        loss = w.exp().sum()
        for _ in range(3):
            loss.backward(retain_graph=True)
    """
    assert verdicts(text) == [(NEEDED,), (NOT_RETAINED,), (UNNEEDED,), (PARTLY,)]


def test_two_calls_in_one_row() -> None:
    text = "loss = w.exp().sum()\nloss.backward(retain_graph=True); loss.backward()\n"
    assert verdicts(text) == [(NEEDED, NOT_RETAINED)]


def test_reaching_a_graph_on_the_way_elsewhere_is_no_reuse() -> None:
    text = """
        middle = w.exp()
        middle.sum().backward(retain_graph=True)
        torch.autograd.grad(middle.exp().sum(), middle)
    """
    assert verdicts(text) == [(UNNEEDED,), (NOT_RETAINED,)]


def test_a_refused_pass_keeps_nothing() -> None:
    text = """
        loss = w.exp().sum()
        loss.backward(retain_graph=True)
        loss.backward()
        loss.backward(retain_graph=True)
    """
    assert verdicts(text) == [(NEEDED,), (NOT_RETAINED,), (NOT_RETAINED,)]
