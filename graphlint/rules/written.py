"""A call as it is written: where its parentheses, arguments, commas and comments stand.

The call's text alone is tokenized and parsed, so that a fix costs microseconds however long the
file is. Offsets count in the file's text with line feeds for newlines: rows and columns are those
of the file as it is.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass

from graphlint.findings import Edit, Location
from graphlint.source.lines import Lines, unix_newlines
from graphlint.trace import Site

_BLANK = frozenset({tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT})


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call.

    Attributes:
        start: the offset of its first character.
        end: the offset behind its last one; the comma is not part of it.
        value_start: the offset at which the value starts, behind `name=`.
        comma: the offset of the comma behind it, None where there is none.
        stars: `*` or `**` before it, else empty.
        name: its keyword, None for a positional one.
        value: the syntax of its value.
    """

    start: int
    end: int
    value_start: int
    comma: int | None
    stars: str
    name: str | None
    value: ast.expr

    @property
    def end_with_comma(self) -> int:
        """The offset behind its comma, or behind itself where it has none."""
        return self.end if self.comma is None else self.comma + 1

    @property
    def positional(self) -> bool:
        """Whether it takes a position of its own."""
        return self.name is None and not self.stars

    @property
    def literal_true(self) -> bool:
        """Whether it says `True`."""
        return isinstance(self.value, ast.Constant) and self.value.value is True


@dataclass(frozen=True)
class WrittenCall:
    """A call in a file's text.

    Attributes:
        text: the file's text, with line feeds for newlines.
        lines: the rows of the text.
        function: the syntax of what is called.
        start: the offset of the call's first character.
        opening: the offset of the parenthesis before the arguments.
        closing: the offset of the parenthesis behind them.
        arguments: in the order in which they are written.
        comments: the offsets at which comments start between the parentheses.
    """

    text: str
    lines: Lines
    function: ast.expr
    start: int
    opening: int
    closing: int
    arguments: tuple[Argument, ...]
    comments: tuple[int, ...]

    def keyword(self, name: str) -> Argument | None:
        """Look up the argument that is passed by a keyword."""
        return next((argument for argument in self.arguments if argument.name == name), None)

    def commented(self, start: int, end: int) -> bool:
        """Whether a comment starts between two offsets."""
        return any(start <= comment < end for comment in self.comments)

    def opens_line(self, offset: int) -> bool:
        """Whether only white space stands before an offset on its line."""
        return not self.text[self.lines.start(offset) : offset].strip()

    def closes_line(self, offset: int) -> bool:
        """Whether only white space stands behind an offset on its line."""
        return not self.text[offset : self.lines.next_start(offset)].strip()

    def edit(self, start: int, end: int, content: str) -> Edit:
        """Return the edit that replaces what stands between two offsets."""
        return Edit(Location(*self.lines.place(start)), Location(*self.lines.place(end)), content)


def read_call(source: str, site: Site) -> WrittenCall | None:
    """Read the call that stands at a site.

    Args:
        source: the file's text, with whatever newlines it has.
        site: the place of the call expression.

    Returns:
        The call, or None where no call stands there.
    """
    text = unix_newlines(source)
    lines = Lines(text)
    start = lines.offset(site.span.row, site.span.column)
    end = lines.offset(site.span.end_row, site.span.end_column)
    node = parse_call(text[start:end])
    parts = _parts(text[start:end]) if node else None
    if node is None or parts is None:
        return None
    segments = [[token.moved(start) for token in segment] for segment in parts.segments]
    arguments = _arguments(node, segments, [comma + start for comma in parts.commas])
    if arguments is None:
        return None
    comments = tuple(comment + start for comment in parts.comments)
    opening = start + parts.opening
    return WrittenCall(text, lines, node.func, start, opening, end - 1, arguments, comments)


