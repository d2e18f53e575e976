"""The repair of `x.grad`: `x.retain_grad()` behind the statement that makes `x`."""

from __future__ import annotations

import pytest

from graphlint.rules.retaining import retain_grad
from graphlint.source.lines import Lines
from graphlint.trace import Site, Span


def mend(text: str) -> str | None:
    rows = text.split("\n")
    row, line = next((i, line) for i, line in enumerate(rows, 1) if ".grad" in line)
    column = line.index(".grad")
    while column and (line[column - 1].isalnum() or line[column - 1] in "._"):
        column -= 1
    fix = retain_grad(text, Site("f.py", Span(row, column + 1, row, line.index(".grad") + 6)))
    if fix is None:
        return None
    (edit,) = fix.edits
    at = Lines(text).offset(edit.location.row, edit.location.column)
    return text[:at] + edit.content + text[at:]


def test_the_gradient_is_asked_for_where_the_tensor_is_made() -> None:
    before = "def f(w):\n    x = (\n        w.exp()\n    )\n    g(x)\n    print(x.grad)\n"
    assert mend(before) == before.replace("    g(x)", "    x.retain_grad()\n    g(x)")


def test_newlines_stay_what_they_are() -> None:
    assert mend("x = f()\r\nprint(x.grad)\r\n") == "x = f()\r\nx.retain_grad()\r\nprint(x.grad)\r\n"


@pytest.mark.parametrize(
    "text",
    [
        "x = f()\nx = g(x)\nprint(x.grad)\n",
        "x, y = f()\nprint(x.grad)\n",
        "x = f(); g(x)\nprint(x.grad)\n",
        "if a: x = f()\nprint(x.grad)\n",
        "self.x = f()\nprint(self.x.grad)\n",
        "x = f()\ndef g():\n    print(x.grad)\n",
        "print(x.grad)\nx = f()\n",
        "x = f(\nprint(x.grad)\n",
    ],
    ids=[
        "assigned twice",
        "unpacked",
        "two statements",
        "no line of its own",
        "attribute",
        "another scope",
        "read before",
        "no syntax",
    ],
)
def test_there_is_no_repair_elsewhere(text: str) -> None:
    assert mend(text) is None
