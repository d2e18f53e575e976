"""What can reach a backward pass is told by names that a file can see, and by no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphlint.linting import lint_paths
from graphlint.static.project import Project
from graphlint.static.relevance import Relevance, functions_in

TRAINING = """
def train(model, loader):
    for batch in loader:
        model(batch).sum().backward()

class Trainer:
    def fit(self, loader):
        self.step(loader)
    def step(self, loader):
        loader.loss().backward()

class Penalty:
    def forward(self, x):
        return grad(x.sum(), x, create_graph=True)
"""


def reaching(tmp_path: Path, **files: str) -> set[str]:
    """Return the functions of some files that reach a pass, and the files whose own code does."""
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    project = Project(str(tmp_path), lambda filename: Path(filename).read_text(encoding="utf-8"))
    modules = [project.lower(str(tmp_path / f"{name}.py")) for name in files]
    known = [module for module in modules if module is not None]
    relevance = Relevance(known, project)
    functions = {f.qualname for m in known for f in functions_in(m.body) if relevance.reaches(f)}
    return functions | {Path(m.filename).stem for m in known if relevance.top_level_reaches(m)}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from training import train\ntrain(1, 2)\n", True),
        ("import training as t\nt.train(1, 2)\n", True),
        ("from training import *\ntrain(1, 2)\n", True),
        ("from training import train as fit_it\nfit_it(1, 2)\n", True),
        ("from training import Trainer\nTrainer().fit(1)\n", True),
        ("from training import Penalty\npenalty = Penalty()\n", True),
        ("from torch.autograd import grad as g\ng(1, 2)\n", True),
        ("run = loss.backward\n", True),
        ("import training\nmodel.train()\n", False),
        ("from training import Trainer\nscheduler.step()\n", False),
        ("from training import Trainer\nlayer.forward(1)\n", False),
        ("train(1, 2)\n", False),
        ("trainer.fit(1)\n", False),
        ("print(weight.grad)\n", False),
    ],
)
def test_a_name_means_what_its_file_can_see(tmp_path: Path, text: str, found: bool) -> None:
    assert ("main" in reaching(tmp_path, training=TRAINING, main=text)) is found


def test_names_are_seen_through_other_files(tmp_path: Path) -> None:
    found = reaching(
        tmp_path,
        training=TRAINING,
        package="from training import Trainer\n",
        main="from package import Trainer\ndef work():\n    Trainer().fit(1)\n",
        aside="def work_aside(trainer):\n    trainer.fit(1)\n",
    )
    assert "work" in found
    assert "work_aside" not in found


def test_what_leads_to_no_pass_leaves_steps_for_what_does(tmp_path: Path) -> None:
    branches = "\n".join(f"    if flags[{i}]:\n        x[{i}] = load({i})" for i in range(40))
    (tmp_path / "data.py").write_text(
        f"def load(flags, x):\n{branches}\n    for y in x:\n        load(y, flags)\n    return x\n",
        encoding="utf-8",
    )
    (tmp_path / "main.py").write_text(
        "import torch\nfrom data import load\nlayer = torch.nn.Linear(2, 1)\n"
        "inputs = torch.randn(3, 2)\nload({}, [])\nload({}, [])\n"
        "layer(inputs).sum().backward(retain_graph=True)\n",
        encoding="utf-8",
    )
    found = lint_paths([tmp_path]).findings
    assert [(f.code, f.location.row) for f in found] == [("RG101", 7)]
