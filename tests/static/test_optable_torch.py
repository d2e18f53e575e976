"""Measure the tables' facts again on the installed torch."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from graphlint.static.knowledge import layertable, optable
from graphlint.static.knowledge.facts import MAYBE, YES, Op
from graphlint.static.knowledge.inplace import InPlace
from graphlint.static.knowledge.layertable import LAYERS
from graphlint.static.knowledge.ops import find_inplace, find_op
from graphlint.static.knowledge.optable import CUTS, FACTORIES, OPS
from tests.tools.generate_layers import SAME, describe
from tests.tools.layer_samples import UNMEASURED, Sample, layer_classes, layer_samples
from tests.tools.measure import Call, Observation, held, observe, second_pass_raises, storage
from tests.tools.op_samples import hand_samples

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
VERSION = torch.__version__.partition("+")[0]

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(
        optable.TORCH_VERSION != VERSION, reason="the tables speak of another version of torch"
    ),
]


def _calls() -> dict[str, list[Call]]:
    torch.manual_seed(0)
    found: dict[str, list[Call]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for call in hand_samples():
            found.setdefault(call.name, []).append(call)
    return found


CALLS = _calls()
LAYER_SAMPLES = layer_samples()


def test_the_tables_are_of_the_pinned_torch() -> None:
    assert optable.TORCH_VERSION == layertable.TORCH_VERSION
    assert f"torch=={optable.TORCH_VERSION}" in CONSTRAINTS.read_text(encoding="utf-8")
    for module in (optable, layertable):
        assert f"torch {module.TORCH_VERSION}" in (module.__doc__ or "")


@pytest.mark.parametrize("name", sorted(CALLS))
def test_an_op_does_what_its_row_says(name: str) -> None:
    op = find_op(name)
    assert op is not None
    for call in CALLS[name]:
        seen = list(observe(call))
        assert seen
        for one in seen:
            _agree(op, one, full=one is seen[0])


def _agree(op: Op, one: Observation, full: bool) -> None:
    if not one.recorded:
        return
    if full and op.saves is not MAYBE:
        assert one.raises == (op.saves is YES)
    if op.output is not MAYBE:
        assert one.output == (op.output is YES)
    if isinstance(op.results, int):
        assert len(one.results) == op.results
    for slot in one.tensors:
        letter = op.letter(int(slot)) if slot.isdigit() else op.keyword(slot)
        others = (op.letter(int(s)) for s in one.on - {slot} if s.isdigit())
        crossing = any(other in "xao?" for other in others)
        allowed = {"a": {True}, "?": {True, False}, "o": {slot in one.on}, "x": {crossing, False}}
        assert (slot in one.saved) in allowed.get(letter, {False})


@pytest.mark.parametrize("name", sorted(LAYER_SAMPLES))
def test_a_layer_does_what_its_row_says(name: str) -> None:
    samples: list[Sample] = LAYER_SAMPLES[name]
    assert describe(samples) == LAYERS[name]


def test_no_layer_is_missing() -> None:
    assert layer_classes() - UNMEASURED == set(LAYERS) - set(SAME)


@pytest.mark.parametrize("name", sorted(CUTS))
def test_a_cut_cuts(name: str) -> None:
    for returned, leaf in _tried(name):
        for tensor in returned if isinstance(returned, (tuple, list)) else (returned,):
            if isinstance(tensor, torch.Tensor) and tensor.requires_grad:
                with pytest.raises(RuntimeError, match=r"derivative|not implemented"):
                    torch.autograd.grad(tensor.sum(), leaf)


def _tried(name: str) -> Iterator[tuple[Any, Any]]:
    """Call a name on floating-point tensors in every way that works."""
    for space in (torch, torch.Tensor, F, torch.special, torch.linalg):
        function = getattr(space, name, None)
        for more in ((), (torch.rand(3, 3),), (1,)):
            leaf = torch.rand(3, 3, requires_grad=True)
            try:
                yield function(leaf, *more), leaf  # type: ignore[misc]
            except (RuntimeError, TypeError, ValueError, IndexError, AttributeError):
                continue


@pytest.mark.parametrize("name", sorted(FACTORIES & {n for n in dir(torch) if n.islower()}))
def test_a_factory_makes_no_graph(name: str) -> None:
    function = getattr(torch, name)
    for args in ((3,), ([3.0],), (torch.rand(3, requires_grad=True),), (0, 3, 2)):
        try:
            made = function(*args)
        except (RuntimeError, TypeError, ValueError, AttributeError, BufferError):
            continue
        assert not made.requires_grad


IN_PLACE = sorted(
    name
    for name in dir(torch.Tensor)
    if name.endswith("_") and not name.startswith("_") and find_inplace(name) is not None
)
ROWS = torch.tensor([0, 1, 2])
ARGUMENTS: tuple[tuple[Any, ...], ...] = (
    (),
    (2,),
    (0.5,),
    (torch.rand(3, 3),),
    (0, ROWS, torch.rand(3, 3)),
    (0, ROWS, 0.0),
    (torch.rand(3, 3) > 0.5, 0.0),
    (0, 1),
    (torch.rand(3, 3), torch.rand(3, 3)),
    ((ROWS,), torch.rand(3, 3)),
)


@pytest.mark.parametrize("name", IN_PLACE)
def test_an_in_place_method_does_what_its_row_says(name: str) -> None:
    row = find_inplace(name)
    assert row is not None
    for args in ARGUMENTS:
        leaf = torch.rand(3, 3, requires_grad=True)
        x = leaf.clone()
        before = x.grad_fn, x._version
        try:
            getattr(x, name)(*args)
            node = x.grad_fn
            if node is not None and node is not before[0]:
                saved = storage(x) in set(held(node))
                raises = second_pass_raises([x], [leaf])
        except (RuntimeError, TypeError, ValueError, IndexError):
            continue  # it takes other arguments, or its derivative is not implemented
        assert (x._version > before[1]) == row.bumps
        assert (node is None) == row.cuts
        if node is not None and node is not before[0]:
            _agree_in_place(row, saved, raises)


def _agree_in_place(row: InPlace, saved: bool, raises: bool) -> None:
    assert row.op is not None
    if row.op.saves is not MAYBE:
        # Only the receiver requires grad: an op that saves nothing for its sake is quiet.
        assert raises == (row.op.saves is YES and row.op.letter(0) != ".")
    if row.op.output is not MAYBE:
        assert saved == (row.op.output is YES)


def test_a_part_that_is_assigned_saves_but_the_whole_does_not() -> None:
    def assigned(key: Any) -> bool:
        leaf = torch.rand(3, 3, requires_grad=True)
        x = leaf.clone()
        x[key] = 1.0
        return second_pass_raises([x], [leaf])

    assert all(assigned(key) for key in (0, (slice(None), 1), ROWS[:1]))
    assert not any(assigned(key) for key in (slice(None), ...))


def test_rows_for_the_operators_with_a_number_on_the_left() -> None:
    assert OPS["rdiv"].inputs == ""  # its reciprocal is saved, not the tensor
    assert OPS["rpow"].output is YES
