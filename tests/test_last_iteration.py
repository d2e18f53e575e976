"""How the last iteration of a loop is told from the others, and where it can't be."""

from __future__ import annotations

import ast

import pytest

from graphlint.findings import Applicability
from graphlint.rules.last_iteration import turn_off_on_last
from graphlint.source.lines import Lines, unix_newlines
from graphlint.trace import Site, Span

PASS = "x.backward(retain_graph=True)"


def condition(source: str) -> str | None:
    """Return what the flag of the last call in a text becomes."""
    tree = ast.parse(unix_newlines(source))
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and "True" in ast.unparse(n)]
    call = calls[-1]
    assert call.end_lineno is not None
    assert call.end_col_offset is not None
    span = Span(call.lineno, call.col_offset + 1, call.end_lineno, call.end_col_offset + 1)
    fix = turn_off_on_last(source, Site("f.py", span))
    if fix is None:
        return None
    assert fix.applicability is Applicability.UNSAFE
    (edit,) = fix.edits
    at = Lines(source).offset(edit.location.row, edit.location.column)
    assert source[at : at + 4] == "True"
    return edit.content


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        (f"for i in range(3):\n    {PASS}", "i < 2"),
        (f"for i in range(n):\n    {PASS}", "i < n - 1"),
        (f"for i in range(1, n):\n    {PASS}", "i < n - 1"),
        (f"for i in range(len(xs)):\n    {PASS}", "i < len(xs) - 1"),
        (f"for i in range(y.shape[0]):\n    {PASS}", "i < y.shape[0] - 1"),
        (f"for i in range(y.size(0)):\n    if i:\n        {PASS}", "i < y.size(0) - 1"),
        (f"for i in reversed(range(n)):\n    {PASS}", "i > 0"),
        (f"xs = [f() for _ in y]\nfor x in xs:\n    {PASS}", "x is not xs[-1]"),
        (f"xs = [a, b]\nfor i, x in enumerate(xs):\n    {PASS}", "i < len(xs) - 1"),
        (f"xs = list(a)\nfor i, x in enumerate(xs, 1):\n    {PASS}", "i < len(xs)"),
        (f"n = len(xs)\nfor i, x in enumerate(xs, start=2):\n    {PASS}", "i < len(xs) + 1"),
        ("g = [grad(y[i], w, retain_graph=True) for i in range(3)]", "i < 2"),
        ("for i in range(2):\r\n    x.backward(\r\n        retain_graph=True)\r\n", "i < 1"),
        ("for i in range(2):\n    step(x, True)", "i < 1"),
    ],
)
def test_the_last_iteration_is_told(source: str, wanted: str) -> None:
    assert condition(source) == wanted


@pytest.mark.parametrize(
    "source",
    [
        PASS,
        f"while n:\n    {PASS}",
        f"for x in xs:\n    {PASS}",
        f"for i in range(0, n, 2):\n    {PASS}",
        f"for i in range(f(n)):\n    {PASS}",
        f"for i in range(n):\n    n = {PASS}",
        f"for i in range(n):\n    while m:\n        {PASS}",
        f"for i, x in enumerate(xs):\n    {PASS}",
        f"def f(xs):\n    for x in xs:\n        {PASS}",
        f"xs = [a]\nxs += more\nfor x in xs:\n    {PASS}",
        f"xs = [a]\nfor x in xs:\n    xs.append(x)\n    {PASS}",
        f"for i in range(n):\n    def f():\n        {PASS}",
        f"for i in range(n):\n    pass\nelse:\n    {PASS}",
        "for i in range(n):\n    x.backward(retain_graph=keep or True)",
        "g = [grad(y[i], w, retain_graph=True) for i in range(3) if i]",
    ],
)
def test_nothing_is_said_where_it_is_not_known(source: str) -> None:
    assert condition(source) is None
