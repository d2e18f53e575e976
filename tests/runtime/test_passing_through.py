"""Transforms, tracers, coroutines and long runs go on under the recorder as they do without."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters
from torch.fx.experimental.proxy_tensor import make_fx

from graphlint.runtime.recorder import Recorder

from .recording import Recorded


def values() -> Tensor:
    return torch.linspace(-1, 1, 6).reshape(2, 3)


def energy(inputs: Tensor) -> Tensor:
    return (inputs.sin() * inputs.exp()).sum()


def by_grad() -> object:
    return torch.func.grad(energy)(values())


def by_nested_grad() -> object:
    return torch.func.grad(lambda x: torch.func.grad(energy)(x).pow(2).sum())(values())


def by_vmapped_grad() -> object:
    return torch.func.vmap(torch.func.grad(energy))(values())


def by_vjp() -> object:
    result, pull = torch.func.vjp(torch.tanh, values())
    return result, pull(torch.ones(2, 3))


def by_jvp() -> object:
    return torch.func.jvp(energy, (values(),), (torch.ones(2, 3),))


def by_jacrev() -> object:
    return torch.func.jacrev(torch.tanh)(values())


def by_hessian() -> object:
    return torch.func.hessian(energy)(values())


def by_batched_gradients() -> object:
    inputs = values().requires_grad_()
    rows = inputs.exp().sum(1)
    return torch.autograd.grad(rows, inputs, torch.eye(2), is_grads_batched=True)


def by_jacobian() -> object:
    return torch.autograd.functional.jacobian(torch.tanh, values(), vectorize=True)


def by_pass_over_transformed() -> object:
    inputs = values().requires_grad_()
    torch.func.vmap(torch.func.grad(energy))(inputs).sum().backward(retain_graph=True)
    return inputs.grad


TRANSFORMS = [
    by_grad,
    by_nested_grad,
    by_vmapped_grad,
    by_vjp,
    by_jvp,
    by_jacrev,
    by_hessian,
    by_batched_gradients,
    by_jacobian,
    by_pass_over_transformed,
]


@pytest.mark.parametrize("program", TRANSFORMS)
def test_transforms_give_the_same(program: Callable[[], object]) -> None:
    plain, recorded = program(), Recorded(program)
    torch.testing.assert_close(recorded.result, plain, rtol=0, atol=0)
    assert recorded.recorder.guard.errors == 0, recorded.recorder.guard.first


def forward(inputs: Tensor) -> Tensor:
    return energy(inputs) * 2


def transform(inputs: Tensor) -> Tensor:
    return torch.func.grad(energy)(inputs).sum()


def step_of_its_own(inputs: Tensor) -> Tensor:
    loss = energy(inputs)
    loss.backward(retain_graph=True)  # kept
    loss.backward()
    return inputs.grad * 2


def gradient(inputs: Tensor) -> Tensor:
    (grad,) = torch.autograd.grad(energy(inputs), inputs, retain_graph=True)
    return grad * 2


def compiled(function: Callable[[Tensor], Tensor], **options: bool) -> object:
    """Run a compiled function four times; return what it gave, and what the compiler saw of it."""
    graphs: list[list[str]] = []

    def backend(module: torch.fx.GraphModule, _: object) -> Callable[..., object]:
        graphs.append([node.name for node in module.graph.nodes])
        return module.forward

    torch._dynamo.reset()
    counters.clear()
    results = []
    for _ in range(4):
        inputs = values().requires_grad_()
        result = torch.compile(function, backend=backend, **options)(inputs)
        if result.requires_grad:
            result.backward(retain_graph=True)
        results.append((result.detach(), inputs.grad))
    seen = {kind: dict(counters[kind]) for kind in ("frames", "graph_break")}
    torch._dynamo.reset()
    return results, graphs, seen


@pytest.mark.filterwarnings("error:.*Dynamo:UserWarning")
@pytest.mark.parametrize("function", [forward, transform, step_of_its_own, gradient])
def test_compilers_see_nothing_of_the_recorder(function: Callable[[Tensor], Tensor]) -> None:
    plain, recorded = compiled(function), Recorded(lambda: compiled(function))
    torch.testing.assert_close(recorded.result[0], plain[0], rtol=0, atol=0)
    assert recorded.result[1:] == plain[1:]
    assert recorded.recorder.guard.errors == 0, recorded.recorder.guard.first


def test_a_pass_can_be_compiled() -> None:
    with torch._dynamo.config.patch(trace_autograd_ops=True):
        plain = compiled(gradient, fullgraph=True)
        recorded = Recorded(lambda: compiled(gradient, fullgraph=True)).result
    torch.testing.assert_close(recorded[0], plain[0], rtol=0, atol=0)
    assert recorded[1:] == plain[1:]


def test_passes_beside_compiled_code_are_recorded() -> None:
    recorded = Recorded(lambda: compiled(step_of_its_own))
    kept = recorded.site("kept")
    assert (kept.retained_passes, kept.reused_passes) == (4, 4)


@pytest.mark.parametrize("mode", ["real", "fake", "symbolic"])
def test_a_traced_pass_leaves_the_same_graph(mode: str) -> None:
    def program() -> str:
        return make_fx(gradient, tracing_mode=mode)(values().requires_grad_()).code

    plain, recorded = program(), Recorded(program)
    assert recorded.result == plain
    assert recorded.profile.sites == ()


def traced_ahead() -> object:
    inputs = values().requires_grad_()
    torch.compile(energy, backend="aot_eager")(inputs).backward(retain_graph=True)
    return inputs.grad


def compiled_backward() -> object:
    inputs = values().requires_grad_()
    with torch._dynamo.compiled_autograd._enable(torch.compile(backend="eager")):
        energy(inputs).backward()
    return inputs.grad


@pytest.mark.parametrize("program", [traced_ahead, compiled_backward])
def test_compiled_backwards_give_the_same(program: Callable[[], object]) -> None:
    torch._dynamo.reset()
    plain = program()
    torch._dynamo.reset()
    recorded = Recorded(program)
    torch._dynamo.reset()
    torch.testing.assert_close(recorded.result, plain, rtol=0, atol=0)
    assert recorded.recorder.guard.errors == 0, recorded.recorder.guard.first


def test_coroutines_that_take_turns() -> None:
    async def train(steps: int) -> Tensor:
        weight = values().requires_grad_()
        for _ in range(steps):
            loss = energy(weight)
            await asyncio.sleep(0)
            loss.backward(retain_graph=True)  # kept
            await asyncio.sleep(0)
            loss.backward()  # again
        assert weight.grad is not None
        return weight.grad

    async def both() -> list[Tensor]:
        return await asyncio.gather(train(3), train(5))

    plain, recorded = asyncio.run(both()), Recorded(lambda: asyncio.run(both()))
    assert all(map(torch.equal, plain, recorded.result))
    kept = recorded.site("kept")
    assert (kept.retained_passes, kept.verdict) == (8, "needed")
    assert recorded.site("again").passes == 8


def test_generators_that_run_passes_between_their_values() -> None:
    def losses(weight: Tensor) -> Iterator[Tensor]:
        for _ in range(3):
            loss = energy(weight)
            loss.backward(retain_graph=True)  # inside
            yield loss

    def program() -> Tensor | None:
        weight = values().requires_grad_()
        for loss in losses(weight):
            loss.backward()  # outside
        closed = losses(weight)
        next(closed)
        closed.close()
        return weight.grad

    plain, recorded = program(), Recorded(program)
    assert torch.equal(recorded.result, plain)
    assert recorded.site("inside").retained_passes == 4
    assert recorded.site("outside").passes == 3


def test_two_threads_over_graphs_of_their_own() -> None:
    def train(results: dict[int, Tensor], seed: int) -> None:
        weight = (values() + seed).requires_grad_()
        for _ in range(200):
            loss = energy(weight)
            loss.backward(retain_graph=True)  # kept
            loss.backward()
        results[seed] = weight.grad

    def program() -> dict[int, Tensor]:
        results: dict[int, Tensor] = {}
        threads = [threading.Thread(target=train, args=(results, seed)) for seed in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    plain, recorded = program(), Recorded(program)
    assert all(torch.equal(plain[seed], recorded.result[seed]) for seed in (1, 2))
    kept = recorded.site("kept")
    assert (kept.retained_passes, kept.reused_passes) == (400, 400)


def test_a_graph_that_two_threads_visit() -> None:
    def program() -> Tensor | None:
        weight = values().requires_grad_()
        loss = energy(weight)

        def visit() -> None:
            for _ in range(100):
                loss.backward(retain_graph=True)

        threads = [threading.Thread(target=visit) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return loss.detach()

    recorded = Recorded(program)
    assert torch.equal(recorded.result, energy(values()))
    (site,) = recorded.profile.sites
    assert site.retained_passes == 200


def test_a_state_carried_over_thousands_of_steps() -> None:
    def program() -> Tensor:
        weight = torch.tensor([0.5, 1.5], requires_grad=True)
        state = torch.zeros(2)
        for step in range(1, 2001):
            state = state * 0.5 + weight
            if step % 20 == 0:
                state.sum().backward(retain_graph=True)  # carried
        return weight.grad

    plain, recorded = program(), Recorded(program)
    assert torch.equal(recorded.result, plain)
    assert recorded.site("carried").retained_passes == 100
    assert recorded.recorder.settle() == []


def notes_of(recorder: Recorder) -> dict[str, int]:
    """Count what a recorder remembers of a program."""
    sites = recorder.sites
    return {
        "sites": len(sites),
        "clashes": len(recorder.passes.clashes),
        "open": len(recorder.ledger.open),
        "callers": len(recorder._calls._callers),
        "shapes": sum(len(site.shapes) for site in sites),
        "rhythms": sum(len(site.rhythms) for site in sites),
        "reuses": sum(len(site.reused_by) for site in sites),
    }


def test_ten_thousand_steps_are_remembered_like_a_hundred() -> None:
    def step() -> None:
        hidden = weight.exp()
        hidden.sum().backward(retain_graph=True)
        torch.autograd.grad(hidden.mean(), weight, retain_graph=True)
        hidden.norm().backward()
        with pytest.raises(RuntimeError, match="a second time"):
            hidden.norm().backward()

    weight, notes = values().requires_grad_(), []
    recorder = Recorder()
    recorder.start()
    try:
        for steps in (100, 9_900):
            for _ in range(steps):
                step()
            notes.append(notes_of(recorder))
    finally:
        recorder.stop()
    assert recorder.guard.errors == 0, recorder.guard.first
    assert notes[0] == notes[1]
    assert len(recorder.ledger.timeline.totals) < 1000
    assert recorder.settle() == []
