"""The repairs of backward calls: what they change, and that they change nothing else."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphlint.findings import Applicability, Fix
from graphlint.rules.edits import add_retain_graph, drop_implied_retain_graph, drop_retain_graph
from graphlint.rules.rule import Fixer
from graphlint.source.lines import Lines
from graphlint.trace import Site, Span


def last_call(source: str) -> Site:
    """Return the site of the call that ends last in a text."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    call = max(calls, key=lambda node: (node.end_lineno or 0, node.end_col_offset or 0))
    rows = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")

    def column(row: int, offset: int) -> int:
        return len(rows[row - 1].encode()[:offset].decode()) + 1

    end_row, end = call.end_lineno or 0, call.end_col_offset or 0
    start = column(call.lineno, call.col_offset)
    return Site("a.py", Span(call.lineno, start, end_row, column(end_row, end)))


def applied(source: str, fix: Fix) -> str:
    """Return a text after a fix of one edit."""
    (edit,) = fix.edits
    lines = Lines(source)
    start = lines.offset(edit.location.row, edit.location.column)
    end = lines.offset(edit.end_location.row, edit.end_location.column)
    return source[:start] + edit.content + source[end:]


def fixed(source: str, fixer: Fixer = drop_retain_graph) -> str | None:
    """Return what a fixer makes of the last call in a text, None where it has no fix."""
    fix = fixer(source, last_call(source))
    return applied(source, fix) if fix else None


DROPPED = {
    "the only argument": ("l.backward(retain_graph=True)", "l.backward()"),
    "the first": ("l.backward(retain_graph=True, inputs=[w])", "l.backward(inputs=[w])"),
    "in the middle": ("l.backward(g, retain_graph=True, inputs=w)", "l.backward(g, inputs=w)"),
    "the last": ("l.backward(g, retain_graph=True)", "l.backward(g)"),
    "a comma behind it": ("l.backward(g, retain_graph=True,)", "l.backward(g,)"),
    "spaces about it": ("l.backward( g , retain_graph = True )", "l.backward( g  )"),
    "a variable": ("l.backward(retain_graph=keep)", "l.backward()"),
    "an expression": ("l.backward(retain_graph=i < n - 1)", "l.backward()"),
    "in parentheses": ("l.backward(retain_graph=(True))", "l.backward()"),
    "beside two stars": ("l.backward(retain_graph=True, **more)", "l.backward(**more)"),
    "a lambda before it": (
        "l.backward(f(lambda a, b: a), retain_graph=True)",
        "l.backward(f(lambda a, b: a))",
    ),
    "a bare lambda before it": ("l.backward(lambda a, b=(1, 2): a, True)",
                                "l.backward(lambda a, b=(1, 2): a)"),
    "a scaled loss": ("s.scale(l).backward(retain_graph=True)", "s.scale(l).backward()"),
    "a wrapper of Lightning": ("self.manual_backward(l, retain_graph=True)",
                               "self.manual_backward(l)"),
    "characters of several bytes": ("é.backward(ü, retain_graph=True)", "é.backward(ü)"),
    "partial": ("partial(torch.autograd.grad, retain_graph=True)", "partial(torch.autograd.grad)"),
    "by position": ("l.backward(None, True)", "l.backward(None)"),
    "by position, as an expression": ("l.backward(g, not last)", "l.backward(g)"),
    "by position, as a variable": ("l.backward(g, keep)", "l.backward(g)"),
    "by position before a keyword": ("l.backward(g, True, inputs=w)", "l.backward(g, inputs=w)"),
    "by position before create_graph": ("l.backward(g, True, True)", "l.backward(g, None, True)"),
    "autograd.grad by position": (
        "import torch\ntorch.autograd.grad(y, x, None, True)",
        "import torch\ntorch.autograd.grad(y, x, None)",
    ),
    "autograd.backward by position": (
        "from torch import autograd as ag\nag.backward(l, None, keep)",
        "from torch import autograd as ag\nag.backward(l, None)",
    ),
    "an imported grad": (
        "from torch.autograd import grad as d\nd(y, x, None, keep, True)",
        "from torch.autograd import grad as d\nd(y, x, None, None, True)",
    ),
    "a wrapper's keyword": ("update(l, opt, retain=True)", "update(l, opt, retain=False)"),
    "a wrapper's position": ("update(l, True, opt)", "update(l, False, opt)"),
    "a wrapper's retain_graph": ("update(l, retain_graph=True)", "update(l, retain_graph=False)"),
    "a method of the file that is on by default": (
        "def backward(self, retain_graph=True): ...\ncritic.backward(retain_graph=True)",
        "def backward(self, retain_graph=True): ...\ncritic.backward(retain_graph=False)",
    ),
    "a method of the file that is off by default": (
        "def backward(self, *, retain_graph=False): ...\ncritic.backward(retain_graph=True)",
        "def backward(self, *, retain_graph=False): ...\ncritic.backward()",
    ),
    "a method of the file without the flag": (
        "def backward(ctx, g): ...\nl.backward(retain_graph=True)",
        "def backward(ctx, g): ...\nl.backward()",
    ),
    "the only argument, on a line": ("l.backward(\n    retain_graph=True,\n)", "l.backward()"),
    "the only argument, with a comment": (
        "l.backward(\n    # again below\n    retain_graph=True,\n)",
        "l.backward(\n    # again below\n)",
    ),
    "the only argument, a comment behind it": (
        "l.backward(retain_graph=True  # again below\n)",
        "l.backward(  # again below\n)",
    ),
    "on a line of its own": (
        "l.backward(\n    g,\n    retain_graph=True,\n    inputs=w,\n)",
        "l.backward(\n    g,\n    inputs=w,\n)",
    ),
    "on the last line": (
        "l.backward(\n    g,\n    retain_graph=True,\n)",
        "l.backward(\n    g,\n)",
    ),
    "on the last line, no comma": (
        "l.backward(\n    g,\n    retain_graph=True\n)",
        "l.backward(\n    g\n)",
    ),
    "on the last line, a comment before": (
        "l.backward(\n    g,  # ones\n    retain_graph=True\n)",
        "l.backward(\n    g,  # ones\n)",
    ),
    "on a line of its own, a comment behind": (
        "l.backward(\n    retain_graph=True,  # again below\n    inputs=w,\n)",
        "l.backward(\n    # again below\n    inputs=w,\n)",
    ),
    "on several lines": (
        "l.backward(\n    g,\n    retain_graph=(\n        a or b\n    ),\n    inputs=w,\n)",
        "l.backward(\n    g,\n    inputs=w,\n)",
    ),
    "under the parenthesis": ("l.backward(g,\n           retain_graph=True)", "l.backward(g)"),
    "leading a shared line": (
        "l.backward(\n    g,\n    retain_graph=True, inputs=w\n)",
        "l.backward(\n    g,\n    inputs=w\n)",
    ),
    "a chain in parentheses": (
        "(loss\n .mean()\n .backward(retain_graph=True))",
        "(loss\n .mean()\n .backward())",
    ),
    "other newlines": (
        "l.backward(\r\n    g,\r\n    retain_graph=True,\r\n)\r\n",
        "l.backward(\r\n    g,\r\n)\r\n",
    ),
    "backslashes": ("l.backward(g, \\\n    retain_graph=True)", "l.backward(g)"),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), DROPPED.values(), ids=DROPPED.keys())
