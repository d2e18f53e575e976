"""From bytes to text and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphlint.source.lines import Lines
from graphlint.source.read import SyntaxProblem, decode_source
from graphlint.source.syntax import find_syntax_problem, parses


@pytest.mark.parametrize(
    ("data", "text", "encoding", "bom", "newline"),
    [
        (b"", "", "utf-8", False, "\n"),
        (b"a = 1\r\nb = 2\r\n", "a = 1\r\nb = 2\r\n", "utf-8", False, "\r\n"),
        (b"a = 1\rb = 2", "a = 1\rb = 2", "utf-8", False, "\r"),
        (b"\xef\xbb\xbfa = 1\n", "a = 1\n", "utf-8", True, "\n"),
        ("é = 1".encode(), "é = 1", "utf-8", False, "\n"),
        (b"# coding: latin-1\nx='\xe9'\n", "# coding: latin-1\nx='é'\n", "iso-8859-1", False, "\n"),
        (b"\n# -*- coding: cp1252 -*-\n'\x80'", "\n# -*- coding: cp1252 -*-\n'€'", "cp1252", False,
         "\n"),
    ],
)  # fmt: skip
def test_decoding(data: bytes, text: str, encoding: str, bom: bool, newline: str) -> None:
    source = decode_source(data, "a.py")
    assert (source.text, source.encoding, source.bom, source.newline) == (
        text, encoding, bom, newline,
    )  # fmt: skip
    assert source.problem is None
    assert source.encode(source.text) == data


@pytest.mark.parametrize(
    ("data", "row", "column", "words"),
    [
        (b"a = 1\nb = '\xff'\n", 2, 6, "byte 0xff can't be decoded as utf-8"),
        ("é = 1\r\nü\0".encode(), 2, 2, "null bytes"),
        (b"# coding: nonsense\n", 1, 1, "unknown encoding"),
        (b"#!/bin/python\n# coding: nonsense\n", 2, 1, "unknown encoding"),
        (b"\xef\xbb\xbf# coding: latin-1\n", 1, 1, "encoding problem"),
    ],
)
def test_what_cannot_be_decoded(data: bytes, row: int, column: int, words: str) -> None:
    problem = decode_source(data).problem
    assert problem is not None
    assert (problem.row, problem.column) == (row, column)
    assert words in problem.message


def test_why_a_text_is_no_python() -> None:
    assert find_syntax_problem("x = (\n", "a.py") == SyntaxProblem(1, 5, "'(' was never closed")
    assert find_syntax_problem("x = 1\n", "a.py") is None
    deep = find_syntax_problem("(" * 1000 + ")" * 1000, "a.py")
    assert deep is not None
    assert find_syntax_problem("'\ud800'", "a.py") is not None


def test_parsing_bytes() -> None:
    assert parses(b"# coding: latin-1\nx = '\xe9'\n", "a.py")
    assert parses(b"\xef\xbb\xbfx = 1\r\n", "a.py")
    assert not parses(b"x = '\xff'\n", "a.py")
    assert not parses(b"x = \n", "a.py")
    assert not parses(b"x = 1\0\n", "a.py")


TEXTS = st.text(alphabet="ab \r\n\f\x0b\u2028é", max_size=40)


@given(TEXTS, st.integers(0, 40))
def test_places_and_offsets_agree(text: str, offset: int) -> None:
    lines = Lines(text)
    offset = min(offset, len(text))
    assert lines.offset(*lines.place(offset)) == offset


@given(TEXTS)
def test_rows_are_those_of_the_interpreter(text: str) -> None:
    rows = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert Lines(text).count == len(rows)
