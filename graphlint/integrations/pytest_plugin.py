"""The pytest plugin: limits on what tests retain, and a summary of what the session retained.

A test that is marked `limit_retained("10 MB")` fails if its backward passes keep more than that at
any moment; one that is marked `no_graph_growth` is run several times over, and fails if more graphs
are alive after every run. `--graphlint` records all tests, and shows the table at the end.

A session without marks and without the option pays for nothing: torch and the recorder are imported
when the first marked test runs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Generator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from graphlint.profiles import Profile, SiteProfile
    from graphlint.runtime.census import Census
    from graphlint.runtime.report import Report

MARKERS = (
    "limit_retained(size): fail the test if its backward passes keep more bytes at any moment.",
    "no_graph_growth(warmup=2, steps=5): run the test several times; fail it if graphs pile up.",
)
_OUTPUT = "graphlint"


class Growth(NamedTuple):
    """How often `no_graph_growth` runs a test: to warm up, and to look for growth."""

    warmup: int = 2
    steps: int = 5


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--graphlint`."""
    group = parser.getgroup("graphlint", "what backward passes keep")
    group.addoption(
        "--graphlint",
        action="store_true",
        help="Record what the tests' backward passes keep, and show it when all have run.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks, and the recorder of the session where it is asked for."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    if config.getoption("--graphlint"):
        _require_torch()
        config.pluginmanager.register(Session(), "graphlint-session")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Hold a marked test to its limits."""
    limit, growth = _limit_of(item), _growth_of(item)
    if limit is None and growth is None:
        return (yield)
    _require_torch()
    from graphlint import profile

    complaint = None
    with profile() as recorded:
        result = yield
        grown = _repeat(item, growth) if growth is not None else None
    if growth is not None and grown is not None:
        complaint = _growing(grown, growth, recorded.report)
    elif limit is not None:
        complaint = _too_much(recorded.report, limit)
    if complaint is not None:
        pytest.fail(complaint, pytrace=False)
    return result


# ------------------------------------------------------------------------------------- the marks
def _limit_of(item: pytest.Item) -> int | None:
    mark = item.get_closest_marker("limit_retained")
    if mark is None:
        return None
    from graphlint.integrations.sizes import parse_bytes

    sizes, wrong = [*mark.args, *mark.kwargs.values()], ""
    if len(sizes) == 1:
        try:
            return parse_bytes(sizes[0])
        except (ValueError, TypeError) as error:
            wrong = f": {error}"
    raise _misuse(f"limit_retained takes one size, as in limit_retained('10 MB'){wrong}.")


def _growth_of(item: pytest.Item) -> Growth | None:
    mark = item.get_closest_marker("no_graph_growth")
    if mark is None:
        return None
    growth = None
    with suppress(TypeError):
        growth = Growth(*mark.args, **mark.kwargs)
    if growth is None or growth.warmup < 1 or growth.steps < 2:
        raise _misuse(
            "no_graph_growth takes warmup (at least 1) and steps (at least 2), and no more."
        )
    return growth


def _misuse(what: str) -> BaseException:
    """Return what fails the test that a mark is wrong at, with that sentence alone."""
    return pytest.fail.Exception(what, pytrace=False)


def _require_torch() -> None:
    from graphlint.runtime.needs import TorchMissingError, require_torch

    try:
        require_torch()
    except TorchMissingError as error:
        raise pytest.UsageError(f"graphlint: {error}") from error


# ---------------------------------------------------------------------------------- the verdicts
def _repeat(item: pytest.Item, growth: Growth) -> Census | None:
    """Run a test, which has run once, again and again; return how much grows, if anything does."""
    from graphlint.runtime import census

    for _ in range(growth.warmup - 1):
        item.runtest()
    counts = [census.take_census()]
    for _ in range(growth.steps):
        item.runtest()
        counts.append(census.take_census())
    return census.growth(counts)


def _growing(grown: Census, growth: Growth, report: Report) -> str:
    """Say how much grows, what holds it, and what to do."""
    from graphlint.output.profile_text import format_bytes, keeper

    held = next(iter(report.held_by), None)
    culprit = f"The {keeper(held.kind)} `{held.name}` ({held.where})" if held else "Something"
    least = "at least " if grown.truncated else ""
    return (
        f"More graphs are alive after every run of this test: {least}{grown.nodes} nodes and "
        f"{format_bytes(grown.bytes)} more each time, over {growth.steps} runs after "
        f"{growth.warmup} to warm up. {culprit} keeps tensors with their graphs from run to run: "
        "keep `loss.item()` or `loss.detach()` instead."
    )


def _too_much(report: Report, limit: int) -> str | None:
    """Say which call keeps more than is allowed, how much, and what to do."""
    from graphlint.output.profile_text import format_bytes
    from graphlint.output.wording import counted

    if report.peak_bytes <= limit:
        return None
    site = max(report.sites, key=lambda site: site.exclusive_bytes.max)
    largest, peak = format_bytes(site.exclusive_bytes.max), format_bytes(report.peak_bytes)
    return (
        f"Kept graphs held {peak} at their peak, more than the {format_bytes(limit)} that "
        f"limit_retained allows. Most is kept by {site.filename}:{site.row} ({site.kind}): "
        f"up to {largest} by each of {counted(site.retained_passes, 'pass', 'passes')}. "
        f"{_cure(report, site)}"
    )


def _cure(report: Report, site: SiteProfile) -> str:
    """Return what the rules advise for a call, or what holds for every call."""
    for finding in report.findings:
        if (finding["filename"], finding["location"]["row"]) == (site.filename, site.row):
            return f"{finding['code']}: {finding['message']}"
    return "Run the passes over one sum of the losses, or keep the graph for fewer of them."


# ----------------------------------------------------------------------------------- the session
class Session:
    """Records every test of a session, in each worker of pytest-xdist too."""

    def __init__(self) -> None:
        """Set up a recorder that runs while tests do."""
        from graphlint import profile

        self._profiling = profile()
        self._has_run = False
        self._of_workers: list[Profile] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None, Any, Any]:
        """Record one test."""
        self._has_run = True
        with self._profiling:
            return (yield)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand what a worker recorded to the process that started it."""
        output = getattr(session.config, "workeroutput", None)
        if output is not None and self._has_run:
            output[_OUTPUT] = self._profiling.report.profile.to_json()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker recorded."""
        from graphlint.profiles import Profile

        recorded = getattr(node, "workeroutput", {}).get(_OUTPUT)
        if recorded is not None:
            self._of_workers.append(Profile.from_dict(json.loads(recorded)))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show what all tests retained."""
        from graphlint.output.profile_text import render
        from graphlint.output.style import columns
        from graphlint.profiles.merging import merge

        profiles = [*([self._profiling.report.profile] if self._has_run else ()), *self._of_workers]
        # Workers are no ranks of one program: their time lines would count as such.
        ran = [
            replace(profile, program="pytest", timelines=())
            for profile in profiles
            if profile.sites
        ]
        terminalreporter.section("graphlint")
        terminalreporter.write_line(
            render(merge(ran), columns(sys.stdout))
            if ran
            else "No test ran a backward pass that graphlint can record."
        )
