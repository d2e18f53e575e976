"""`graphlint.profile` on functions of every kind, and around a block."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

import graphlint
from graphlint.profiles import Profile
from graphlint.runtime.engine import choke_point
from graphlint.runtime.profile import profile
from graphlint.runtime.report import Report

from .recording import python


def keep() -> Tensor:
    loss = torch.ones(4, requires_grad=True).exp().sin().sum()
    loss.backward(retain_graph=True)
    return loss


def passes(report: Report) -> int:
    return sum(site.retained_passes for site in report.sites)


def test_it_is_the_packages_own() -> None:
    assert graphlint.profile is profile


def test_block() -> None:
    keep()
    with profile() as prof:
        keep()
    keep()
    assert passes(prof.report) == 1
    assert prof.report.peak_bytes == 16
    assert prof.report.holders[0].op == "SinBackward0"
    assert choke_point()._observers == ()


def test_bare_decorator() -> None:
    @profile
    def step(scale: int) -> int:
        """Run a step."""
        keep()
        return scale

    step = _silent(step)
    assert step(3) == 3
    first = step.report.sites
    step(4)
    assert (first[0].passes, step.report.sites[0].passes) == (1, 2)
    assert step.__doc__ == "Run a step."
    assert step.report.profile.program.endswith("step")


def _silent(function):
    """Let a decorated function print no summary when the tests end."""
    return profile(summary=False)(inspect.unwrap(function))


def test_decorator_with_arguments(tmp_path: Path) -> None:
    @profile(every=2, output=tmp_path / "step.json", summary=False)
    def step() -> None:
        keep()

    for _ in range(4):
        step()
    assert passes(step.report) == 4


def test_method_and_recursion() -> None:
    class Trainer:
        @profile(summary=False)
        def fit(self, depth: int) -> None:
            keep()
            if depth:
                self.fit(depth - 1)

    Trainer().fit(2)
    assert passes(Trainer.fit.report) == 3
    assert choke_point()._observers == ()


def test_generator_is_recorded_while_it_runs() -> None:
    @profile(summary=False)
    def steps() -> Iterator[int]:
        sent = yield keep_and(1)
        try:
            yield keep_and(sent)
        except KeyError:
            yield keep_and(3)
        return 4

    def keep_and(value: int) -> int:
        keep()
        return value

    running = steps()
    assert next(running) == 1
    keep()  # not the generator's
    assert running.send(2) == 2
    assert running.throw(KeyError()) == 3
    with pytest.raises(StopIteration) as end:
        next(running)
    assert end.value.value == 4
    assert passes(steps.report) == 3
    assert inspect.isgeneratorfunction(steps)


def test_generator_closes() -> None:
    closed = []

    @profile(summary=False)
    def steps() -> Iterator[int]:
        try:
            yield 1
        finally:
            keep()
            closed.append(True)

    running = steps()
    next(running)
    running.close()
    assert closed == [True]
    assert passes(steps.report) == 1


def test_coroutine_is_recorded_while_it_runs() -> None:
    @profile(summary=False)
    async def step() -> int:
        keep()
        await asyncio.sleep(0.01)
        keep()
        return 5

    async def other() -> None:
        keep()

    async def main() -> list[int | None]:
        return await asyncio.gather(step(), other(), step())

    assert asyncio.run(main()) == [5, None, 5]
    assert passes(step.report) == 4
    assert inspect.iscoroutinefunction(step)


def test_async_generator_is_recorded_while_it_runs() -> None:
    @profile(summary=False)
    async def steps() -> AsyncIterator[int]:
        for value in range(3):
            keep()
            await asyncio.sleep(0)
            yield value

    async def main() -> list[int]:
        values = []
        async for value in steps():
            keep()
            values.append(value)
        return values

    assert asyncio.run(main()) == [0, 1, 2]
    assert passes(steps.report) == 3
    assert inspect.isasyncgenfunction(steps)


def test_errors_pass_through() -> None:
    @profile(summary=False)
    def step() -> None:
        keep()
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        step()
    assert passes(step.report) == 1
    assert choke_point()._observers == ()


def test_what_a_call_returns_is_looked_after() -> None:
    @profile(summary=False)
    def step() -> Tensor:
        return keep()

    step().backward()
    assert step.report.sites[0].verdict == "needed"
    step()
    gc.collect()
    keep()
    assert step.report.sites[0].verdict == "partly"
    assert passes(step.report) == 2
    assert choke_point()._observers == ()


def test_nested_profiles() -> None:
    with profile() as outer:
        keep()
        with profile() as inner:
            keep()
        keep()
    assert (passes(outer.report), passes(inner.report)) == (3, 1)


def test_output_of_a_block(tmp_path: Path) -> None:
    path = tmp_path / "block.json"
    with profile(output=path):
        keep()
    loaded = Report.load(path)
    assert passes(loaded) == 1


def test_every_must_be_positive() -> None:
    with pytest.raises(ValueError, match="every"):
        profile(every=0)


SCRIPT = """
import sys
import torch, graphlint

