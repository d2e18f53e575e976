"""The generator of training programs, and the oracle that judges them, do what they promise."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from generated.grammar import generate
from generated.marks import (
    LEAK,
    MISSING_CREATE,
    MISSING_RETAIN_GRAD,
    UNNEEDED_CREATE,
    UNNEEDED_RETAIN_GRAD,
)
from generated.oracle import (
    CARRIED,
    FINE,
    LAST,
    MISSING,
    NEEDED,
    REDUNDANT,
    STEP,
    UNKNOWN,
    UNNEEDED,
    Judgement,
    Site,
    examine,
    judge,
)
from generated.program import MAIN, Program, Setting, Switch
from generated.repairs import COMBINABLE, DETACHABLE
from generated.score import Found, score_judged
from generated.templating import fill, templates

SEEDS = range(120)

pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(sys.version_info < (3, 11), reason="frames don't know their columns"),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module")
def judged() -> dict[int, Judgement]:
    return {seed: examine(generate(seed)) for seed in SEEDS}


def program(text: str, *switches: Switch) -> Program:
    head = "import torch\nw = torch.ones(3, requires_grad=True)\n"
    return Program(seed=0, files={MAIN: head + text}, switches=switches)


def verdicts(text: str, *switches: Switch) -> list[set[str]]:
    """Return the verdicts of the calls that pass a verdict on anything, in source order."""
    return [set(site.verdicts) for site in judge(program(text, *switches)) if site.verdicts]


def test_the_same_seed_makes_the_same_program() -> None:
    assert [generate(seed) for seed in SEEDS] == [generate(seed) for seed in SEEDS]


def test_different_seeds_make_different_programs() -> None:
    texts = {tuple(generate(seed).files.values()) for seed in SEEDS}
    assert len(texts) > 0.95 * len(SEEDS)


def test_programs_parse() -> None:
    for seed in SEEDS:
        for text in generate(seed).files.values():
            ast.parse(text)


def test_programs_run_to_their_end_where_every_pass_retains(judged: dict[int, Judgement]) -> None:
    ended = {seed: found for seed, found in judged.items() if found.errors}
    constant = "does not require grad"
    assert [s for s, found in ended.items() if not all(constant in e for e in found.errors)] == []


def test_every_verdict_occurs(judged: dict[int, Judgement]) -> None:
    counts = Counter(v for found in judged.values() for site in found.sites for v in site.verdicts)
    rare = {REDUNDANT, STEP, CARRIED, LAST}
    assert all(
        counts[verdict] >= (1 if verdict in rare else 10)
        for verdict in (UNNEEDED, NEEDED, MISSING, FINE, *rare)
    ), counts
    assert counts[UNKNOWN] < 0.1 * sum(counts.values())


def test_a_good_part_branches_on_switches(judged: dict[int, Judgement]) -> None:
    assert sum(found.settings > 1 for found in judged.values()) >= len(SEEDS) / 5


def test_judging_leaves_torch_as_it_was() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    backward = torch.Tensor.backward
    judge(generate(3))
    assert torch.equal(torch.rand(1), expected)
    assert torch.Tensor.backward is backward


ROWS = "y = w.exp()\nfor i in range(3):\n    y[i].backward(retain_graph="
CHANGE = "\nwith torch.no_grad():\n    w.add_(1)\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("w.exp().sum().backward(retain_graph=True)", [{UNNEEDED}]),
        ("w.exp().sum().backward()", [{FINE}]),
        (
            "y = w.exp()\ny.sum().backward(retain_graph=True)\ny.sum().backward()",
            [{NEEDED}, {FINE}],
        ),
        ("y = w.exp()\ny.sum().backward()\ny.sum().backward()", [{MISSING}, {FINE}]),
        (
            "y = w.exp()\ny.sum().backward()\ny.sum().backward()\ny.sum().backward()",
            [{MISSING}, {MISSING}, {FINE}],
        ),
        ("y = w + 1\ny.sum().backward()\ny.sum().backward()", [{FINE}, {FINE}]),
        ("y = w * 2\ny.sum().backward()\ny.sum().backward()", [{MISSING}, {FINE}]),
        (ROWS + "True)", [{NEEDED, LAST}]),
        (ROWS + "i < 2)", [{NEEDED}]),
        (
            ROWS + "True)\ny[0].backward()",
            [{NEEDED}, {FINE}],
        ),
        (
            "h = w\nfor i in range(4):\n    h = h.sin()\n    h.sum().backward(retain_graph=True)",
            [{NEEDED, CARRIED}],
        ),
        (
            "h = w\nfor i in range(4):\n    h = h.sin()\n    h.sum().backward()",
            [{MISSING, CARRIED}],
        ),
        (
            "torch.autograd.grad(w.exp().sum(), w, create_graph=True, retain_graph=True)",
            [{REDUNDANT}],
        ),
        (
            "y = (w * w).sum()\ny.backward(retain_graph=True)" + CHANGE + "y.backward()",
            [{NEEDED, STEP}, {FINE}],
        ),
        (
            "y = (w * w).sum()\ny.backward()" + CHANGE + "y.backward()",
            [{MISSING, STEP}, {FINE}],
        ),
        ("y = (w * w).sum()" + CHANGE + "y.backward()", [{STEP}]),
        (
            "y = w.exp()\nz = y.sum()\n(g,) = torch.autograd.grad(z, y)\ny.backward(g)",
            [{FINE}, {FINE}],
        ),
        ("if len(w) > 5:\n    w.exp().sum().backward(retain_graph=True)", [{UNKNOWN}]),
    ],
)
def test_verdicts(text: str, expected: list[set[str]]) -> None:
    assert verdicts(text) == expected


HELPER = "def update(loss, keep=False):\n    loss.backward(retain_graph=keep)\ny = w.exp()\n"


def test_a_flag_that_callers_hand_over_is_judged_at_each_caller() -> None:
    sites = judge(program(HELPER + "update(y.sum(), True)\nupdate(y.sum(), keep=True)"))
    found = {site.row: set(site.verdicts) for site in sites if site.kind == "caller"}
    assert found == {6: {NEEDED}, 7: {UNNEEDED}}


def test_passes_are_found_behind_partial_lambda_and_aliases() -> None:
    text = (
        "from functools import partial\n"
        "from torch.autograd import grad as slope\n"
        "partial(w.exp().sum().backward, retain_graph=True)()\n"
        "(lambda: w.exp().sum().backward(None, True))()\n"
        "slope(w.exp().sum(), w, **{'retain_graph': True})\n"
    )
    assert verdicts(text) == [{UNNEEDED}] * 3


def test_retain_graph_overrules_create_graph() -> None:
    text = (
        "y = w.exp()\ntorch.autograd.grad(y.sum(), w, create_graph=True, retain_graph=False)\n"
        "y.sum().backward()"
    )
    assert verdicts(text) == [{MISSING}, {FINE}]


DOUBLE = "(g,) = torch.autograd.grad(w.exp().sum(), w"
LOOP = "total, kept = 0.0, []\nfor i in range(6):\n    loss = (w * i).exp().sum()\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LOOP + "    loss.backward()\n    total += loss\nprint(float(total))", {(7, LEAK)}),
        (LOOP + "    loss.backward()\n    total += loss.item()\nprint(total)", set()),
        (LOOP + "    total += loss\ntotal.backward()\nprint(w.grad)", set()),
        (LOOP + "    loss.backward()\n    kept.append(loss)\nprint(len(kept))", {(7, LEAK)}),
        (LOOP + "    loss.backward()\n    kept = [loss]\nprint(len(kept))", set()),
        (
            DOUBLE + ", create_graph=True)\nprint(g.detach())",
            {(3, UNNEEDED_CREATE)},
        ),
        (
            DOUBLE + ", create_graph=True)\ng.sum().backward()\nprint(w.grad)",
            set(),
        ),
        (
            DOUBLE + ")\n(g.sum() + w.sum()).backward()\nprint(w.grad)",
            {(3, MISSING_CREATE)},
        ),
        ("w.retain_grad()\nw.exp().sum().backward()\nprint(w.grad)", {(3, UNNEEDED_RETAIN_GRAD)}),
        ("y = w.exp()\ny.retain_grad()\ny.sum().backward()\nprint(y.grad)", set()),
        ("y = w.exp()\ny.sum().backward()\nprint(y.grad)", {(5, MISSING_RETAIN_GRAD)}),
        ("y = w.exp()\ny.sum().backward()\nprint(y.grad is None)", set()),
    ],
)
def test_marks(text: str, expected: set[tuple[int, str]]) -> None:
    marks = examine(program(text)).marks
    assert {(mark.place[1], mark.verdict) for mark in marks} == expected


TWO_NETS = (
    "v = torch.ones(3, requires_grad=True)\nfirst = torch.optim.SGD([v], 0.1)\n"
    "second = torch.optim.SGD([w], 0.1)\ny = w.exp()\n"
)
KEPT = "(v * y).sum().backward(retain_graph=True)\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (KEPT + "y.sum().backward()\nsecond.step()", {(7, COMBINABLE)}),
        (KEPT + "print(w.grad)\ny.sum().backward()\nsecond.step()", set()),
        (KEPT + "w.grad.clamp_(-1, 1)\ny.sum().backward()\nsecond.step()", set()),
        (
            KEPT + "first.step()\nsecond.zero_grad()\ny.sum().backward()\nsecond.step()",
            {(7, DETACHABLE)},
        ),
        (
            KEPT + "second.zero_grad()\ny.sum().backward()\nfirst.step()\nsecond.step()",
            {(7, DETACHABLE)},
        ),
        (KEPT + "first.step()\ny.sum().backward()\nsecond.step()", set()),
        (
            "for k in range(3):\n    (y * k).sum().backward(retain_graph=k < 2)\nsecond.step()",
            set(),
        ),
    ],
)
def test_repairs(text: str, expected: set[tuple[int, str]]) -> None:
    marks = examine(program(TWO_NETS + text)).marks
    assert {(mark.place[1], mark.verdict) for mark in marks} == expected


FILES = {
    "tools/train.py": (
        "import os, sys\n"
        "sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'src'))\n"
        "from package import run\nrun(True)\nrun(keep=False)\n"
    ),
    "src/package/__init__.py": "from .work import run\n",
    "src/package/work.py": (
        "import torch\nfrom . import parts\n\n\ndef run(keep):\n"
        "    y = parts.curve()\n    y.sum().backward(retain_graph=keep)\n"
    ),
    "src/package/parts.py": (
        "import torch\ndef curve(): return torch.ones(3, requires_grad=True).exp()\n"
    ),
}


def test_programs_of_several_files_are_judged() -> None:
    judgement = examine(Program(seed=0, files=FILES, main="tools/train.py"))
    assert judgement.errors == ()
    assert {(s.file, s.row, *s.verdicts) for s in judgement.sites if s.kind == "caller"} == {
        ("tools/train.py", 4, UNNEEDED)
    }
    assert "package" not in sys.modules


SWITCH = Switch("joint", (Setting(), Setting(argv=("--joint",))))
BRANCHES = (
    "import sys\ny = w.exp()\ny.sum().backward(retain_graph=True)\n"
    "if '--joint' in sys.argv:\n    y.sum().backward()"
)


def test_a_flag_is_needed_if_any_setting_needs_it() -> None:
    assert verdicts(BRANCHES, SWITCH) == [{NEEDED}, {FINE}]


def test_a_flag_is_missing_if_any_setting_misses_it() -> None:
    text = BRANCHES.replace("retain_graph=True", "")
    assert verdicts(text, SWITCH) == [{MISSING}, {FINE}]


def test_scores_count_findings_and_what_is_missed() -> None:
    subject = program("w.exp().sum().backward(retain_graph=True)\nw.exp().sum().backward()")
    judgement = examine(subject)
    right, wrong = Found("RG101", 3, "certain"), Found("RG102", 4, "likely")
    scores = score_judged([(subject, judgement, [right, wrong])])
    assert (scores.tallies[UNNEEDED].precision, scores.tallies[UNNEEDED].recall) == (1.0, 1.0)
    assert scores.tallies[MISSING].precision == 0.0
    assert [(note.seed, note.row) for note in scores.false] == [(0, 4)]
    assert score_judged([(subject, judgement, [])]).tallies[UNNEEDED].recall == 0.0


def test_findings_on_sites_that_nobody_can_judge_are_not_counted() -> None:
    subject = program("")
    site = Site(MAIN, 1, "backward", False, frozenset({UNKNOWN}), frozenset({(MAIN, 1)}))
    judgement = Judgement((site,), (), 1, False, ())
    scores = score_judged([(subject, judgement, [Found("RG101", 1, "certain")])])
    assert scores.tallies[UNNEEDED].wrong == 0


def test_templates_make_their_choices(tmp_path: Path) -> None:
    path = tmp_path / "sample.txt"
    path.write_text(
        "#: switch argv ; --fast\na = <<$kind: 1|2>>\nb = <<$kind? one|two>>  # <<$kind>>\n"
        "<<|>>\n#: file more.py\nc = 3\n"
    )
    texts = {fill(path, seed).files[MAIN] for seed in range(20)}
    assert texts == {"a = 1\nb = one  # 1\n", "a = 2\nb = two  # 2\n"}
    assert fill(path, 0).files["more.py"] == "c = 3\n"
    assert [s.argv for s in fill(path, 0).settings()] == [(), ("--fast",)]


def test_every_template_parses_with_every_choice() -> None:
    for path in templates():
        for seed in range(12):
            for text in fill(path, seed).files.values():
                ast.parse(text)