def test_dropping_the_flag(before: str, after: str) -> None:
    assert fixed(before) == after


NOT_DROPPED = {
    "a call in the flag": "l.backward(retain_graph=keep())",
    "an assignment in the flag": "l.backward(retain_graph=(k := True))",
    "an await in the flag": "async def f():\n    l.backward(retain_graph=await k)",
    "a dictionary": "l.backward(**options)",
    "stars before it": "l.backward(*rest, True)",
    "no flag": "l.backward(g)",
    "create_graph alone": "l.backward(create_graph=True)",
    "a wrapper with create_graph alone": "update(l, create_graph=True)",
    "two literals": "update(l, True, True)",
    "a wrapper's variable": "update(l, keep)",
}


@pytest.mark.parametrize("source", NOT_DROPPED.values(), ids=NOT_DROPPED.keys())
def test_not_dropping_the_flag(source: str) -> None:
    assert fixed(source) is None


def test_no_call_at_the_site() -> None:
    assert drop_retain_graph("x = 1\n", Site("a.py", Span(1, 1, 1, 2))) is None
    assert drop_retain_graph("x = 1\n", Site("a.py", Span(9, 1, 9, 5))) is None


def test_dropping_an_implied_flag() -> None:
    both = "update(l, retain_graph=True, create_graph=True)"
    after = "update(l, retain_graph=None, create_graph=True)"
    assert fixed(both, drop_implied_retain_graph) == after
    grad = "autograd.grad(y, x, retain_graph=True, create_graph=True)"
    assert fixed(grad, drop_implied_retain_graph) == "autograd.grad(y, x, create_graph=True)"


