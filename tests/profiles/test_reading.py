"""What is read as a profile, and what is said of files that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graphlint.profiles import HolderProfile, Profile, ProfileError, SiteProfile, Spread

SITE = SiteProfile(
    filename="train.py",
    row=4,
    function="step",
    kind="backward",
    passes=3,
    retained_passes=3,
    reused_passes=0,
    verdict="unneeded",
    exclusive_bytes=Spread(5.0, 6.0),
    holders=(HolderProfile("MulBackward0", "self", 6, 1),),
)
FINDING = {
    "code": "RG101",
    "name": "unneeded-retain-graph",
    "message": "Drop it.",
    "filename": "train.py",
    "location": {"row": 4, "column": 1},
}
PROFILE = Profile(program="train.py", duration_s=1.5, sites=(SITE,), findings=(FINDING,))


def error_of(path: Path, content: str | bytes) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ProfileError) as caught:
        Profile.load(path)
    assert str(caught.value).startswith(f"{path} can't be read: ")
    return str(caught.value)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    PROFILE.save(tmp_path / "p.json")
    assert Profile.load(tmp_path / "p.json") == PROFILE


def test_further_keys_are_left_aside_and_missing_ones_have_defaults() -> None:
    data = PROFILE.to_dict() | {"later": {}}
    data["sites"][0] |= {"later": 1}
    del data["timelines"], data["sites"][0]["holders"][0]["module"]
    assert Profile.from_dict(data) == PROFILE


@pytest.mark.parametrize(
    "content",
    ["", "{", b"\xff", pytest.param("[" * 100_000, id="deep"), pytest.param("9" * 5000, id="long")],
)
def test_no_json(tmp_path: Path, content: str | bytes) -> None:
    assert "JSON" in error_of(tmp_path / "p.json", content)


@pytest.mark.parametrize("content", ["[]", "{}", '{"version": 1}', '{"version": "1", "sites": []}'])
def test_another_document(tmp_path: Path, content: str) -> None:
    assert "`graphlint run -o FILE`" in error_of(tmp_path / "p.json", content)


def test_a_later_version(tmp_path: Path) -> None:
    message = error_of(tmp_path / "p.json", '{"version": 2, "sites": []}')
    assert "version 2" in message
    assert "pip install -U torch-graphlint" in message


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"nowhere.json can't be read: No such file"):
        Profile.load(tmp_path / "nowhere.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"row": "4"}, r"`sites\[0\].row` should be a whole number, and is '4'"),
        ({"row": True}, r"`sites\[0\].row` should be a whole number"),
        ({"passes": 10**400}, r"`sites\[0\].passes` should be a number of reasonable size"),
        ({"filename": None}, r"`sites\[0\].filename` should be a text"),
        ({"nodes": 3}, r"`sites\[0\].nodes` should be an object"),
        (
            {"nodes": {"mean": float("nan"), "max": 0}},
            r"`sites\[0\].nodes.mean` should be a number",
        ),
        ({"holders": [{"op": "a"}]}, r"`sites\[0\].holders\[0\].attribute` is missing"),
        ({"holders": {}}, r"`sites\[0\].holders` should be a list"),
    ],
)
def test_a_malformed_part_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    data = PROFILE.to_dict()
    data["sites"][0] |= change
    (tmp_path / "p.json").write_text(json.dumps(data))
    with pytest.raises(ProfileError, match=message):
        Profile.load(tmp_path / "p.json")


def test_a_malformed_finding_is_named() -> None:
    data = PROFILE.to_dict()
    data["findings"].append({**FINDING, "location": {"row": 4}})
    with pytest.raises(ProfileError, match=r"`findings\[1\].location.column` is missing"):
        Profile.from_dict(data)
