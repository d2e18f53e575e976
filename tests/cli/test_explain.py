"""`graphlint explain`: what it tells of passes, of what they visit, and of lines without either."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commandline import Run

STEP = """\
import torch
from torch import nn

encoder, head_a, head_b = nn.Linear(4, 4), nn.Linear(4, 1), nn.Linear(4, 1)


def step(batch):
    features = encoder(batch)
    loss_a = head_a(features).exp().mean()
    loss_b = head_b(features).exp().mean()
    loss_a.backward(retain_graph=True)
    loss_b.backward()
"""
CALLER = """\
import torch
from step import step

for batch in torch.randn(3, 2, 4):
    step(batch)
"""
KEEPS, FREES, ENCODES = 11, 12, 8


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "step.py").write_text(STEP)
    (tmp_path / "main.py").write_text(CALLER)
    return tmp_path


def test_a_needed_flag_is_explained(graphlint: Run, project: Path) -> None:
    status, out, err = graphlint("explain", f"step.py:{KEEPS}")
    assert (status, err) == (0, "")
    assert out.startswith(
        "step.py:11:5: Keeps the graph, which is needed, because line 12 visits "
        "`encoder(batch)` of line 8 again.\n"
    )
    assert "(1) builds nodes that save tensors" in out
    assert "visits what line 8 built again, and frees it" in out
    assert "called from: line 5 of main.py, `step(batch)`" in out


def test_a_pass_that_frees_is_explained(graphlint: Run, project: Path) -> None:
    out = graphlint("explain", f"step.py:{FREES}").out
    assert out.startswith("step.py:12:5: Frees the graph; no later pass visits what it saved.\n")
    assert "builds nodes that save tensors, kept by line 11" in out


def test_a_line_that_builds_is_explained(graphlint: Run, project: Path) -> None:
    out = graphlint("explain", f"step.py:{ENCODES}").out
    assert out.startswith("step.py:8:16: Builds a part of the graph that line 11 and line 12 visit")


def test_a_flag_that_is_missing_is_explained(graphlint: Run, project: Path) -> None:
    (project / "step.py").write_text(STEP.replace("retain_graph=True", ""))
    out = graphlint("explain", f"step.py:{KEEPS}").out
    assert "Frees the graph, which line 12 visits again, and raises." in out
    assert "RG102: certain: " in out


def test_an_unneeded_flag_is_explained(graphlint: Run, project: Path) -> None:
    (project / "step.py").write_text(STEP.replace("loss_b.backward()", ""))
    out = graphlint("explain", f"step.py:{KEEPS}").out
    assert "Keeps the graph, and no later pass visits what it keeps." in out
    assert "RG101: certain: " in out


def test_why_a_finding_is_unsure(graphlint: Run, project: Path) -> None:
    source = STEP.replace("loss_b.backward()", "unknown(loss_a)")
    (project / "step.py").write_text("from elsewhere import unknown\n" + source)
    out = graphlint("explain", f"step.py:{KEEPS + 1}").out
    assert "= likely: the graph is handed to `unknown`, whose code is not known" in out


def test_a_graph_that_callers_built_has_no_place(graphlint: Run, tmp_path: Path) -> None:
    (tmp_path / "rows.py").write_text(
        "import torch\n\n\ndef rows(outputs, inputs):\n    parts = torch.split(outputs, 1)\n"
        "    for p in parts:\n        torch.autograd.grad(p.sum(), inputs, retain_graph=True)\n"
    )
    status, out, err = graphlint("explain", "rows.py:7")
    assert (status, err) == (0, "")
    assert "visits a graph that comes from outside the analysed code again, and keeps it" in out


def test_a_leak_is_explained_by_its_finding(graphlint: Run, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import torch\n\nweight = torch.randn(3, requires_grad=True)\ntotal = 0\n"
        "for _ in range(100):\n    loss = weight.exp().sum()\n    loss.backward()\n"
        "    total += loss\nprint(total)\n"
    )
    out = graphlint("explain", "train.py:8").out
    assert out.startswith("train.py:8:5: RG201 (certain): ")


def test_a_line_with_nothing_to_tell(graphlint: Run, project: Path) -> None:
    status, out, _ = graphlint("explain", "step.py:1")
    assert status == 0
    assert "This line runs no pass, and no pass visits anything that it builds." in out
    assert "= passes: this file runs some on lines 11, 12" in out


def test_alone_leaves_the_callers_out(graphlint: Run, project: Path) -> None:
    out = graphlint("explain", "--alone", f"step.py:{KEEPS}").out
    assert "called from" not in out


def test_json(graphlint: Run, project: Path) -> None:
    out = graphlint("explain", f"step.py:{KEEPS}", "--output-format", "json").out
    (story,) = json.loads(out)
    assert story["row"] == KEEPS
    assert story["headline"].startswith("Keeps the graph, which is needed")
    assert [event["row"] for event in story["events"]] == [8, 9, 9, 11, 12]


@pytest.mark.parametrize(
    ("place", "complaint"),
    [
        ("step.py", "'step.py' names no line. Write FILE:LINE"),
        ("step.py:x", "'step.py:x' names no line."),
        ("other.py:3", "other.py: there is no such file."),
        ("step.py:99", "step.py has 12 lines: there is no line 99 in it."),
        ("step.py:0", "step.py has 12 lines: there is no line 0 in it."),
    ],
)
def test_mistakes_are_named(graphlint: Run, project: Path, place: str, complaint: str) -> None:
    status, out, err = graphlint("explain", place)
    assert (status, out) == (2, "")
    assert complaint in err


def test_a_file_that_cannot_be_parsed(graphlint: Run, project: Path) -> None:
    (project / "step.py").write_text("x.backward(\n")
    status, out, err = graphlint("explain", "step.py:1")
    assert (status, out) == (2, "")
    assert "step.py can't be parsed" in err


def test_a_place_with_a_column(graphlint: Run, project: Path) -> None:
    assert "is needed" in graphlint("explain", f"step.py:{KEEPS}:5").out