def parse_call(text: str) -> ast.Call | None:
    """Parse the text of a call, which may stand on several lines; None where it is none."""
    try:
        node = ast.parse(f"({text})", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return node if isinstance(node, ast.Call) and text.endswith(")") else None


@dataclass(frozen=True, slots=True)
class _Token:
    """A token of a call's text, comments and white space aside."""

    start: int
    end: int
    text: str

    def moved(self, by: int) -> _Token:
        """Return the token at an offset that is greater by so many characters."""
        return _Token(self.start + by, self.end + by, self.text)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What stands between a call's parentheses: the tokens of each argument, and the rest."""

    opening: int
    segments: list[list[_Token]]
    commas: list[int]
    comments: list[int]


def _tokens(text: str) -> Iterator[tuple[int, _Token]]:
    """Yield the tokens of a call's text with their kinds, comments among them."""
    wrapped = f"({text})"
    lines = Lines(wrapped)
    for kind, string, start, end, _ in tokenize.generate_tokens(io.StringIO(wrapped).readline):
        if kind not in _BLANK and string:
            first = lines.offset(start[0], start[1] + 1) - 1
            last = lines.offset(end[0], end[1] + 1) - 1
            if first >= 0 and last <= len(text):
                yield kind, _Token(first, last, string)


def _parts(text: str) -> _Parts | None:
    """Split a call's text at the commas between its arguments."""
    try:
        tokens = list(_tokens(text))
    except (tokenize.TokenError, SyntaxError):
        return None
    solid = [(kind, token) for kind, token in tokens if kind != tokenize.COMMENT]
    opening = _opening(solid)
    if opening is None:
        return None
    inside = [item for item in solid[:-1] if item[1].start > opening]
    segments, commas = _split(inside)
    comments = [t.start for kind, t in tokens if kind == tokenize.COMMENT and t.start > opening]
    return _Parts(opening, segments, commas, comments)


def _opening(tokens: list[tuple[int, _Token]]) -> int | None:
    """Find the parenthesis that the last token closes."""
    depth = 0
    for kind, token in reversed(tokens):
        if kind == tokenize.OP:
            depth += (token.text in ")]}") - (token.text in "([{")
            if depth == 0:
                return token.start
    return None


def _split(tokens: list[tuple[int, _Token]]) -> tuple[list[list[_Token]], list[int]]:
    """Split tokens at the commas that neither brackets nor a lambda's parameters hold."""
    segments: list[list[_Token]] = [[]]
    commas = []
    depth = lambdas = 0
    for kind, token in tokens:
        if depth == 0 and not lambdas and token.text == "," and kind == tokenize.OP:
            commas.append(token.start)
            segments.append([])
            continue
        segments[-1].append(token)
        if kind == tokenize.OP:
            depth += (token.text in "([{") - (token.text in ")]}")
            lambdas -= depth == 0 and token.text == ":" and lambdas > 0
        elif depth == 0 and token.text == "lambda" and kind == tokenize.NAME:
            lambdas += 1
    return [segment for segment in segments if segment], commas


def _arguments(
    call: ast.Call, segments: list[list[_Token]], commas: list[int]
) -> tuple[Argument, ...] | None:
    """Join what the parser says of each argument with where its tokens stand."""
    nodes: list[ast.expr | ast.keyword] = [*call.args, *call.keywords]
    nodes.sort(key=lambda node: (node.lineno, node.col_offset))
    if len(nodes) != len(segments):
        return None
    return tuple(
        _argument(node, segment, commas[i] if i < len(commas) else None)
        for i, (node, segment) in enumerate(zip(nodes, segments, strict=True))
    )


def _argument(node: ast.expr | ast.keyword, tokens: list[_Token], comma: int | None) -> Argument:
    stars = tokens[0].text if tokens[0].text in ("*", "**") else ""
    name = node.arg if isinstance(node, ast.keyword) else None
    value = node if isinstance(node, ast.expr) else node.value
    value_start = tokens[2 if name else 1 if stars else 0].start
    return Argument(tokens[0].start, tokens[-1].end, value_start, comma, stars, name, value)
