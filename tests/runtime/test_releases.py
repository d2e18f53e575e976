"""What became of kept bytes, held against torch: released by a pass, by a drop, or alive."""

from __future__ import annotations

import contextlib
import gc
import random
from collections.abc import Callable, Iterator
from dataclasses import astuple

import pytest
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile, record_function

from graphlint.profiles import ReleasedBytes
from graphlint.runtime.allocator import bytes_freed_by_passes, changes_on_cpu

from . import zoo
from .recording import Recorded


@pytest.fixture(scope="module", autouse=True)
def quick_collections() -> Iterator[None]:
    """Leave torch's own objects out of garbage collections: these take most of the time here."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def freed_by_passes() -> dict[str, int]:
    for build in zoo.EXACT:  # libraries behind some operations allocate when they are first used
        build()[0].backward()
    return bytes_freed_by_passes(zoo.EXACT)


@pytest.fixture(scope="module")
def freed_by_drops() -> dict[str, int]:
    """What dropping a loss gives back after a retained pass, more than after one that frees."""

    def drop(build: zoo.Builder, retain: bool) -> None:
        loss, keep = build()
        loss.backward(retain_graph=retain)
        gc.collect()
        with record_function(f"begin {build.__name__} {retain}"):
            pass
        del loss
        gc.collect()
        with record_function(f"end {build.__name__} {retain}"):
            pass
        del keep

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        for build in zoo.EXACT:
            drop(build, retain=True)
            drop(build, retain=False)
    change = changes_on_cpu(recorded)
    return {
        b.__name__: change[f"{b.__name__} False"] - change[f"{b.__name__} True"] for b in zoo.EXACT
    }


def ends_of(program: Callable[[], object], name: str = "kept") -> ReleasedBytes:
    return Recorded(program).site(name).released_bytes


@pytest.mark.parametrize("build", zoo.EXACT, ids=lambda build: build.__name__)
def test_a_later_pass_releases_what_torch_frees(
    build: zoo.Builder, freed_by_passes: dict[str, int]
) -> None:
    def program() -> None:
        loss, keep = build()
        loss.backward(retain_graph=True)  # kept
        gc.collect()
        loss.backward()
        del keep

    assert ends_of(program) == ReleasedBytes(by_later_pass=freed_by_passes[build.__name__])


@pytest.mark.parametrize("build", zoo.EXACT, ids=lambda build: build.__name__)
def test_a_drop_releases_what_torch_frees(
    build: zoo.Builder, freed_by_drops: dict[str, int]
) -> None:
    def program() -> object:
        loss, keep = build()
        loss.backward(retain_graph=True)  # kept
        del loss
        gc.collect()
        return keep

    assert ends_of(program).by_drop == freed_by_drops[build.__name__]


def leaf() -> Tensor:
    return torch.linspace(0.1, 0.9, 100).requires_grad_()


def test_what_is_alive_at_the_end_is_still_held() -> None:
    def program() -> Tensor:
        loss = leaf().exp().tanh().sum()
        loss.backward(retain_graph=True)  # kept
        return loss

    assert ends_of(program) == ReleasedBytes(still_held=800)


def test_parts_of_a_graph_come_to_different_ends() -> None:
    def program() -> object:
        weight = leaf()
        shared = weight.exp().sin()
        freed, dropped, alive = shared.exp().sum(), shared.cos().sum(), weight.tan().sum()
        (freed + dropped + alive).backward(retain_graph=True)  # kept
        del dropped
        freed.backward()
        del shared, freed
        return alive

    # Of six storages the sum's pass keeps four for itself: `shared` is a variable, `weight` a leaf.
    assert ends_of(program) == ReleasedBytes(by_later_pass=800, still_held=400)


def test_what_is_dropped_before_a_later_pass_is_not_that_ones_doing() -> None:
    def program() -> None:
        shared = leaf().exp().sin()
        first, second = shared.exp().tan().sum(), shared.sin().sum()
        torch.autograd.backward([first, second], retain_graph=True)  # kept
        del first, shared
        second.backward()

    # What `exp` and `tan` saved goes with `first`, what `exp` below `shared` saved with the pass.
    assert ends_of(program) == ReleasedBytes(by_drop=800, by_later_pass=400)


def test_each_byte_is_counted_once_where_passes_take_over() -> None:
    def program() -> None:
        loss = leaf().exp().tanh().sum()
        for i in range(3):
            loss.backward(retain_graph=i < 2)  # kept

    assert ends_of(program) == ReleasedBytes(by_later_pass=800, taken_over=800)


def test_passes_that_are_not_measured_take_over_too() -> None:
    def program() -> None:
        loss = leaf().exp().tanh().sum()
        for _ in range(4):
            loss.backward(retain_graph=True)  # kept
        loss.backward()

    ends = Recorded(program, every=4).site("kept").released_bytes
    assert ends == ReleasedBytes(by_later_pass=800, taken_over=3 * 800)


def test_what_the_program_gets_hold_of_is_elsewhere() -> None:
    def program() -> object:
        loss = leaf().exp().tanh().sum()
        loss.backward(retain_graph=True)  # kept
        mine = loss.grad_fn.next_functions[0][0]._saved_result
        loss.backward()
        return mine

    assert ends_of(program) == ReleasedBytes(by_later_pass=400, elsewhere=400)


def test_a_pass_that_raises_half_way_releases_what_it_has_freed() -> None:
    def program() -> None:
        hidden = leaf().exp()
        loss = hidden.sin().cos().sum()
        loss.backward(retain_graph=True, inputs=[hidden])  # kept
        hidden.register_hook(lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            loss.backward()

    assert ends_of(program) == ReleasedBytes(by_later_pass=400)


def test_what_every_step_lets_go_of_is_dropped() -> None:
    def program() -> None:
        weight = leaf()
        for _ in range(50):
            weight.exp().tanh().sum().backward(retain_graph=True)  # kept

    site = Recorded(program).site("kept")
    assert site.released_bytes == ReleasedBytes(by_drop=800 * site.measured_passes)


def random_program(seed: int) -> Callable[[], object]:
    """Make a program that builds, drops and visits parts of two leaves' graphs as chance has it."""

    def program() -> object:
        chance = random.Random(seed)
        leaves, pool = [leaf(), leaf()], list[Tensor]()
        for _ in range(12):
            action = chance.random()
            if action < 0.5 or not pool:
                value = chance.choice([*pool, *leaves])
                for _ in range(2):
                    value = getattr(value, chance.choice(["exp", "sin", "tanh", "sigmoid"]))()
                pool.append(value)
            elif action < 0.6:
                pool.pop(chance.randrange(len(pool)))
            else:
                losses = [each.sum() for each in chance.sample(pool, min(len(pool), 2))]
                inputs = leaves[:1] if chance.random() < 0.3 else None
                with contextlib.suppress(RuntimeError):  # freed already, or no way to the inputs
                    torch.autograd.backward(losses, None, chance.random() < 0.7, inputs=inputs)
                del losses
        return pool if seed % 2 else None

    return program


@pytest.mark.parametrize("seed", range(24))
def test_together_they_are_all_that_passes_kept(seed: int) -> None:
    sites = Recorded(random_program(seed)).profile.sites
    kept = sum(site.exclusive_bytes.mean * site.measured_passes for site in sites)
    ends = [astuple(site.released_bytes) for site in sites]
    assert sum(map(sum, ends)) == round(kept)
    if not seed % 2:  # the program has let go of everything
        assert all(site.released_bytes.still_held == 0 for site in sites)
