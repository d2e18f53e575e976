"""The repair of `ctx.x = x`: one `save_for_backward`, and what reads it."""

from __future__ import annotations

import pytest

from graphlint.findings import Fix
from graphlint.rules.saving import save_for_backward
from graphlint.source.lines import Lines
from graphlint.trace import Site, Span

CLASS = """\
class F(Function):
    @staticmethod
    def forward(ctx, x):
        {kept}
        return x.exp()

    @staticmethod
    def backward(c, gradient):
        {used}
"""


def mend(text: str) -> str | None:
    row = next(i for i, line in enumerate(text.splitlines(), 1) if "ctx.x =" in line)
    fix = save_for_backward(text, Site("f.py", Span(row, 9, row, 18)))
    return None if fix is None else applied(text, fix)


def applied(text: str, fix: Fix) -> str:
    lines = Lines(text)
    for edit in sorted(fix.edits, key=lambda edit: edit.location, reverse=True):
        start = lines.offset(edit.location.row, edit.location.column)
        end = lines.offset(edit.end_location.row, edit.end_location.column)
        text = text[:start] + edit.content + text[end:]
    return text


def test_the_attribute_is_saved_and_read_wherever_it_was_read() -> None:
    text = CLASS.format(kept="ctx.x = x * 2", used="return gradient * c.x + len('é') * c.x.exp()")
    assert mend(text) == CLASS.format(
        kept="ctx.save_for_backward(x * 2)",
        used="return gradient * c.saved_tensors[0] + len('é') * c.saved_tensors[0].exp()",
    )


@pytest.mark.parametrize(
    ("kept", "used"),
    [
        ("ctx.x = x; ctx.save_for_backward(x)", "return c.x"),
        ("ctx.x = x; print(ctx.x)", "return c.x"),
        ("ctx.x = x; ctx.x = x + 1", "return c.x"),
        ("ctx.x = ctx.y = x", "return c.x"),
        ("ctx.x = x; ctx.norm = x.norm()", "return c.x / c.norm"),
        ("ctx.x = x", "return gradient"),
        ("ctx.x = x", "return self.state.c.x"),
    ],
    ids=[
        "saves already",
        "read in forward",
        "set twice",
        "two targets",
        "another tensor beside it",
        "never read",
        "another object's",
    ],
)
def test_there_is_no_repair_where_more_is_done_with_it(kept: str, used: str) -> None:
    assert mend(CLASS.format(kept=kept, used=used)) is None


def test_a_file_that_cannot_be_parsed_is_left_alone() -> None:
    assert mend("def f(:\n    ctx.x = x\n") is None