@graphlint.profile({options})
def step(retain):
    torch.ones(4, requires_grad=True).exp().sum().backward(retain_graph=retain)

step(len(sys.argv) > 1)
"""


@pytest.mark.parametrize(
    ("options", "arguments", "shown"),
    [("", ["yes"], True), ("", [], False), ("summary=False", ["yes"], False)],
)
def test_summary_when_the_program_ends(
    tmp_path: Path, options: str, arguments: list[str], shown: bool
) -> None:
    script = tmp_path / "program.py"
    script.write_text(SCRIPT.format(options=options), encoding="utf-8")
    run = python(script, *arguments)
    assert run.returncode == 0, run.stderr
    assert run.stdout == ""
    assert ("unneeded" in run.stderr) is shown


def test_output_when_the_program_ends(tmp_path: Path) -> None:
    script, path = tmp_path / "program.py", tmp_path / "profile.json"
    script.write_text(SCRIPT.format(options=f"output={str(path)!r}"), encoding="utf-8")
    python(script, "yes")
    assert Profile.load(path).sites[0].retained_passes == 1


# --- reports -----------------------------------------------------------------------------------

SITE_KEYS = """
    filename row function kind passes retained_passes reused_passes verdict retained_bytes
    exclusive_bytes nodes held_s lower_bound reused_by released holders left_bytes
    seen_passes measured_passes released_bytes
""".split()
PROFILE_KEYS = """
    version program torch python rank world_size duration_s peak_retained_bytes truncated
    recorder_errors sites growth held_by findings timelines overhead
""".split()


def test_json_is_that_of_the_contract(tmp_path: Path) -> None:
    with profile() as prof:
        keep().backward()
    report = prof.report
    data = report.to_dict()
    assert list(data) == PROFILE_KEYS
    assert data["version"] == 1
    (kept, plain) = data["sites"]
    assert list(kept) == SITE_KEYS
    assert kept["retained_bytes"].keys() == {"mean", "max"}
    assert kept["reused_by"] == [{"filename": plain["filename"], "row": plain["row"], "passes": 1}]
    assert kept["released"] == {"by_later_pass": 1, "by_drop": 0, "still_held": 0}
    assert list(kept["holders"][0]) == "op attribute bytes count module source device".split()
    report.save(tmp_path / "p.json")
    assert json.loads((tmp_path / "p.json").read_text(encoding="utf-8")) == data
    assert Report.load(tmp_path / "p.json").profile == report.profile


def test_the_table_says_what_holds_graphs() -> None:
    losses = []
    with profile() as prof:
        for _ in range(4):
            losses.append(keep())
    assert re.search(
        r"graphs that are kept alive:\n  list `losses` \(.*test_profile.py:.*\): "
        r"4 graphs, 80 B, 12 nodes, added in line \d+\n",
        str(prof.report) + "\n",
    )


def test_findings_are_observed() -> None:
    with profile() as prof:
        keep()
    (finding,) = prof.report.findings
    assert (finding["code"], finding["confidence"]) == ("RG101", "observed")
    assert finding["location"]["column"] == 5


def test_html(tmp_path: Path) -> None:
    with profile() as prof:
        keep()
    prof.report.to_html(tmp_path / "p.html")
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "test_profile.py" in page
    assert "loss.backward(retain_graph=True)" in page


def test_table() -> None:
    with profile() as prof:
        keep()
    lines = str(prof.report).splitlines()
    (heading,) = [line for line in lines if line.startswith("site ")]
    assert heading.split()[-1] == "verdict"
    (row,) = [line for line in lines if line.endswith("unneeded")]
    assert "test_profile.py:" in row
    assert "16 B" in row
