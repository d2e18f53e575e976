"""The pytest plugin, in sessions of its own."""

from __future__ import annotations

import pytest
import torch  # sessions in this process must not forget it  # noqa: F401

import graphlint.runtime.census  # noqa: F401
from graphlint.integrations.sizes import parse_bytes

pytestmark = pytest.mark.torch
pytest_plugins = ("pytester",)

PLUGIN = ("-p", "graphlint.integrations.pytest_plugin")
RETAINS = """
import pytest
import torch

def train():
    x = torch.ones(1000, requires_grad=True)
    loss = x.exp().sum()
    loss.backward(retain_graph=True)
    return loss

@pytest.mark.limit_retained("{limit}")
def test_train():
    train()
"""
GROWS = """
import pytest
import torch

losses = []

@pytest.mark.no_graph_growth{arguments}
def test_step():
    x = torch.ones(100, requires_grad=True)
    loss = x.exp().sum()
    {passes}
    losses.append({kept})
"""


@pytest.fixture
def session(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder for test files, whose sessions load this plugin and no other."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return pytester


def run(session: pytest.Pytester, source: str, *options: str) -> pytest.RunResult:
    session.makepyfile(source)
    return session.runpytest_inprocess(*PLUGIN, *options)


def test_a_test_within_its_limit_passes(session: pytest.Pytester) -> None:
    run(session, RETAINS.format(limit="10 MB")).assert_outcomes(passed=1)


def test_a_test_over_its_limit_fails_and_says_why(session: pytest.Pytester) -> None:
    result = run(session, RETAINS.format(limit="3 KiB"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["Kept graphs held 3.9 KiB at their peak, more than the 3.0 KiB*"])
    assert "kept by test_a_test_over_its_limit_fails_and_says_why.py:7 (backward)" in (
        result.stdout.str()
    )
    assert "Traceback" not in result.stdout.str()


def test_a_test_that_fails_by_itself_keeps_its_own_failure(session: pytest.Pytester) -> None:
    result = run(session, RETAINS.format(limit="1 B") + "    assert 1 == 2\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*assert 1 == 2"])


@pytest.mark.parametrize("kept", ["loss", "(loss, 1)", "loss * 2"])
def test_kept_graphs_are_growth(session: pytest.Pytester, kept: str) -> None:
    result = run(session, GROWS.format(arguments="", passes="loss.backward()", kept=kept))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["More graphs are alive after every run of this test: * nodes*"])
    assert "The list `losses` (" in result.stdout.str()


@pytest.mark.parametrize("kept", ["loss.detach()", "loss.item()", "None"])
def test_numbers_are_no_growth(session: pytest.Pytester, kept: str) -> None:
    source = GROWS.format(arguments="(warmup=1, steps=2)", passes="loss.backward()", kept=kept)
    run(session, source).assert_outcomes(passed=1)


def test_graphs_that_no_pass_visits_are_growth_too(session: pytest.Pytester) -> None:
    result = run(session, GROWS.format(arguments="()", passes="pass", kept="loss"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["* nodes and 400 B more each time, over 5 runs after 2 *"])


def test_what_fills_up_while_warming_up_is_no_growth(session: pytest.Pytester) -> None:
    source = GROWS.format(arguments="", passes="pass", kept="loss")
    source = source.replace("losses = []", "import collections\nlosses = collections.deque([], 2)")
    run(session, source).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("mark", "complaint"),
    [
        ('limit_retained("much")', "limit_retained takes one size*'much' is no number of bytes*"),
        ("limit_retained()", "limit_retained takes one size, as in *('10 MB')."),
        ("no_graph_growth(speed=2)", "no_graph_growth takes warmup * and steps *"),
        ("no_graph_growth(steps=1)", "no_graph_growth takes warmup * and steps *"),
    ],
)
def test_mistakes_in_marks_are_named(session: pytest.Pytester, mark: str, complaint: str) -> None:
    source = f"import pytest\n\n@pytest.mark.{mark}\ndef test_nothing():\n    pass\n"
    shown = run(session, source).stdout
    shown.fnmatch_lines([complaint])
    shown.no_fnmatch_line("*pytest_plugin.py*")


def test_the_summary_of_a_session(session: pytest.Pytester) -> None:
    result = run(session, RETAINS.format(limit="10 MB"), "--graphlint")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*= graphlint =*", "pytest: *", "*.py:7 * 1 * unneeded"])


def test_the_summary_of_a_session_without_passes(session: pytest.Pytester) -> None:
    result = run(session, "def test_nothing(): pass", "--graphlint")
    result.stdout.fnmatch_lines(["No test ran a backward pass that graphlint can record."])


def test_the_summary_of_several_workers(session: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    source = RETAINS.format(limit="10 MB") + "\ndef test_again():\n    train()\n"
    result = run(session, source, "-p", "xdist", "-n", "2", "--graphlint")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*= graphlint =*", "*.py:7 * 2 * unneeded"])
    result.stdout.no_fnmatch_line("*rank*")


def test_sessions_without_marks_import_nothing_heavy(session: pytest.Pytester) -> None:
    heavy = ("torch", "graphlint.runtime", "graphlint.rules", "click")
    source = f"import sys\n\ndef test_it():\n    assert not {{*{heavy}}} & {{*sys.modules}}\n"
    session.makepyfile(source)
    session.runpytest_subprocess(*PLUGIN).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("text", "size"),
    [("10 MB", 10_000_000), ("512 KiB", 524_288), ("1.5gib", 1_610_612_736), ("7", 7), (5, 5)],
)
def test_sizes(text: str | int, size: int) -> None:
    assert parse_bytes(text) == size
