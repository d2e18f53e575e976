"""What keeps graphs alive beyond their step: the variable, attribute or container, and how much."""

from __future__ import annotations

import functools
import gc
import linecache
import sys
import threading
import weakref
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphlint import profile
from graphlint.profiles import HeldBy
from graphlint.runtime.engine import choke_point
from graphlint.runtime.frames import variables
from graphlint.runtime.profile import Profiling
from graphlint.runtime.reach import search

from .truth import bytes_freed_by

STEPS = 10
GLOBAL: list[Tensor] = []


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(7, 13), nn.Tanh(), nn.Linear(13, 1))


def step(net: nn.Module, retain: bool = False) -> Tensor:
    loss = net(torch.randn(5, 7)).pow(2).mean()
    loss.backward(retain_graph=retain)
    return loss


def patient() -> Profiling:
    """Record with looks that no share of CPU time cuts short: under load that would be soon."""
    return profile(overhead=None)


def holders(program: Callable[[], object]) -> dict[str, HeldBy]:
    """Run a program to its end, and return what it was seen to hold, by name."""
    with patient() as prof:
        program()
    report = prof.report
    assert report.profile.recorder_errors == 0
    return {held.name: held for held in report.held_by}


# --- every kind of keeper ------------------------------------------------------------------------


class Trainer:
    """Keeps what it should not on itself."""

    shared: dict[int, Tensor] = {}  # noqa: RUF012 - a class attribute that is shared, on purpose

    def __init__(self) -> None:
        self.history: list[Tensor] = []
        self.total: Any = 0.0
        self.logs: dict[str, list[Tensor]] = defaultdict(list)
        self.previous: Tensor | None = None


def local_variable() -> None:
    net, total = model(), 0.0
    for _ in range(STEPS):
        total = total + step(net)


def global_container() -> None:
    net = model()
    for _ in range(STEPS):
        GLOBAL.append(step(net))


def list_of_losses() -> None:
    net, losses = model(), []
    for _ in range(STEPS):
        losses.append(step(net))


def dictionary() -> None:
    net, by_step = model(), {}
    for i in range(STEPS):
        by_step[f"step {i}"] = step(net)


def bounded_deque() -> None:
    net, recent = model(), deque(maxlen=5)
    for _ in range(STEPS):
        recent.append(step(net))


def attribute() -> None:
    net, trainer = model(), Trainer()
    for _ in range(STEPS):
        trainer.total = trainer.total + step(net)


def list_on_an_attribute() -> None:
    net, trainer = model(), Trainer()
    for _ in range(STEPS):
        trainer.history.append(step(net))


def lists_by_name() -> None:
    net, trainer = model(), Trainer()
    for _ in range(STEPS):
        trainer.logs["loss"].append(step(net))


def class_attribute() -> None:
    net = model()
    for i in range(STEPS):
        Trainer.shared[i] = step(net)


def closure() -> None:
    def counter() -> Callable[[Tensor], None]:
        total = 0.0

        def add(loss: Tensor) -> None:
            nonlocal total
            total = total + loss

        return add

    net, add = model(), counter()
    for _ in range(STEPS):
        add(step(net))


def default_argument() -> None:
    def log(loss: Tensor, kept: list[Tensor] = []) -> None:  # noqa: B006 - the mistake at hand
        kept.append(loss)

    net = model()
    for _ in range(STEPS):
        log(step(net))


def partial() -> None:
    net, kept = model(), []
    log = functools.partial(list.append, kept)
    del kept
    for _ in range(STEPS):
        log(step(net))


def hook() -> None:
    net, seen = model(), []
    net[0].register_forward_hook(lambda module, inputs, output, seen=seen: seen.append(output))
    del seen
    for _ in range(STEPS):
        step(net)


def generator() -> None:
    def losses(net: nn.Module) -> Iterator[float]:
        total = 0.0
        while True:
            total = total + step(net)
            yield float(total)

    stream = losses(model())
    for _ in range(STEPS):
        next(stream)


def exception() -> None:
    def fail(net: nn.Module) -> None:
        out = net(torch.randn(50, 7)).exp()
        raise ValueError(out.shape)

    net, failure = model(), None
    for _ in range(STEPS):
        step(net)
        try:
            fail(net)
        except ValueError as error:
            failure = failure or error


