"""However large a project is, an end is in sight: steps are bounded, for files and for imports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from graphlint.linting import lint_paths
from graphlint.static import ir
from graphlint.static.execute.paths.frames import Frame
from graphlint.static.execute.steps import Budget, Steps

STEP = "loss = (torch.rand(3, requires_grad=True) ** 2).sum()\nloss.backward(retain_graph=True)\n"
FILES = 30
BUDGET = Budget(steps=2_000, total=2_000, project=4_000, least=400, loading=300)


def steps_of(folder: Path, budget: Budget) -> int:
    """Count the steps that all executions of a folder's files take together."""
    count = 0
    take = Steps.take

    def counted(own: Steps, steps: int = 1) -> None:
        nonlocal count
        count += steps
        take(own, steps)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Steps, "take", counted)
        patch.setattr("graphlint.static.execute.run.budget_for", lambda files: budget)
        lint_paths([folder])
    return count


def test_the_files_of_a_project_share_its_steps(tmp_path: Path) -> None:
    for number in range(FILES // 3):
        tmp_path.joinpath(f"train{number}.py").write_text("import torch\n" + STEP * 200)
    unbounded = steps_of(tmp_path, replace(BUDGET, project=10**9))
    assert steps_of(tmp_path, BUDGET) < unbounded // 2


def test_imports_share_steps_of_their_own(tmp_path: Path) -> None:
    names = [f"part{number}" for number in range(FILES)]
    for name in names:
        tmp_path.joinpath(f"{name}.py").write_text("value = min(1, 2)\n" * 30)
    main = "".join(f"from {name} import value as {name}\nprint({name})\n" for name in names)
    tmp_path.joinpath("train.py").write_text("import torch\n" + STEP + main)
    assert [finding.code for finding in lint_paths([tmp_path]).findings] == ["RG101"]
    unbounded = steps_of(tmp_path, replace(BUDGET, loading=10**9))
    assert steps_of(tmp_path, BUDGET) < unbounded // 2


def test_a_call_in_its_share_is_in_no_hurry_while_there_are_steps() -> None:
    steps, function = Steps(Budget(steps=600)), cast("ir.Function", object())
    place = (cast("Frame", object()), cast("ir.Node", object()))
    steps.begin()

    def run() -> bool:
        steps.take(90)
        return steps.hurried

    assert steps.within_share(function, place, run) is False


def test_callers_without_end_are_not_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.joinpath("engine.py").write_text("def run(loss):\n    loss.backward()\n")
    call = "run(torch.rand(3, requires_grad=True).sum())\n"
    for number in range(FILES):
        text = f"import torch\nfrom engine import run\n{call}"
        tmp_path.joinpath(f"caller{number}.py").write_text(text)
    unbounded = steps_of(tmp_path, BUDGET)
    monkeypatch.setattr("graphlint.static.roots.MOST_FILES", FILES // 2)
    assert steps_of(tmp_path, BUDGET) < unbounded // 2


LONG = "        self.number = min(self.number, 2)\n"
TRAINER = f"""\
import torch
from torch import nn

class Trainer:
    def __init__(self):
        self.number = 1
{LONG * 100}
        self.encoder, self.critic = nn.Linear(3, 3), nn.Linear(3, 1)
        self.optimizer = torch.optim.SGD(self.encoder.parameters(), lr=0.1)

    def train(self):
        code = self.encoder(torch.ones(2, 3)).exp()
        made = self.encoder(code)
        made.sum().backward(retain_graph=True)
        self.optimizer.step()
        self.critic(made).sum().backward()

Trainer().train()
"""


def test_what_passes_need_is_made_although_that_is_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.joinpath("trainer.py").write_text(TRAINER)
    budget = Budget(steps=3_000)
    monkeypatch.setattr("graphlint.static.execute.run.budget_for", lambda files: budget)
    assert [finding.code for finding in lint_paths([tmp_path]).findings] == ["RG105"]
