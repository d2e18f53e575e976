"""Functions that the configuration names: those that run a pass, and those that only log."""

from __future__ import annotations

import pytest

from graphlint import lint_source
from graphlint.source.config import Config

KEPT = """
import torch
{imports}

layer = torch.nn.Linear(3, 1)

def train(engine, tracker, batches, optimizer):
    for batch in batches:
        loss = layer(batch).pow(2).mean()
        optimizer.zero_grad()
        {call}
        optimizer.step()
"""
LOGGED = """
import torch
{imports}

trunk, left, right = torch.nn.Linear(3, 4), torch.nn.Linear(4, 1), torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD([*trunk.parameters()], 0.1)

def train(batches, tracker):
    for batch in batches:
        hidden = trunk(batch)
        one, other = left(hidden).mean(), right(hidden).mean()
        optimizer.zero_grad()
        one.backward(retain_graph=True)
        {call}
        optimizer.step()
"""


def _passes(call: str, name: str, imports: str = "") -> list[str]:
    config = Config(backward_functions=(name,))
    return [f.code for f in lint_source(KEPT.format(imports=imports, call=call), config=config)]


@pytest.mark.parametrize(
    ("name", "imports", "call"),
    [
        ("run_pass", "import lib", "lib.run_pass(loss, retain_graph=True)"),
        ("lib.run_pass", "import lib", "lib.run_pass(loss, retain_graph=True)"),
        ("lib.run_pass", "import lib as l", "l.run_pass(loss, retain_graph=True)"),
        ("lib.run_pass", "from lib import run_pass", "run_pass(loss, retain_graph=True)"),
        ("lib.run_pass", "from lib import run_pass as p", "p(loss, retain_graph=True)"),
        ("lib.sub.run_pass", "from lib import sub", "sub.run_pass(loss, retain_graph=True)"),
        ("engine.step_loss", "", "engine.step_loss(loss, retain_graph=True)"),
        ("step_loss", "", "engine.step_loss(loss, retain_graph=True)"),
        ("step_loss", "", "engine.step_loss(value=loss, retain_graph=True)"),
        ("step_loss", "", "engine.step_loss(optimizer, loss, retain_graph=True)"),
        ("go_back", "", "loss.go_back(retain_graph=True)"),
    ],
)
def test_a_function_that_runs_a_pass_is_found_by_its_name(
    name: str, imports: str, call: str
) -> None:
    assert _passes(call, name, imports) == ["RG101"]


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("engine.step_loss", "tracker.step_loss(loss, retain_graph=True)"),
        ("lib.run_pass", "run_pass(loss, retain_graph=True)"),
        ("step_loss", "engine.do_step_loss(loss, retain_graph=True)"),
    ],
)
def test_a_function_of_another_name_runs_no_pass(name: str, call: str) -> None:
    assert _passes(call, name) == []


def test_a_function_of_the_program_may_be_named() -> None:
    source = KEPT.format(imports="import lib", call="go_back(loss, retain_graph=True)")
    source += "\ndef go_back(loss, retain_graph):\n    lib.differentiate(loss, retain_graph)\n"
    config = Config(backward_functions=("go_back",))
    assert [f.code for f in lint_source(source, config=config)] == ["RG101"]


def test_a_later_pass_of_a_named_function_needs_the_graph() -> None:
    source = LOGGED.format(imports="import lib", call="lib.run_pass(other)")
    config = Config(backward_functions=("lib.run_pass",))
    assert lint_source(source, config=config) == []


@pytest.mark.parametrize(
    ("name", "imports", "call"),
    [
        ("tracker.note", "", "tracker.note(one)"),
        ("note", "", "tracker.note(one)"),
        ("lib.note", "from lib import note as n", "n(value=one)"),
    ],
)
def test_a_function_that_only_logs_runs_no_pass(name: str, imports: str, call: str) -> None:
    source = LOGGED.format(imports=imports, call=call)
    told = [(f.code, f.confidence.value) for f in lint_source(source)]
    named = lint_source(source, config=Config(sinks=(name,)))
    assert told == [("RG101", "likely")]
    assert [(f.code, f.confidence.value) for f in named] == [("RG101", "certain")]