def context() -> None:
    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, inputs: Tensor, other: Tensor) -> Tensor:
            ctx.other = other
            return inputs * 2

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Any:
            return grad * 2, None

    net, weight = model(), torch.ones(3, requires_grad=True)
    features = net(torch.randn(50, 7))
    kept = Scale.apply(weight, features)
    del features
    for _ in range(STEPS):
        step(net)
    del kept


def gradients() -> None:
    net = model()
    for _ in range(STEPS):
        loss = net(torch.randn(5, 7)).pow(2).mean()
        loss.backward(create_graph=True)


@pytest.mark.parametrize(
    ("program", "name", "kind"),
    [
        (local_variable, "total", "local"),
        (global_container, "GLOBAL", "list"),
        (list_of_losses, "losses", "list"),
        (dictionary, "by_step", "dict"),
        (bounded_deque, "recent", "deque"),
        (attribute, "trainer.total", "attribute"),
        (list_on_an_attribute, "trainer.history", "list"),
        (lists_by_name, "trainer.logs['loss']", "list"),
        (class_attribute, "Trainer.shared", "dict"),
        (closure, "total", "closure"),
        (default_argument, "kept", "list"),
        (partial, "log", "list"),
        (hook, "net.0", "hook"),
        (generator, "total", "generator"),
        (exception, "failure", "exception"),
        (context, "kept.other", "ctx"),
        (gradients, "net.*.grad", "gradient"),
    ],
)
@pytest.mark.filterwarnings("ignore:Using backward")
def test_the_keeper_is_named(program: Callable[[], None], name: str, kind: str) -> None:
    try:
        found = holders(program)
    finally:
        GLOBAL.clear()
        Trainer.shared.clear()
    assert name in found, found
    held = found[name]
    assert held.kind == kind
    assert Path(held.where.partition(":")[0]).name == "test_held_by.py"
    assert held.nodes > 0


def test_the_function_is_named() -> None:
    (held,) = holders(list_of_losses).values()
    assert held.where.endswith("test_held_by.py:list_of_losses")


def test_a_name_in_the_method_that_runs_the_pass_is_that_of_the_method() -> None:
    class Loop(Trainer):
        def fit(self) -> None:
            net = model()
            for _ in range(STEPS):
                self.history.append(step(net))

    held = holders(lambda: Loop().fit())["self.history"]
    assert (held.kind, held.where.rpartition(".")[2]) == ("list", "fit")


# --- what is none --------------------------------------------------------------------------------


def plain_training() -> None:
    net, losses = model(), []
    for _ in range(STEPS):
        loss = step(net)
        losses.append(loss.item())


def numbers_of_a_retained_graph() -> None:
    net, total = model(), torch.zeros(())
    for _ in range(STEPS):
        total += step(net, retain=True).detach()


def shared_features() -> None:
    net, heads = model(), [nn.Linear(1, 1) for _ in range(STEPS)]
    features = net(torch.randn(5, 7))
    for i, head in enumerate(heads):
        head(features).sum().backward(retain_graph=i < STEPS - 1)


def two_networks() -> None:
    """Take turns, as a generator and its critic do."""
    maker, critic = model(), nn.Linear(1, 1)
    for _ in range(STEPS):
        fake = maker(torch.randn(5, 7))
        critic_loss = critic(fake.detach()).pow(2).mean()
        critic_loss.backward()
        maker_loss = critic(fake).pow(2).mean()
        maker_loss.backward()


def parts_of_one_loss() -> None:
    net = model()
    for _ in range(STEPS):
        parts = [net(torch.randn(5, 7)).pow(2).mean(), net[0].weight.pow(2).sum()]
        sum(parts).backward()


@pytest.mark.parametrize(
    "program",
    [plain_training, numbers_of_a_retained_graph, shared_features, two_networks, parts_of_one_loss],
)
def test_what_a_step_needs_is_not_held(program: Callable[[], None]) -> None:
    assert holders(program) == {}


# --- how much ------------------------------------------------------------------------------------


@pytest.mark.parametrize("retain", [False, True])
def test_all_graphs_are_counted_while_their_container_is_alive(retain: bool) -> None:
    net, losses = model(), []
    with patient() as prof:
        for _ in range(100):
            losses.append(step(net, retain))
    (held,) = prof.report.held_by
    assert (held.name, held.kind, held.graphs) == ("losses", "list", 100)
    assert held.nodes == 100 * 7


