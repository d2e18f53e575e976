"""Acceptance: the linter is right about generated programs, as torch itself judges them."""

from __future__ import annotations

import sys

import pytest
import torch  # noqa: F401 (the module is left out where there is no torch)
from generated.grammar import generate
from generated.oracle import MISSING, UNNEEDED
from generated.score import MARKED, Scores, score

SEEDS = range(10_000, 10_080)

pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(sys.version_info < (3, 11), reason="frames don't know their columns"),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module")
def scores() -> Scores:
    return score(map(generate, SEEDS))


def test_no_certain_finding_of_an_unneeded_flag_is_wrong(scores: Scores) -> None:
    assert scores.tallies["certain"].wrong == 0, listing(scores)


def test_unneeded_flags_are_found(scores: Scores) -> None:
    assert scores.tallies[UNNEEDED].recall >= 0.95, listing(scores)


def test_findings_of_missing_flags_are_right(scores: Scores) -> None:
    assert scores.tallies[MISSING].precision >= 0.98, listing(scores)


def test_missing_flags_are_found(scores: Scores) -> None:
    assert scores.tallies[MISSING].recall >= 0.95, listing(scores)


def test_leaks_and_differentiable_gradients_are_judged_right(scores: Scores) -> None:
    tallies = [scores.tallies[verdict] for verdict in MARKED]
    assert sum(tally.right for tally in tallies) > 0
    assert sum(tally.wrong for tally in tallies) == 0, listing(scores)


def listing(scores: Scores) -> str:
    """Say what is wrong, for the message of a failed test."""
    return "\n".join(map(str, (scores, *scores.false, *scores.misses)))
