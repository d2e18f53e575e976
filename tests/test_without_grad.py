"""The repair of evaluations: a decorator for a function, a `with` around a script's loop."""

from __future__ import annotations

import pytest

from graphlint.findings import Fix
from graphlint.rules.without_grad import turn_gradients_off
from graphlint.source.lines import Lines
from graphlint.trace import Site, Span


def mend(text: str) -> str | None:
    row = next(i for i, line in enumerate(text.split("\n"), 1) if "model(" in line)
    fix = turn_gradients_off(text, Site("f.py", Span(row, 1, row, 2)))
    return None if fix is None else applied(text, fix)


def applied(text: str, fix: Fix) -> str:
    lines = Lines(text)
    for edit in sorted(fix.edits, key=lambda edit: edit.location, reverse=True):
        start = lines.offset(edit.location.row, edit.location.column)
        end = lines.offset(edit.end_location.row, edit.end_location.column)
        text = text[:start] + edit.content + text[end:]
    return text


def test_a_function_that_only_evaluates_is_decorated() -> None:
    before = "import torch\nclass A:\n    @property\n    def f(self):\n        self.model(x)\n"
    after = before.replace("    def", "    @torch.no_grad()\n    def")
    assert mend(before) == after


def test_a_script_gets_a_context_around_its_innermost_loop() -> None:
    before = "import torch\nfor e in a:\n  step()\n  for x in b:\n    y = model(x)\n\n    f(y)\n"
    after = (
        "import torch\nfor e in a:\n  step()\n  with torch.no_grad():\n      for x in b:\n"
        "        y = model(x)\n\n        f(y)\n"
    )
    assert mend(before) == after


def test_newlines_stay_what_they_are() -> None:
    before = "import torch\r\ndef f():\r\n    model(x)\r\n"
    assert mend(before) == "import torch\r\n@torch.no_grad()\r\ndef f():\r\n    model(x)\r\n"


@pytest.mark.parametrize(
    "text",
    [
        "import torch as t\ndef f():\n    model(x)\n",
        "import torch\ndef f():\n    model(x)\n    loss.backward()\n",
        "import torch\ndef f():\n    model(x)\n    optimizer.step()\n",
        "import torch\ndef f():\n    yield model(x)\n",
        "import torch\nasync def f():\n    model(x)\n",
        "import torch\nmodel(x)\n",
        "import torch\nfor x in a:\n    print('''\n''', model(x))\n",
        "import torch\nfor x in a: model(x); loss.backward()\n",
        "import torch\ndef g(x): h(x)\ndef h(x): x.backward()\nfor x in a: model(g(x))\n",
        "import torch\ndef f(:\n    model(x)\n",
    ],
    ids=[
        "another name",
        "a pass",
        "a step",
        "a generator",
        "a coroutine",
        "no loop",
        "a string over lines",
        "a pass in the loop",
        "a pass in a function that another calls",
        "no syntax",
    ],
)
def test_there_is_no_repair_elsewhere(text: str) -> None:
    assert mend(text) is None