def test_a_sum_counts_the_iterations_that_it_is_made_of() -> None:
    net, total = model(), 0.0
    with patient() as prof:
        for _ in range(30):
            total = total + step(net)
    (held,) = prof.report.held_by
    assert (held.name, held.kind, held.graphs) == ("total", "local", 30)


def evaluation(net: nn.Module, kept: list[Tensor]) -> None:
    for _ in range(8):
        kept.append(net(torch.randn(50, 7)).exp())


def retained(net: nn.Module, kept: list[Tensor]) -> None:
    for _ in range(8):
        kept.append(step(net, retain=True))


def partly_visited(net: nn.Module, kept: list[Tensor]) -> None:
    for _ in range(8):
        kept.append(net(torch.randn(50, 7)).exp())
        torch.autograd.grad(kept[-1].sum(), net[2].weight)


@pytest.mark.parametrize("program", [evaluation, retained, partly_visited])
def test_bytes_are_those_that_the_allocator_gets_back(
    program: Callable[[nn.Module, list[Tensor]], None],
) -> None:
    net = model()
    program(net, [])  # gradients are there from now on

    def build() -> Callable[[], None]:
        kept: list[Tensor] = []
        program(net, kept)
        return kept.clear

    truth = bytes_freed_by(build)
    kept: list[Tensor] = []
    with patient() as prof:
        program(net, kept)
    held = {held.name: held for held in prof.report.held_by}["kept"]
    assert (held.graphs, held.bytes) == (8, truth)


def test_of_very_many_graphs_a_sample_is_measured() -> None:
    net, kept = model(), []
    with patient() as prof:
        for _ in range(1000):
            kept.append(net(torch.randn(5, 7)).exp())
    (held,) = prof.report.held_by
    assert (held.name, held.graphs) == ("kept", 1000)
    assert held.nodes == 6000
    assert held.bytes == 1000 * 4 * (5 * 7 + 5 * 13 + 5)


def test_a_long_sum_leaves_room_for_the_passes() -> None:
    net, total = model(), 0.0
    with patient() as prof:
        for _ in range(1500):
            total = total + step(net)
    report = prof.report
    assert not report.profile.truncated
    (held,) = report.held_by
    assert held.name == "total"
    assert held.graphs > 100


# --- findings ------------------------------------------------------------------------------------


def findings(program: Callable[[], object]) -> list[tuple[str, str, str]]:
    """Run a program, and return what the rules say of it: code, confidence, the row's source."""
    with patient() as prof:
        program()
    return [
        (
            str(found["code"]),
            str(found["confidence"]),
            linecache.getline(__file__, found["location"]["row"]).strip(),
        )
        for found in prof.report.findings
    ]


def test_a_list_of_losses_is_found_at_the_statement_that_fills_it() -> None:
    assert findings(list_of_losses) == [("RG202", "observed", "losses.append(step(net))")]


def test_a_sum_of_losses_is_found_at_the_statement_that_adds() -> None:
    assert findings(local_variable) == [("RG201", "observed", "total = total + step(net)")]


def every_second_loss() -> None:
    net, losses = model(), []
    for _ in range(STEPS):
        step(net)
        losses.append(step(net))


def window_of_losses() -> None:
    net, window = model(), []
    for _ in range(STEPS):
        window.append(step(net))
        if len(window) == 7:
            window.clear()


def test_a_list_that_is_filled_every_few_passes_is_found() -> None:
    assert findings(every_second_loss) == [("RG202", "observed", "losses.append(step(net))")]


def test_a_list_that_is_emptied_every_few_passes_is_no_leak() -> None:
    assert findings(window_of_losses) == []


def test_the_row_of_the_statement_stands_in_the_profile() -> None:
    held = holders(list_of_losses)["losses"]
    assert held.row is not None
    assert linecache.getline(__file__, held.row).strip() == "losses.append(step(net))"


def test_a_list_that_two_statements_fill_is_held_and_nobody_is_blamed() -> None:
    def program() -> None:
        net, losses = model(), []
        for i in range(STEPS):
            if i % 2:
                losses.append(step(net))
            else:
                losses.append(step(net) * 1)

    assert holders(program)["losses"].row is None
    assert findings(program) == []


def test_a_list_that_keeps_a_few_is_no_leak() -> None:
    assert findings(bounded_deque) == []


