"""How the last iteration of a loop is told from the others, and where it can't be."""

from __future__ import annotations

import ast
from collections.abc import Sequence

import pytest

from graphlint.findings import Applicability, Edit
from graphlint.rules.last_iteration import turn_off_on_last
from graphlint.source.lines import Lines, unix_newlines
from graphlint.trace import Site, Span

PASS = "x.backward(retain_graph=True)"


def _last_site(source: str) -> Site:
    """Return the place of the last call in a text that says a flag."""
    tree = ast.parse(unix_newlines(source))
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and "True" in ast.unparse(n)]
    call = calls[-1]
    assert call.end_lineno is not None
    assert call.end_col_offset is not None
    span = Span(call.lineno, call.col_offset + 1, call.end_lineno, call.end_col_offset + 1)
    return Site("f.py", span)


def _edited(source: str, edits: Sequence[Edit]) -> str:
    lines, edited = Lines(source), source
    for edit in reversed(edits):
        start = lines.offset(edit.location.row, edit.location.column)
        end = lines.offset(edit.end_location.row, edit.end_location.column)
        edited = edited[:start] + edit.content + edited[end:]
    return edited


def condition(source: str) -> str | None:
    """Return what the flag of the last call in a text becomes."""
    fix = turn_off_on_last(source, _last_site(source))
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
        (f"for i in range(0, n, 2):\n    {PASS}", "i + 2 < n"),
        (f"for i in range(0, 9, 2):\n    {PASS}", "i < 7"),
        (f"for i in range(n - 1, -1, -1):\n    {PASS}", "i > 0"),
        (f"xs = [a, b]\nfor x in reversed(xs):\n    {PASS}", "x is not xs[0]"),
        (f"for x in (a, b):\n    {PASS}", "x is not b"),
        (f"xs = [a, b]\ndef f():\n    for x in xs:\n        {PASS}", "x is not xs[-1]"),
        (f"a, xs = 1, [b]\nfor i, x in enumerate(xs):\n    {PASS}", "i < len(xs) - 1"),
        (f"xs = [a]\nfor i, (x, y) in enumerate(zip(xs, f())):\n    {PASS}", "i < len(xs) - 1"),
        (f"for i, (k, x) in enumerate(xs.items()):\n    {PASS}", "i < len(xs) - 1"),
        (f"while xs:\n    x = xs.pop()\n    print(len(xs))\n    {PASS}", "bool(xs)"),
        ("while len(xs) > 0:\n    xs.popleft().backward(retain_graph=True)", "bool(xs)"),
        (f"while i < len(xs):\n    {PASS}\n    i += 1", "i < len(xs) - 1"),
        (f"while i < 4:\n    {PASS}\n    i += 1", "i < 3"),
        (f"while i < n:\n    i += 1\n    {PASS}", "i < n"),
    ],
)
def test_the_last_iteration_is_told(source: str, wanted: str) -> None:
    assert condition(source) == wanted


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        (
            "xs = torch.stack(ys)\nfor x in xs:\n    {}",
            "xs = torch.stack(ys)\nfor i, x in enumerate(xs):\n    {i < len(xs) - 1}",
        ),
        (
            "for k, x in xs.items():\n    {}",
            "for i, (k, x) in enumerate(xs.items()):\n    {i < len(xs) - 1}",
        ),
        (
            "xs = [a]\nfor (w), x in zip(ws, xs):\n    {}",
            "xs = [a]\nfor i, ((w), x) in enumerate(zip(ws, xs)):\n    {i < len(xs) - 1}",
        ),
        (
            "def f(xs: list, i):\n  for x in xs:\n    {}",
            "def f(xs: list, i):\n  for index, x in enumerate(xs):\n    {index < len(xs) - 1}",
        ),
        (
            "g = [{} for x in xs]\nprint(xs[0])",
            "g = [{i < len(xs) - 1} for i, x in enumerate(xs)]\nprint(xs[0])",
        ),
        ("for _ in range(n):\n    {}", "for i in range(n):\n    {i < n - 1}"),
    ],
)
def test_a_loop_is_given_a_counter(source: str, wanted: str) -> None:
    written = source.replace("{}", PASS)
    fix = turn_off_on_last(written, _last_site(written))
    assert fix is not None
    assert _edited(written, fix.edits) == wanted.replace("{", "x.backward(retain_graph=").replace(
        "}", ")"
    )


@pytest.mark.parametrize(
    "source",
    [
        PASS,
        f"for _ in range(n):\n    print(_)\n    {PASS}",
        f"while xs:\n    {PASS}\n    xs.pop()",
        f"while xs:\n    x = xs.pop()\n    xs += f(x)\n    {PASS}",
        f"while xs:\n    if f():\n        x = xs.pop()\n    {PASS}",
        f"while i < n:\n    {PASS}\n    i += 2",
        f"while i < n:\n    {PASS}\n    if f():\n        i += 1",
        f"for x in xs.items(y):\n    {PASS}",
        f"for x in zip(f(), g()):\n    {PASS}",
        f"for x in torch.split(y, 2):\n    {PASS}",
        f"for x in xs.items():\n    xs.pop(x)\n    {PASS}",
        f"while n:\n    {PASS}",
        f"for x in xs:\n    {PASS}",
        f"for i in range(0, n, m):\n    {PASS}",
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
