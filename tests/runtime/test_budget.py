"""The recorder keeps its work under a share of CPU time, and says what it left out."""

from __future__ import annotations

import sys
import time

import pytest
import torch

import graphlint
from graphlint.runtime import reach
from graphlint.runtime.budget import Budget, Purse
from graphlint.runtime.figures import EXACT_PASSES
from graphlint.runtime.reach import search
from graphlint.runtime.recorder import EAGER_PASSES, MARKED_PASSES

from .recording import Recorded, patience


class Clock:
    """A clock that stands still until it is told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def spend(budget: Budget, clock: Clock, seconds: float) -> None:
    began = budget.begin()
    clock.now += seconds
    budget.charge(began)


def test_what_is_overspent_takes_a_rest() -> None:
    clock = Clock()
    budget = Budget(0.1, clock)
    clock.now = 100.0
    spend(budget, clock, 1.0)
    assert budget.allows
    assert budget.rest(10) == 0
    spend(budget, clock, 9.0)
    assert not budget.allows
    rests = [budget.rest(10) for _ in range(100)]
    missing = (10 * 2.5 / 0.1 - 110) / 11  # of seconds, eleven a pass
    assert all(0.4 * missing < rest < 1.6 * missing for rest in rests)
    assert len(set(rests)) > 5


def test_time_between_recordings_does_not_count() -> None:
    clock = Clock()
    budget = Budget(0.1, clock)
    budget.resume()
    clock.now = 10.0
    budget.pause()
    clock.now = 1000.0
    budget.resume()
    spend(budget, clock, 1.0)
    assert not budget.allows


def test_without_a_share_everything_is_allowed() -> None:
    clock = Clock()
    budget = Budget(None, clock)
    spend(budget, clock, 1.0)
    assert budget.allows
    assert budget.rest(1) == 0


def small_steps(count: int) -> None:
    weight = torch.ones(3, requires_grad=True)
    for _ in range(count):
        weight.exp().sum().backward(retain_graph=True)  # kept


def test_passes_are_left_out_to_save_time() -> None:
    with patience():
        recorded = Recorded(lambda: small_steps(3000), overhead=0.001)
    site = recorded.site("kept")
    assert site.passes == site.retained_passes == 3000
    assert EAGER_PASSES <= site.seen_passes < 300
    assert EXACT_PASSES <= site.measured_passes <= site.seen_passes
    assert sum(vars_of(site.released)) == site.seen_passes
    assert site.verdict == "unneeded"
    assert site.exclusive_bytes.mean == 12
    assert recorded.profile.overhead == 0.001
    assert recorded.profile.is_sampled


def vars_of(released: object) -> tuple[int, ...]:
    return tuple(getattr(released, name) for name in type(released).__dataclass_fields__)


def test_without_a_share_all_kept_graphs_are_followed() -> None:
    site = Recorded(lambda: small_steps(500)).site("kept")
    assert site.seen_passes == 500
    assert site.released.by_drop == 500


def test_the_first_graphs_are_followed_and_measured_always() -> None:
    with patience():
        site = Recorded(lambda: small_steps(EAGER_PASSES), overhead=1e-9).site("kept")
    assert site.seen_passes == EAGER_PASSES
    assert site.measured_passes == EXACT_PASSES


def test_reuse_of_what_is_marked_is_seen_in_passes_that_rest() -> None:
    def program() -> None:
        held = torch.ones(3, requires_grad=True).exp()
        held.sum().backward(retain_graph=True)  # first
        small_steps(300)
        held.mean().backward()

    recorded = Recorded(program, overhead=1e-9)
    assert recorded.site("first").verdict == "needed"
    assert recorded.site("kept").seen_passes <= EAGER_PASSES + 1


def test_a_loop_is_not_mistaken_for_a_run_that_began_in_a_rest() -> None:
    def program() -> None:
        weight = torch.ones(3, requires_grad=True)
        for _ in range(400):
            rows = weight.exp()
            for i in range(3):
                rows[i].backward(retain_graph=True)  # row

    recorded = Recorded(program, overhead=0.005)
    assert recorded.site("row").seen_passes < 1200
    assert recorded.codes == [("RG103", "row")]


def test_passes_of_no_interest_are_counted() -> None:
    def program() -> None:
        weight = torch.ones(3, requires_grad=True)
        for _ in range(200):
            weight.exp().sum().backward()  # plain
            torch.autograd.grad(weight.exp().sum(), weight)  # grad
        loss = weight.exp().sum()
        loss.backward()  # freed
        loss.backward()  # again

    recorded = Recorded(program)
    assert recorded.site("plain").passes == recorded.site("grad").passes == 200
    assert "twice" in str(recorded.error) or "second time" in str(recorded.error)
    assert recorded.codes == [("RG102", "freed")]


def test_an_error_in_a_pass_of_no_interest_is_the_programs() -> None:
    def program() -> None:
        weight = torch.ones(3, requires_grad=True)
        for turn in range(2 * MARKED_PASSES):
            if turn == 2 * MARKED_PASSES - 1:
                weight.register_hook(lambda _: 1 / 0)
            weight.exp().sum().backward()  # plain

    with pytest.raises(ZeroDivisionError), graphlint.profile() as prof:
        program()
    recorder_errors = prof.report.profile.recorder_errors
    assert recorder_errors == 0
    assert prof.report.sites[0].passes == 2 * MARKED_PASSES


@pytest.mark.parametrize("overhead", [0, -1.0, float("nan")])
def test_a_share_is_above_nothing(overhead: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        graphlint.profile(overhead=overhead)


def test_the_report_says_what_was_left_out() -> None:
    with graphlint.profile(overhead=0.001) as prof:
        small_steps(1000)
    assert "of 1000 kept graphs were followed, to stay under 0.1% of CPU time" in str(prof.report)


def test_the_budget_reads_the_threads_own_clock() -> None:
    budget = Budget(0.5)
    time.sleep(0.05)
    began = budget.begin()
    deadline = time.thread_time() + 0.01
    while time.thread_time() < deadline:
        pass
    budget.charge(began)
    assert not budget.allows


def test_searches_keep_to_a_share_of_all_that_the_process_took() -> None:
    clock = Clock()
    purse = Purse(0.01, clock)
    clock.now = 2.0  # importing torch
    assert purse.left == pytest.approx(0.04)
    purse.spend(0.1)
    assert purse.left < 0
    clock.now = 100.0
    assert purse.left == pytest.approx(0.92)


def test_a_search_ends_when_its_time_is_over() -> None:
    crowd = [[index] for index in range(20_000)]
    assert not search([sys._getframe()], seconds=0.0).complete
    assert search([sys._getframe()]).complete
    del crowd


def test_what_a_search_saw_of_its_last_depth_is_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "_modules", lambda known: iter(()))  # other tests have theirs
    losses = [torch.ones(1, requires_grad=True).exp() for _ in range(2000)]
    near = torch.ones(1, requires_grad=True).exp()
    result = search([sys._getframe()], budget=1000)
    assert {each.cut for each in result.found if each.tensor is near} == {False}
    assert {each.cut for each in result.found if each.tensor is not near} == {True}
    del losses


def test_large_graphs_are_left_out_sooner_than_small_ones() -> None:
    def program() -> None:
        weight = torch.ones(3, requires_grad=True)
        for _ in range(EAGER_PASSES):
            value = weight
            for _ in range(500):
                value = value.exp()
            value.sum().backward(retain_graph=True)  # kept

    site = Recorded(program, overhead=0.001).site("kept")
    assert EXACT_PASSES <= site.seen_passes < EAGER_PASSES