def test_losses_that_are_differentiated_later_are_no_leak() -> None:
    def program() -> None:
        net, losses = model(), []
        for _ in range(STEPS):
            losses.append(net(torch.randn(5, 7)).pow(2).mean())
            step(net)
        sum(losses).backward()

    assert findings(program) == []


# --- harmless ------------------------------------------------------------------------------------


def test_looking_keeps_nothing_alive() -> None:
    deaths = []

    def program() -> None:
        net = model()
        for _ in range(STEPS):
            loss = step(net, retain=True)
            deaths.append(weakref.ref(loss))
            held = [weakref.ref(loss)]
            loss = None
            assert held[0]() is None

    holders(program)
    assert all(death() is None for death in deaths)


def test_the_users_own_snapshot_is_left_alone() -> None:
    def program() -> list[str]:
        one = 1
        mine = locals()
        variables(sys._getframe())
        return sorted({*mine, str(one)})

    assert "one" in program()


def test_nothing_of_the_users_runs() -> None:
    class Trap:
        @property
        def __class__(self) -> type:
            raise AssertionError("asked for its class")

        @property
        def __dict__(self) -> dict[str, Any]:
            raise AssertionError("asked for its dictionary")

        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(f"asked for {name}")

    class Loud(list[Any]):
        def __iter__(self) -> Any:
            raise AssertionError("iterated")

        def __len__(self) -> int:
            raise AssertionError("counted")

    kept = torch.ones(3, requires_grad=True).exp()
    traps = [Trap(), Loud([kept])]
    del kept
    found = search([sys._getframe()]).found
    assert any(f.trail.container in ("Loud", "list") for f in found)
    del traps


def test_odd_objects_are_passed_over() -> None:
    class Odd:
        __module__ = None  # type: ignore[assignment]

    class Cyclic(dict[Any, Any]):
        pass

    odd, cyclic = Odd(), Cyclic()
    odd.__dict__[7] = torch.ones(3, requires_grad=True).exp()  # type: ignore[index]
    cyclic[cyclic.__len__()] = [cyclic, odd]
    big = {i: torch.ones(1) for i in range(20_000)}
    big[-1] = torch.ones(3, requires_grad=True).exp()
    held = holders(lambda: None)
    assert held["big"].graphs == 1
    del odd, cyclic, big


def test_other_threads_are_looked_at() -> None:
    ready, done = threading.Event(), threading.Event()

    def hold() -> None:
        hoard = [torch.ones(9, requires_grad=True).exp() for _ in range(3)]
        ready.set()
        done.wait()
        del hoard

    thread = threading.Thread(target=hold)
    thread.start()
    ready.wait()
    try:
        assert holders(lambda: None)["hoard"].graphs == 3
    finally:
        done.set()
        thread.join()
    gc.collect()


def test_nobody_looks_while_another_thread_runs_a_pass() -> None:
    """Its engine frees what nodes save, without Python's lock: to read them meanwhile crashes."""
    inside, done = threading.Event(), threading.Event()

    def wait(gradient: Tensor) -> None:
        inside.set()
        done.wait()

    def work() -> None:
        hoard = [torch.ones(9, requires_grad=True).exp() for _ in range(3)]
        hoard[0].register_hook(wait)
        hoard[0].sum().backward()
        del hoard

    with patient() as prof:
        thread = threading.Thread(target=work)
        thread.start()
        inside.wait()
        assert choke_point().is_busy_elsewhere()
    assert prof.report.held_by == ()
    done.set()
    thread.join()
    assert not choke_point().is_busy_elsewhere()


def test_a_search_ends() -> None:
    big = [[float(i)] for i in range(200_000)]
    result = search([sys._getframe()], budget=1000)
    assert not result.complete
    del big


def test_graphs_are_counted_by_the_loop_that_built_them() -> None:
    """A later loop of smaller steps says nothing about what an earlier one carried along."""

    def program() -> None:
        cell = torch.nn.GRUCell(4, 8)
        state = torch.zeros(2, 8)
        for _ in range(30):
            state = cell(torch.ones(2, 4), state)
            state.sum().backward(retain_graph=True)
        weight = torch.ones(3, requires_grad=True)
        for _ in range(4):
            weight.exp().sum().backward()

    with patient() as prof:
        program()
    (held,) = [each for each in prof.report.held_by if each.name == "state"]
    assert 27 <= held.graphs <= 33
