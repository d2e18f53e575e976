"""Profiles as text, for speedscope and as Chrome traces."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from handmade_profiles import MIB, NEEDED, UNNEEDED, profile, timeline

from graphlint.output import PROFILE_FORMATS, profile_renderer, profile_text
from graphlint.output.profile_chrome import COUNTER, QUARTER_S
from graphlint.profiles import Profile, Series, Timeline

SPEEDSCOPE = json.loads(
    Path(__file__).with_name("speedscope.schema.json").read_text(encoding="utf-8")
)


def rendered(name: str, **changes: Any) -> Any:
    return json.loads(profile_renderer(name)(profile(**changes)))


@pytest.mark.parametrize("name", PROFILE_FORMATS)
def test_every_format_renders_nothing_and_something(name: str) -> None:
    assert profile_renderer(name)(Profile())
    assert "train.py" in profile_renderer(name)(profile())


def test_json_is_read_again() -> None:
    assert Profile.from_dict(rendered("json")) == profile()


# --- text ----------------------------------------------------------------------------------------


def test_text_names_the_ranks() -> None:
    render = profile_renderer("text")
    assert "rank" not in render(profile())
    one = profile(rank=1, world_size=2, timelines=(timeline(1),))
    assert "rank 1 of 2" in render(one).splitlines()[0]
    both = profile(world_size=4, timelines=(timeline(0), timeline(3)))
    assert "ranks 0, 3 of 4" in render(both).splitlines()[0]
    assert "note: peaks and times are those of the rank where they are highest" in render(both)


def test_text_says_in_words_that_nothing_was_kept() -> None:
    render = profile_renderer("text")
    assert "No backward pass ran in this process." in render(profile(sites=()))
    idle = replace(NEEDED, retained_passes=0, reused_passes=0, verdict="not-retained", holders=())
    assert "No pass kept its graph." in render(profile(sites=(idle,)))
    assert "kept no" not in render(profile())
    many = tuple(replace(idle, row=row) for row in range(200))
    text = render(profile(sites=(*many, UNNEEDED)))
    assert "192 more calls kept no graph." in text
    assert "train.py:7 " in text
    assert "train.py:8 " not in text
    assert f"train.py:{UNNEEDED.row} " in text


def test_text_says_how_many_graphs_were_followed() -> None:
    sampled = replace(UNNEEDED, passes=90, retained_passes=90, seen_passes=10)
    headings, _, row = profile_renderer("text")(profile(sites=(sampled,))).splitlines()[2:5]
    assert headings.split()[:5] == ["site", "calls", "retained", "followed", "reused"]
    assert row.split()[:5] == [f"train.py:{UNNEEDED.row}", "90", "90", "10", "0"]
    assert "followed" not in profile_renderer("text")(profile())


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_table_that_does_not_fit_becomes_a_list(width: int) -> None:
    long = replace(UNNEEDED, filename="experiments/segmentation/trainers/panoptic.py")
    text = profile_text.render(profile(sites=(long, NEEDED)), width)
    listed = text.split("\n\n")[1].splitlines()
    assert listed[0] == f"{long.filename}:{long.row}: unneeded"
    assert "exclusive ≥ 6.0 MiB" in " ".join(listed)
    assert max(len(line) for line in listed if line.startswith("  ")) <= width
    assert "-----" in profile_text.render(profile(sites=(long, NEEDED)), 200)


# --- speedscope ----------------------------------------------------------------------------------


def test_text_and_page_say_what_became_of_kept_bytes() -> None:
    words = "594.0 MiB released with the last reference, 6.0 MiB still held"
    assert f"  train.py:4: {words}\n" in profile_renderer("text")(profile())
    assert f"Of the bytes that were measured: {words}." in profile_renderer("html")(profile())


def test_speedscope_keeps_its_format() -> None:
    for document in (rendered("speedscope"), rendered("speedscope", sites=())):
        jsonschema.validate(document, SPEEDSCOPE)


def test_speedscope_weighs_stacks_by_bytes() -> None:
    document = rendered("speedscope")
    (shown,) = document["profiles"]
    frames = document["shared"]["frames"]
    stacks = [[frames[i]["name"] for i in sample] for sample in shown["samples"]]
    assert stacks[1] == [
        "step (train.py:4)",
        "encoder",
        "encoder.layers",
        "encoder.layers.0",
        "AddmmBackward0.mat1",
    ]
    assert stacks[2][-1] == "AddmmBackward0.mat1 on cuda:0"
    assert stacks[0] == ["step (train.py:4)", "PowBackward0.self"]
    assert shown["weights"] == [MIB, 4 * MIB, 2 * MIB, 2 * MIB]
    assert shown["endValue"] == 9 * MIB
    leaf = frames[shown["samples"][1][-1]]
    assert (leaf["file"], leaf["line"]) == ("train.py", 2)


def test_speedscope_frames_are_shared() -> None:
    document = rendered("speedscope", sites=(UNNEEDED, replace(NEEDED, holders=UNNEEDED.holders)))
    names = [tuple(frame.items()) for frame in document["shared"]["frames"]]
    assert len(names) == len(set(names))


# --- Chrome trace --------------------------------------------------------------------------------


def counters(document: dict[str, Any], pid: int = 4711) -> list[tuple[float, dict[str, int]]]:
    events = [e for e in document["traceEvents"] if e["ph"] == "C" and e["pid"] == pid]
    assert all(event["name"] == COUNTER for event in events)
    return [(event["ts"], event["args"]) for event in events]


def test_chrome_counts_where_something_changes() -> None:
    at = [ts for ts, _ in counters(rendered("chrome"))]
    held = [args for _, args in counters(rendered("chrome"))]
    assert at == [10e6, 10.5e6, 11e6, 12e6]
    assert held[2] == {"train.py:4": 7 * MIB, "train.py:10": 2 * MIB}


def test_chrome_times_count_from_the_profilers_base() -> None:
    document = rendered("chrome")
    assert document["baseTimeNanoseconds"] == 1_790_857_026 * 10**9 == 227 * QUARTER_S * 10**9


def test_chrome_has_a_process_for_each_rank() -> None:
    lines = (timeline(0, pid=5), timeline(1, pid=6))
    document = rendered("chrome", world_size=2, timelines=lines)
    names = [e["args"]["name"] for e in document["traceEvents"] if e["ph"] == "M"]
    assert names == ["train.py rank 0", "train.py rank 1"]
    assert len(counters(document, 5)) == len(counters(document, 6)) == 4


def test_chrome_names_calls_that_were_put_together() -> None:
    line = Timeline(0, 4711, 0.0, 1.0, (Series("", 0, (1,)),))
    ((_, args),) = counters(rendered("chrome", timelines=(line,)))
    assert args == {"other calls": 1}


@pytest.mark.torch
def test_torch_profiler_counts_from_the_same_base(tmp_path: Path) -> None:
    import torch

    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as run:
        torch.ones(1) + 1
    run.export_chrome_trace(str(tmp_path / "trace.json"))
    trace = json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))
    assert trace["baseTimeNanoseconds"] % (QUARTER_S * 10**9) == 0
