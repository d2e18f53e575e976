"""Several ranks of one run, as one profile."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from graphlint.profiles import (
    GrowthProfile,
    HeldBy,
    HolderProfile,
    Profile,
    ProfileError,
    Released,
    ReleasedBytes,
    ReusedBy,
    Series,
    SiteProfile,
    Spread,
    Timeline,
)
from graphlint.profiles.merging import load_run, merge


def site(row: int = 4, **changes: Any) -> SiteProfile:
    one = SiteProfile("train.py", row, "step", "backward", 2, 2, 0, "unneeded")
    return replace(one, **changes)


def of_rank(rank: int, *sites: SiteProfile, **changes: Any) -> Profile:
    line = Timeline(rank, 100 + rank, 1.0, 0.5, (Series("train.py", 4, (1, 2)),))
    profile = Profile("train.py", rank=rank, world_size=2, sites=sites, timelines=(line,))
    return replace(profile, **changes)


def found(code: str, row: int = 4) -> dict[str, Any]:
    return {"code": code, "filename": "train.py", "location": {"row": row, "column": 5}}


def test_one_profile_is_itself() -> None:
    assert merge([of_rank(1, site())]) == of_rank(1, site())


def test_calls_are_added_up() -> None:
    first = site(
        exclusive_bytes=Spread(10.0, 12.0),
        held_s=Spread(1.0, 2.0),
        released=Released(1, 1, 0),
        released_bytes=ReleasedBytes(8, 2, 0),
        reused_by=(ReusedBy("train.py", 9, 1),),
        holders=(HolderProfile("MulBackward0", "self", 12, 1),),
    )
    second = site(
        passes=7,
        retained_passes=6,
        reused_passes=2,
        verdict="partly",
        exclusive_bytes=Spread(20.0, 40.0),
        released=Released(0, 5, 1),
        released_bytes=ReleasedBytes(0, 80, 30, 7, 3),
        reused_by=(ReusedBy("train.py", 9, 2), ReusedBy("train.py", 11, 1)),
        holders=(HolderProfile("ExpBackward0", "result", 40, 1),),
        left_bytes=Spread(8.0, 8.0),
    )
    (merged,) = merge([of_rank(0, first), of_rank(1, second)]).sites
    assert (merged.passes, merged.retained_passes, merged.reused_passes) == (9, 8, 2)
    assert merged.exclusive_bytes == Spread((2 * 10 + 6 * 20) / 8, 40.0)
    assert merged.held_s == Spread(2 * 1.0 / 8, 2.0)
    assert merged.left_bytes == Spread(8.0, 8.0)
    assert merged.released == Released(1, 6, 1)
    assert merged.released_bytes == ReleasedBytes(8, 82, 30, 7, 3)
    assert merged.reused_by == (ReusedBy("train.py", 9, 3), ReusedBy("train.py", 11, 1))
    assert merged.holders == second.holders


def test_calls_of_one_rank_only_are_there_and_the_largest_is_first() -> None:
    small, large = site(4, exclusive_bytes=Spread(1, 1)), site(8, exclusive_bytes=Spread(9, 9))
    merged = merge([of_rank(0, small), of_rank(1, large)])
    assert merged.sites == (large, small)


@pytest.mark.parametrize(
    ("verdicts", "together"),
    [
        ("unneeded unneeded", "unneeded"),
        ("unneeded needed", "partly"),
        ("unneeded partly", "partly"),
        ("needed unknown", "needed"),
        ("unneeded unknown", "unknown"),
        ("unneeded needed unknown", "partly"),
    ],
)
def test_no_rank_outvotes_another(verdicts: str, together: str) -> None:
    for order in permutations(verdicts.split()):
        ranks = [of_rank(i, site(verdict=verdict)) for i, verdict in enumerate(order)]
        assert merge(ranks).sites[0].verdict == together


def test_a_rank_that_kept_nothing_has_no_say() -> None:
    plain = site(retained_passes=0, verdict="not-retained")
    assert merge([of_rank(0, plain), of_rank(1, site())]).sites[0].verdict == "unneeded"
    assert merge([of_rank(0, plain), of_rank(1, plain)]).sites[0].verdict == "not-retained"


def test_figures_of_the_run() -> None:
    held = HeldBy("losses", "list", "train.py:main", 3, 30, 5)
    merged = merge(
        [
            of_rank(1, duration_s=2.0, peak_retained_bytes=5, recorder_errors=1, held_by=(held,)),
            of_rank(0, duration_s=3.0, peak_retained_bytes=4, truncated=True, held_by=(held,)),
        ]
    )
    assert (merged.rank, merged.ranks, merged.world_size) == (0, (0, 1), 2)
    assert (merged.duration_s, merged.peak_retained_bytes) == (3.0, 5)
    assert (merged.truncated, merged.recorder_errors) == (True, 1)
    assert merged.held_by == (replace(held, graphs=6, bytes=60, nodes=10),)
    assert [line.pid for line in merged.timelines] == [100, 101]


def test_growth_is_that_of_the_fastest_rank() -> None:
    slow, fast = GrowthProfile("train.py", 4, 1.0, 8.0), GrowthProfile("train.py", 4, 6.0, 64.0)
    assert merge([of_rank(0, growth=(slow,)), of_rank(1, growth=(fast,))]).growth == (fast,)


def test_findings_of_both_ranks_are_told_once() -> None:
    one = of_rank(0, site(), findings=(found("RG101"), found("RG108")))
    other = of_rank(1, site(), findings=(found("RG101"),))
    assert [f["code"] for f in merge([one, other]).findings] == ["RG101", "RG108"]


def test_a_claim_about_all_passes_has_to_hold_in_every_rank() -> None:
    one = of_rank(0, site(), findings=(found("RG101"),))
    assert merge([one, of_rank(1, site(verdict="needed", reused_passes=2))]).findings == ()
    elsewhere = of_rank(1, site(row=8))
    assert merge([one, elsewhere]).findings == (found("RG101"),)


def test_a_merged_profile_is_a_profile(tmp_path: Path) -> None:
    merged = merge([of_rank(0, site()), of_rank(1, site())])
    merged.save(tmp_path / "p.json")
    assert Profile.load(tmp_path / "p.json") == merged


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.json", "b.json", "c.json")]
    of_rank(0).save(paths[0])
    of_rank(0).save(paths[1])
    of_rank(1, program="eval.py").save(paths[2])
    with pytest.raises(ProfileError, match=r"b.json is a profile of rank 0, as .*a.json is"):
        load_run(paths[:2])
    with pytest.raises(ProfileError, match=r"c.json is a profile of 'eval.py', and "):
        load_run([paths[0], paths[2]])
