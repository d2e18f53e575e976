"""Calls as written, found again from what Python says of their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphlint.runtime.calls import Sources
from graphlint.runtime.places import RawSpan
from graphlint.runtime.sites import SiteRecord
from graphlint.trace import Form, Span

SOURCE = """\
import torch
(
    loss
    .sum()
    .backward(
        retain_graph=keep,
    )
)
torch.autograd.grad(loss, weight, None, True, create_graph=True)
loss.backward(*flags)
é = loss.backward(None, True)
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "program.py"
    path.write_text(SOURCE, encoding="utf-8")
    return str(path)


def record(file: str, span: RawSpan, form: Form = Form.TENSOR_BACKWARD) -> SiteRecord:
    return SiteRecord(file, span, "step", form)


@pytest.mark.parametrize(
    "raw",
    [
        RawSpan(5, 5, 7, 5),  # as Python 3.11 has it: from the method's name on
        RawSpan(5, None, 5, None),  # as Python 3.10 has it: a row only
    ],
)
def test_span_of_a_chain(file: str, raw: RawSpan) -> None:
    site = Sources(str(Path(file).parent)).site(record(file, raw))
    assert site.span == Span(3, 5, 7, 6)
    assert site.filename == "program.py"


def test_columns_count_characters_from_one(file: str) -> None:
    site = Sources("/nowhere").site(record(file, RawSpan(11, 5, 11, 30)))
    assert site.span == Span(11, 5, 11, 30)
    assert site.filename == file


def flags(file: str, raw: RawSpan, form: Form) -> tuple[str | None, str | None]:
    call = Sources("/nowhere").call(record(file, raw, form))
    assert call is not None
    return call.retain, call.create


def test_flags_as_written(file: str) -> None:
    row = RawSpan(5, None, 5, None)
    assert flags(file, row, Form.TENSOR_BACKWARD) == ("keep", None)
    row = RawSpan(9, None, 9, None)
    assert flags(file, row, Form.AUTOGRAD_GRAD) == ("True", "True")
    row = RawSpan(10, None, 10, None)
    assert flags(file, row, Form.TENSOR_BACKWARD) == (None, None)


def test_source_that_can_not_be_had() -> None:
    sources = Sources("/nowhere")
    gone = record("<string>", RawSpan(3, 4, 3, 9))
    assert sources.call(gone) is None
    assert sources.site(gone).span == Span(3, 5, 3, 10)
    assert sources.asks(gone, creates=False)
    assert not sources.asks(gone, creates=True)
