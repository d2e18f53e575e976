"""Suppression comments: what they say, and which rows they speak for.

Comments are found by the tokenizer, so that the same words in a string count for nothing. A comment
speaks for the whole statement that it stands in: of a compound statement, for the header.
"""

from __future__ import annotations

import io
import re
import tokenize
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from graphlint.source.lines import unix_newlines

_GRAPHLINT = re.compile(
    r"#\s*graphlint:\s*(?P<word>ignore-file|ignore)(?![\w-])(?:\s*\[(?P<list>[^\]#]*)\]?)?"
)
_NOQA = re.compile(
    r"#\s*(?i:noqa)(?![\w-])(?P<colon>\s*:)?"
    r"(?:(?<=:)\s*(?P<list>[A-Z]+[0-9]*(?![\w-])(?:[\s,]+[A-Z]+[0-9]+(?!\w))*))?"
)
_CODE = re.compile(r"[^\s,]+")
_WORDS = re.compile(r"graphlint:|(?i:noqa)")
_OWN_WORDS = re.compile(r"graphlint:|(?i:noqa)[^\r\n]*RG")


class Kind(str, Enum):
    """Which form a suppression has."""

    IGNORE = "ignore"
    IGNORE_FILE = "ignore-file"
    NOQA = "noqa"


@dataclass(frozen=True, slots=True)
class Code:
    """A code in a suppression, and the columns (from 1, the last exclusive) that it takes."""

    text: str
    column: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Suppression:
    """One suppression in a comment.

    Attributes:
        kind: its form.
        codes: what it names, in order.
        blanket: it names no codes, and means every rule.
        row: the row of its comment.
        gap_column: the column at which the white space before it starts, from 1, in characters.
        column: the column of its `#`.
        end_column: the column behind it and its reason: at the comment's end or the next `#`.
        followed: another comment stands behind it on its row.
        alone: nothing else stands on its row.
        first_row: the first row of the statement that it stands in.
        last_row: the last row of that statement.
    """

    kind: Kind
    codes: tuple[Code, ...]
    blanket: bool
    row: int
    gap_column: int
    column: int
    end_column: int
    followed: bool
    alone: bool
    first_row: int
    last_row: int

    def covers(self, row: int) -> bool:
        """Whether it speaks for what stands on a row."""
        return self.kind is Kind.IGNORE_FILE or self.first_row <= row <= self.last_row


@dataclass(frozen=True, slots=True)
class Statements:
    """The rows of a file's statements, and its suppressions.

    Attributes:
        rows: the first and the last row of each logical line.
        joined: the rows at whose end no comment can stand: a string or a backslash goes on.
        suppressions: in the order in which they stand.
    """

    rows: tuple[tuple[int, int], ...] = ()
    joined: frozenset[int] = frozenset()
    suppressions: tuple[Suppression, ...] = ()

    def range_of(self, row: int) -> tuple[int, int]:
        """Return the first and the last row of the statement that a row belongs to."""
        index = bisect_right(self.rows, (row + 1,)) - 1
        first, last = self.rows[index] if index >= 0 else (row, row)
        return (first, last) if first <= row <= last else (row, row)

    def comment_row(self, row: int) -> int:
        """Return the first row, from a given one on, at whose end a comment can stand."""
        while row in self.joined:
            row += 1
        return row


def may_be_unused(text: str) -> bool:
    """Whether a text may hold a suppression that can be unused, or one of the whole file.

    That is one that names graphlint or its codes. The search is far cheaper than the tokenizer.
    """
    return bool(_OWN_WORDS.search(text))


def read_statements(text: str) -> Statements:
    """Find a file's statements and suppressions.

    Args:
        text: the file's text. Of one that is no Python, what stands before the error is read.
    """
    text = unix_newlines(text)
    rows: list[tuple[int, int]] = []
    comments: list[tuple[tokenize.TokenInfo, bool]] = []
    joined = _backslashes(text)
    start = None
    for token in _tokens(text):
        if token.type == tokenize.COMMENT:
            comments.append((token, start is not None))
        elif token.type == tokenize.NEWLINE and start is not None:
            rows.append((start, token.start[0]))
            start = None
        elif token.type not in _LAYOUT:
            start = start or token.start[0]
            joined.update(range(token.start[0], token.end[0]))
    found = Statements(tuple(rows), frozenset(joined))
    lines = text.split("\n")
    suppressions = [
        suppression
        for token, inside in comments
        for suppression in _read(token, lines[token.start[0] - 1], inside, found)
    ]
    return replace(found, suppressions=tuple(suppressions))


_LAYOUT = {tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER, tokenize.ENCODING}


def _tokens(text: str) -> Iterator[tokenize.TokenInfo]:
    try:
        yield from tokenize.generate_tokens(io.StringIO(text).readline)
    except (tokenize.TokenError, SyntaxError):
        return


def _backslashes(text: str) -> set[int]:
    if "\\\n" not in text:
        return set()
    return {row for row, line in enumerate(text.split("\n"), 1) if line.endswith("\\")}


def _read(
    token: tokenize.TokenInfo, line: str, inside: bool, statements: Statements
) -> Iterator[Suppression]:
    """Yield the suppressions of one comment, which may hold several, on its line."""
    row, offset = token.start
    first, last = statements.range_of(row) if inside else (row, row)
    for match in sorted(_matches(token.string), key=lambda match: match.start()):
        start = offset + match.start()
        behind = token.string.find("#", match.end())
        end = offset + (len(token.string) if behind < 0 else behind)
        gap = len(line[:start].rstrip())
        yield Suppression(
            kind=Kind(match["word"]) if match.re is _GRAPHLINT else Kind.NOQA,
            codes=_codes(match, offset),
            blanket=match["list"] is None,
            row=row,
            gap_column=gap + 1,
            column=start + 1,
            end_column=end + 1,
            followed=behind >= 0,
            alone=gap == 0 and behind < 0,
            first_row=first,
            last_row=last,
        )


def _codes(match: re.Match[str], offset: int) -> tuple[Code, ...]:
    if match["list"] is None:
        return ()
    found = _CODE.finditer(match.string, *match.span("list"))
    return tuple(Code(c.group(), offset + c.start() + 1, offset + c.end() + 1) for c in found)


def _matches(comment: str) -> Iterator[re.Match[str]]:
    if not _WORDS.search(comment):
        return
    yield from _GRAPHLINT.finditer(comment)
    for match in _NOQA.finditer(comment):
        # As in ruff, a colon with no codes behind it is a slip, and suppresses nothing.
        if bool(match["colon"]) == bool(match["list"]):
            yield match