ADDED = {
    "no arguments": ("l.backward()", "l.backward(retain_graph=True)"),
    "one argument": ("l.backward(g)", "l.backward(g, retain_graph=True)"),
    "a comma behind": ("l.backward(g,)", "l.backward(g, retain_graph=True,)"),
    "off so far": ("l.backward(retain_graph=False)", "l.backward(retain_graph=True)"),
    "off by position": ("l.backward(g, False)", "l.backward(g, True)"),
    "lines": (
        "l.backward(\n    g,  # ones\n)",
        "l.backward(\n    g,  # ones\n    retain_graph=True,\n)",
    ),
    "lines without a comma": (
        "l.backward(\r\n    g\r\n)",
        "l.backward(\r\n    g,\r\n    retain_graph=True\r\n)",
    ),
    "autograd": (
        "import torch.autograd as ag\nag.grad(y, x)",
        "import torch.autograd as ag\nag.grad(y, x, retain_graph=True)",
    ),
    "a dictionary": ("l.backward(**options)", None),
    "a wrapper": ("update(l)", None),
    "a bare generator": ("import torch\ntorch.autograd.backward(l for l in m)", None),
}


@pytest.mark.parametrize(("before", "after"), ADDED.values(), ids=ADDED.keys())
def test_adding_the_flag(before: str, after: str | None) -> None:
    assert fixed(before, add_retain_graph) == after


def test_how_safe_the_fixes_are() -> None:
    source = "l.backward(g, True)"
    drop = drop_retain_graph(source, last_call(source))
    add = add_retain_graph(source, last_call(source))
    assert drop is not None
    assert add is not None
    assert drop.applicability is Applicability.SAFE
    assert add.applicability is Applicability.DISPLAY
    assert drop.message == "Drop `True`, which `retain_graph` takes by position."


GAPS = st.sampled_from(["", " ", "\n    ", "\n\n  ", "  # gap\n    ", " \\\n  "])
OTHERS = ["gradient", "inputs=[a, b]", "f(x, y=1)", "lambda a, b: a", "'a,)('", "k=(1,\n 2)", "**o"]


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Make a call that says the flag: a text around it, and its other arguments."""
    others = draw(st.lists(st.sampled_from(OTHERS), max_size=3, unique=True))
    others.sort(key=lambda text: (text.startswith("**"), "=" in text.partition("(")[0]))
    flag = "retain_graph" + draw(GAPS) + "=" + draw(GAPS) + "True"
    keywords = [
        i for i, text in enumerate(others) if "=" in text.partition("(")[0] or text[0] == "*"
    ]
    first = keywords[0] if keywords else len(others)
    place = draw(st.integers(first, len(others)))
    written = [*others[:place], flag, *others[place:]]
    body = "".join(
        draw(GAPS)
        + text
        + draw(GAPS)
        + ("," if i < len(written) - 1 or draw(st.booleans()) else "")
        for i, text in enumerate(written)
    )
    call = f"(loss\n.backward({body}{draw(GAPS)}))"
    before, after = "x = 'ü\\\n'; ", "; y = 1 # last"
    newline = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    return (before + call + after).replace("\n", newline), others


@given(calls())
def test_nothing_else_changes(made: tuple[str, list[str]]) -> None:
    source, others = made
    tree = ast.parse(source)
    call = next(
        node for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "loss.backward"
    )  # fmt: skip
    lines = source.replace("\r\n", "\n").replace("\r", "\n")
    start = lines.index("loss")
    site_lines = Lines(lines)
    end = lines.rindex("; y") - 1
    span = Span(*site_lines.place(start), *site_lines.place(end))
    fix = drop_retain_graph(source, Site("a.py", span))
    if fix is None:
        assert re.search(r"retain_graph[^,]*# gap", lines)
        return
    after = applied(source, fix)
    call.keywords = [keyword for keyword in call.keywords if keyword.arg != "retain_graph"]
    assert ast.dump(ast.parse(after)) == ast.dump(tree)
    assert after.startswith("x = 'ü\\")
    assert after.endswith("; y = 1 # last")
    assert after.count("# gap") == source.count("# gap")
    for text in others:
        assert text in after.replace("\r\n", "\n").replace("\r", "\n")


def test_making_a_fix_imports_nothing_heavy() -> None:
    program = (
        "import sys; from graphlint.rules.edits import drop_retain_graph; "
        "from graphlint.trace import Site, Span; "
        "assert drop_retain_graph('l.backward(retain_graph=True)', Site('', Span(1, 1, 1, 30))); "
        "sys.exit(any(name in sys.modules for name in ('libcst', 'torch', 'rich')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
