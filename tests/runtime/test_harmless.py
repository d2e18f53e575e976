"""The recorder does not change the program: results, errors, hooks, memory, lifetimes."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from graphlint.runtime.recorder import Recorder

from . import zoo
from .recording import Recorded, python


def gradients(build: zoo.Builder, recorded: bool) -> list[Tensor]:
    """Run a retained pass and a second one, recorded or not; return all gradients."""
    torch.manual_seed(0)
    recorder = Recorder()
    if recorded:
        recorder.start()
    try:
        loss, keep = build()
        leaves = leaves_of(loss)
        loss.backward(retain_graph=True)
        first = [leaf.grad.to_dense().clone() for leaf in leaves]
        loss.backward()
    finally:
        if recorded:
            recorder.stop()
    del keep
    assert recorder.guard.errors == 0, recorder.guard.first
    return [loss.detach(), *first, *(leaf.grad.to_dense() for leaf in leaves)]


def leaves_of(loss: Tensor) -> list[Tensor]:
    seen, pending, leaves = set(), [loss.grad_fn], []
    while pending:
        node = pending.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if type(node).__name__ == "AccumulateGrad":
            leaves.append(node.variable)
        pending += [following for following, _ in node.next_functions]
    return leaves


@pytest.mark.parametrize("build", zoo.EXACT, ids=lambda build: build.__name__)
def test_results_are_the_same_to_the_bit(build: zoo.Builder) -> None:
    plain, recorded = gradients(build, recorded=False), gradients(build, recorded=True)
    assert len(plain) == len(recorded) > 2
    assert all(torch.equal(a, b) for a, b in zip(plain, recorded, strict=True))


def modified() -> None:
    weight = torch.ones(3, requires_grad=True)
    hidden = weight.exp()
    loss = hidden.sum()
    loss.backward(retain_graph=True)
    hidden.add_(1)
    loss.backward()


def modified_through_a_view() -> None:
    hidden = torch.ones(2, 3, requires_grad=True).exp()
    rows = hidden[:1]
    loss = hidden.sin().sum()
    loss.backward(retain_graph=True)
    rows.mul_(2)
    loss.backward(retain_graph=True)


def modified_for_a_custom_function() -> None:
    weight = torch.ones(3, 3, requires_grad=True)
    loss = zoo.Squashed.apply(weight, weight).sum()
    loss.backward(retain_graph=True)
    with torch.no_grad():
        weight.add_(1)
    loss.backward()


def modified_before_recomputation() -> None:
    def block(inputs: Tensor) -> Tensor:
        return inputs[: next(sizes)].sin().exp()

    sizes = iter((3, 2))
    hidden = torch.ones(3, requires_grad=True) * 2
    out = torch.utils.checkpoint.checkpoint(block, hidden, use_reentrant=False)
    out.sum().backward(retain_graph=True)


def invalid_in_anomaly_mode() -> None:
    with torch.autograd.set_detect_anomaly(True):
        weight = torch.zeros(3, requires_grad=True)
        (weight.sqrt() * 0).sum().backward(retain_graph=True)


def twice() -> None:
    loss = torch.ones(3, requires_grad=True).exp().sum()
    loss.backward()
    loss.backward()


def no_graph() -> None:
    torch.ones(3).sum().backward(retain_graph=True)


def unused() -> None:
    loss = torch.ones(3, requires_grad=True).exp().sum()
    torch.autograd.grad(loss, torch.ones(2, requires_grad=True), retain_graph=True)


def raising_hook() -> None:
    def fail(grad: Tensor) -> None:
        raise ValueError("from a hook")

    hidden = torch.ones(3, requires_grad=True).exp()
    hidden.register_hook(fail)
    hidden.sum().backward(retain_graph=True)


FAILING = [
    modified,
    modified_through_a_view,
    modified_for_a_custom_function,
    modified_before_recomputation,
    invalid_in_anomaly_mode,
    twice,
    no_graph,
    unused,
    raising_hook,
]


@pytest.mark.parametrize("program", FAILING)
def test_errors_are_the_same(program: Callable[[], None]) -> None:
    with pytest.raises((RuntimeError, ValueError)) as plain:
        program()
    recorder = Recorder()
    recorder.start()
    try:
        with pytest.raises((RuntimeError, ValueError)) as recorded:
            program()
    finally:
        recorder.stop()
    assert type(plain.value) is type(recorded.value)
    assert str(plain.value) == str(recorded.value)
    assert recorder.guard.errors == 0


def test_an_error_keeps_no_graph_alive() -> None:
    def program() -> weakref.ref[Tensor]:
        hidden = torch.ones(3, requires_grad=True).exp()
        watched = weakref.ref(hidden)
        hidden.sum().backward(retain_graph=True)
        loss = hidden.mean()
        loss.backward()
        try:
            loss.backward()
        except RuntimeError as error:
            errors.append(error)
        return watched

    errors: list[BaseException] = []
    watched = Recorded(program).result
    entry = errors[0].__traceback__
    observed = []
    while entry is not None:
        if entry.tb_frame.f_code.co_name == "_observe":
            observed.append(entry.tb_frame.f_locals)
        entry = entry.tb_next
    assert [names["notes"] for names in observed] == [[]]
    assert not {"note", "call"} & set(observed[0])
    observed.clear()
    errors.clear()
    gc.collect()
    assert watched() is None


def test_hooks_and_recomputation_run_as_often_as_without() -> None:
    calls: list[str] = []

    def block(inputs: Tensor) -> Tensor:
        calls.append("forward")
        return inputs.sin().exp()

    def pack(tensor: Tensor) -> Tensor:
        calls.append("pack")
        return tensor

    def unpack(tensor: Tensor) -> Tensor:
        calls.append("unpack")
        return tensor

    def program() -> list[str]:
        calls.clear()
        hidden = torch.ones(3, requires_grad=True) * 2
        hidden.register_hook(lambda grad: calls.append("tensor hook"))
        hidden.grad_fn.register_prehook(lambda grads: calls.append("node hook"))
        out = torch.utils.checkpoint.checkpoint(block, hidden, use_reentrant=False)
        with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
            loss = out.cos().sum()
        loss.backward(retain_graph=True)
        loss.backward()
        return list(calls)

    plain = program()
    assert Recorded(program).result == plain
    assert {"unpack", "node hook", "tensor hook"} <= set(plain)


def test_user_modes_see_nothing_of_the_recorder() -> None:
    from torch.overrides import TorchFunctionMode
    from torch.utils._python_dispatch import TorchDispatchMode

    class Functions(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append(str(func))
            return func(*args, **(kwargs or {}))

    class Dispatches(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            seen.append(str(func))
            return func(*args, **(kwargs or {}))

    def program() -> list[str]:
        seen.clear()
        with Functions(), Dispatches():
            loss, _ = zoo.sparse_values()
            loss.backward(retain_graph=True)
            loss.backward()
        return list(seen)

    seen: list[str] = []
    plain = program()
    assert Recorded(program).result == plain


def test_random_numbers_and_grad_mode_are_left_alone() -> None:
    def program() -> tuple[Tensor, bool, bool]:
        torch.manual_seed(1)
        zoo.mlp()[0].backward(retain_graph=True)
        return torch.rand(3), torch.is_grad_enabled(), torch.is_inference_mode_enabled()

    plain, recorded = program(), Recorded(program).result
    assert torch.equal(plain[0], recorded[0])
    assert plain[1:] == recorded[1:]


def test_nothing_is_kept_alive() -> None:
    def program() -> list[weakref.ref[object]]:
        net = nn.Sequential(nn.Linear(3, 3), nn.Tanh())
        inputs = torch.ones(2, 3)
        hidden = net(inputs)
        loss = hidden.pow(2).sum()
        loss.backward(retain_graph=True)
        (grad,) = torch.autograd.grad(net(inputs).exp().sum(), net[0].weight, create_graph=True)
        grad.sum().backward(retain_graph=True)
        return [weakref.ref(thing) for thing in (net, net[0].weight, inputs, hidden, loss, grad)]

    recorded = Recorded(program)
    gc.collect()
    assert [ref() for ref in recorded.result] == [None] * 6
    assert recorded.recorder.settle() == []


def test_a_step_leaves_nothing_behind() -> None:
    def step() -> None:
        shared = weight.exp()
        shared.sum().backward(retain_graph=True)
        shared.mean().backward(retain_graph=True)

    weight = torch.ones(3, requires_grad=True)
    recorder = Recorder()
    recorder.start()
    try:
        for _ in range(50):
            step()
        gc.collect()
        before = len(gc.get_objects())
        for _ in range(2000):
            step()
        gc.collect()
        after = len(gc.get_objects())
    finally:
        recorder.stop()
    assert recorder.guard.errors == 0, recorder.guard.first
    assert after - before < 50
    assert recorder.settle() == []


def test_passes_over_one_graph_do_not_pile_up() -> None:
    def program() -> None:
        loss = torch.ones(3, requires_grad=True).exp().sum()
        for _ in range(2000):
            loss.backward(retain_graph=True)

    recorded = Recorded(program)
    (record,) = recorded.recorder.sites
    assert record.reused == 1999
    assert len(record.shapes) <= 1
    (run,) = recorded.trace.runs
    assert len(run.passes) <= 3


def test_an_internal_error_reaches_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a mistake in here")

    monkeypatch.setattr("graphlint.runtime.measurer.measure_nodes", broken)
    weight = torch.ones(3, requires_grad=True)
    recorder = Recorder()
    recorder.start()
    weight.exp().sum().backward(retain_graph=True)
    recorder.stop()
    assert weight.grad is not None
    assert recorder.guard.errors == 1
    assert recorder.guard.first is not None


DEEP = """
import sys, threading
import torch
from graphlint.runtime.recorder import Recorder
from graphlint.runtime.summary import summarise

recorder = Recorder()
recorder.start()
def chain(depth):
    value = torch.ones(1, requires_grad=True)
    for _ in range(depth):
        value = value * 1.0001
    return value.sum()
def program(depth):
    loss = chain(depth)
    loss.backward(retain_graph=True)
    loss.backward(retain_graph=True)
    del loss
    for _ in range(3):
        loss = chain(15_000)
        loss.backward()
        del loss
    losses = []
    for _ in range(24):
        losses.append(chain(500))
        losses[-1].backward(retain_graph=True)
    total = sum(losses)
    total.backward()
program(200_000)
thread = threading.Thread(target=program, args=(60_000,))
thread.start()
thread.join()
recorder.stop()
profile = summarise(recorder, final=True)
assert profile.truncated
assert all(site.lower_bound for site in profile.sites if site.retained_passes)
assert profile.recorder_errors == 0, recorder.guard.first
print("survived")
"""


def test_deep_graphs_survive(tmp_path: Path) -> None:
    script = tmp_path / "deep.py"
    script.write_text(DEEP, encoding="utf-8")
    run = python(script)
    assert run.returncode == 0, run.stderr[-2000:]
    assert "survived" in run.stdout
