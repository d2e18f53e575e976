"""The time line against the highest moments of random histories, and on real passes."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from hypothesis import given
from hypothesis import strategies as st

from graphlint.runtime.sites import SiteRecord
from graphlint.runtime.timeline import POINTS, SHORTEST_S, TimeLine
from graphlint.trace import Form

from .recording import Recorded


class Change(NamedTuple):
    after_s: float
    site: int
    bytes: int


def call(row: int) -> SiteRecord:
    return SiteRecord("train.py", (row, row, 1, 2), "step", Form.TENSOR_BACKWARD)


CHANGES = st.lists(
    st.builds(
        Change, st.sampled_from([0.0, 1e-4, 3e-3, 0.2]), st.integers(0, 2), st.integers(-9, 9)
    ),
    max_size=400,
)


@given(CHANGES)
def test_every_interval_has_its_highest_moment(changes: list[Change]) -> None:
    line, sites = TimeLine(0.0), [call(row) for row in range(3)]
    history, now = [(0.0, [0, 0, 0])], 0.0
    for change in changes:
        now += change.after_s
        line.reach(now)
        site = sites[change.site]
        site.held_bytes = max(0, site.held_bytes + change.bytes)
        if change.bytes > 0:
            line.rose(site, sum(each.held_bytes for each in sites))
        history.append((now, [each.held_bytes for each in sites]))
    highest = [0] * len(line.totals)
    for (at, held), (until, _) in pairwise([*history, (now, [])]):
        for index in range(int(at / line.interval_s), int(until / line.interval_s) + 1):
            highest[index] = max(highest[index], sum(held))
    assert line.totals == highest
    assert len(line.totals) <= POINTS
    for held in line.by_site.values():
        assert len(held) == len(highest)
    if line.by_site:
        assert [sum(held) for held in zip(*line.by_site.values(), strict=True)] == highest


def test_a_long_run_has_few_points() -> None:
    line, site = TimeLine(5.0), call(1)
    for step in range(100_000):
        line.reach(5.0 + step * SHORTEST_S)
        site.held_bytes = step
        line.rose(site, step)
    assert POINTS / 2 <= len(line.totals) <= POINTS
    assert line.totals[-1] == max(line.totals) == 99_999
    assert line.totals == sorted(line.totals)


def test_peak_of_real_passes() -> None:
    def program() -> None:
        weight = torch.ones(4, requires_grad=True)
        kept = []
        for _ in range(3):
            kept.append(weight.exp().sin().sum())
            kept[-1].backward(retain_graph=True)  # hoard
        kept[0].backward(retain_graph=True)  # again

    recorded = Recorded(program)
    (line,) = recorded.profile.timelines
    totals = [sum(held) for held in zip(*(s.bytes for s in line.series), strict=True)]
    hoard = recorded.site("hoard")
    assert max(totals) == recorded.profile.peak_retained_bytes == 3 * hoard.exclusive_bytes.max
    assert line.series[0].row == hoard.row
    assert all(max(series.bytes) for series in line.series)
