"""Gradients with graphs that stay in leaves, and passes that compiled code refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._functorch import config as functorch_config

from .recording import Recorded

pytestmark = pytest.mark.filterwarnings("ignore:Using backward")


STEPS = 20


def leaf() -> Tensor:
    return torch.linspace(0.1, 0.9, 8).requires_grad_()


def codes_of(program: Callable[[], object], final: bool = True) -> set[str]:
    return {code for code, _ in Recorded(program, final).codes}


# --- create_graph in backward --------------------------------------------------------------------


def accumulate(clear: Callable[[Tensor, int], None]) -> Callable[[], None]:
    """Make a program of many steps that calls back after each."""

    def program() -> None:
        weight = leaf()
        for i in range(STEPS):
            weight.exp().sum().backward(create_graph=True)
            clear(weight, i)

    return program


def nothing(weight: Tensor, step: int) -> None: ...


def to_none(weight: Tensor, step: int) -> None:
    weight.grad = None


def to_none_once(weight: Tensor, step: int) -> None:
    if step == 1:
        weight.grad = None


def detach(weight: Tensor, step: int) -> None:
    assert weight.grad is not None
    weight.grad.detach_()


def test_gradients_that_nobody_throws_away_are_found() -> None:
    program = accumulate(nothing)
    assert "RG301" in codes_of(program)
    assert "RG301" not in codes_of(program, final=False)  # somebody may, later


def test_a_few_passes_are_no_proof_where_the_file_throws_gradients_away() -> None:
    def program() -> None:
        weight = leaf()
        for _ in range(2):
            weight.exp().sum().backward(create_graph=True)

    assert "RG301" not in codes_of(program)


@pytest.mark.parametrize("clear", [to_none, to_none_once, detach])
def test_gradients_that_are_thrown_away_are_not(clear: Callable[[Tensor, int], None]) -> None:
    assert "RG301" not in codes_of(accumulate(clear))


def test_a_leaf_that_is_let_go_of_leaks_all_the_same() -> None:
    def program() -> None:
        for _ in range(STEPS):
            weight = leaf()
            weight.exp().sum().backward(create_graph=True)
            del weight

    assert "RG301" in codes_of(program)


def test_autograd_grad_leaves_nothing() -> None:
    def program() -> None:
        weight = leaf()
        for _ in range(3):
            (slope,) = torch.autograd.grad(weight.exp().sum(), weight, create_graph=True)
            slope.sum().backward()

    assert "RG301" not in codes_of(program)


# --- compiled code -------------------------------------------------------------------------------


def test_a_graph_of_compiled_code_that_is_kept_is_found() -> None:
    def program() -> None:
        net = torch.compile(nn.Linear(3, 2), backend="aot_eager")
        outputs = net(torch.ones(4, 3)).tanh()
        outputs[:, 0].sum().backward(retain_graph=True)  # kept
        outputs[:, 1].sum().backward()

    with functorch_config.patch(donated_buffer=False):
        assert Recorded(program).codes == [("RG109", "kept")]


def test_compiled_code_whose_graph_is_not_kept_is_not() -> None:
    def program() -> None:
        net = torch.compile(nn.Linear(3, 2), backend="aot_eager")
        net(torch.ones(4, 3)).sum().backward()
        leaf().exp().sum().backward(retain_graph=True)  # kept

    assert Recorded(program).codes == [("RG101", "kept")]


class Donating(torch.autograd.Function):
    """Refuses to be kept, in the words of compiled code with donated buffers."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor) -> Tensor:
        return inputs * 2

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        raise RuntimeError(
            "This backward function was compiled with non-empty donated buffers which requires "
            "create_graph=False and retain_graph=False."
        )


def test_a_pass_that_compiled_code_refuses_is_found() -> None:
    def program() -> None:
        loss = Donating.apply(leaf()).sum()
        with pytest.raises(RuntimeError, match="donated"):
            loss.backward(retain_graph=True)  # refused

    recorded = Recorded(program)
    assert recorded.codes == [("RG109", "refused")]
    (finding,) = recorded.profile.findings
    assert "drop the flag" not in finding["message"]
