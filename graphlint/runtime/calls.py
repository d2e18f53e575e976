"""Calls as written: from the place that Python gives to the call's span and its flags."""

from __future__ import annotations

import ast
import linecache
import os

from graphlint.runtime.frames import Place
from graphlint.runtime.places import RawSpan
from graphlint.runtime.sites import SiteRecord
from graphlint.trace import Call, Form, Site, Span

# Where the flags stand among the positional arguments (torch 2.4 to 2.13).
_RETAIN, _CREATE = "retain_graph", "create_graph"
_POSITIONS = {
    Form.TENSOR_BACKWARD: {_RETAIN: 1, _CREATE: 2},
    Form.AUTOGRAD_BACKWARD: {_RETAIN: 2, _CREATE: 3},
    Form.AUTOGRAD_GRAD: {_RETAIN: 3, _CREATE: 4},
}


class Sources:
    """The source files of a run, read and parsed when a call in them is asked for.

    Args:
        folder: the folder that file names are shown relative to, where they lie below it.
    """

    def __init__(self, folder: str) -> None:
        """Start with no file read."""
        self._folder = folder
        self._trees: dict[str, ast.Module] = {}
        self._calls: dict[str, list[ast.Call]] = {}
        self._sites: dict[SiteRecord, Site] = {}

    def site(self, record: SiteRecord) -> Site:
        """Return where a call stands: its whole expression, from its first row."""
        site = self._sites.get(record)
        if site is None:
            span = self._span(record)
            site = Site(self.shown(record.filename), span, record.function)
            self._sites[record] = site
        return site

    def where(self, place: Place) -> str:
        """Word a place: `train.py:main`, the file alone where it is a module's."""
        return ":".join(filter(None, (self.shown(place.filename), place.function)))

    def call(self, record: SiteRecord) -> Call | None:
        """Return the flags of a call as written, None where its source can't be had."""
        found = self._find(record)
        positions = _POSITIONS.get(record.form)
        if found is None or positions is None:
            return None
        retain, create = (self._flag(record, found, name, positions) for name in positions)
        return Call(self.site(record), retain, create)

    def asks(self, record: SiteRecord, creates: bool) -> bool:
        """Say whether the user asked a call's passes to keep their graphs.

        Keeping is not asked for where `create_graph` implies it, nor where a function that runs
        passes of its own (a Hessian, say) keeps graphs as it sees fit. Where the source can't be
        had, a graph that was kept was asked for.

        Args:
            record: the call.
            creates: its passes make differentiable gradients.
        """
        found = self._find(record)
        if found is None:
            return not creates
        if record.form is Form.WRAPPER:
            return any(k.arg in (None, _RETAIN) for k in found.keywords) or any(
                isinstance(arg, ast.Starred)
                or (isinstance(arg, ast.Constant) and arg.value is True)
                for arg in found.args
            )
        call = self.call(record)
        return not creates or (call is not None and call.retain not in (None, "None", "False"))

    def _flag(
        self, record: SiteRecord, call: ast.Call, name: str, positions: dict[str, int]
    ) -> str | None:
        values = [keyword.value for keyword in call.keywords if keyword.arg == name]
        place = positions[name]
        if any(isinstance(arg, ast.Starred) for arg in call.args[: place + 1]):
            return None
        values += call.args[place : place + 1]
        return ast.unparse(values[0]) if values else None

    def _span(self, record: SiteRecord) -> Span:
        call = self._find(record)
        raw = record.span
        if call is not None:
            raw = RawSpan(
                call.lineno, call.col_offset, call.end_lineno or call.lineno, call.end_col_offset
            )
        return Span(
            raw.row,
            self._column(record.filename, raw.row, raw.column),
            raw.end_row,
            self._column(record.filename, raw.end_row, raw.end_column),
        )

    def _find(self, record: SiteRecord) -> ast.Call | None:
        """Find the call expression that a raw span means.

        Python says where a call ends; of several calls that end there, as in `f()()`, the
        outermost is meant. On Python 3.10 only a row is known: then the outermost of the calls
        that start there and look like a pass.
        """
        span = record.span
        calls = self._parsed(record.filename)
        if span.end_column is not None:
            end = span.end_row, span.end_column
            fits = [c for c in calls if (c.end_lineno, c.end_col_offset) == end]
        else:
            fits = [c for c in calls if _holds_row(c, span.row) and _names_pass(c)]
        return min(fits, key=lambda c: (c.lineno, c.col_offset), default=None)

    def _parsed(self, filename: str) -> list[ast.Call]:
        calls = self._calls.get(filename)
        if calls is None:
            nodes = ast.walk(self.tree(filename))
            calls = [node for node in nodes if isinstance(node, ast.Call)]
            self._calls[filename] = calls
        return calls

    def tree(self, filename: str) -> ast.Module:
        """Return a file's syntax, an empty module where that can't be had."""
        tree = self._trees.get(filename)
        if tree is None:
            tree = self._trees[filename] = _parse("".join(linecache.getlines(filename)))
        return tree

    def part(self, place: Place, found: ast.stmt | ast.expr) -> Site:
        """Return where a statement or an expression of a place's file stands."""
        name, row, end = place.filename, found.lineno, found.end_lineno or found.lineno
        span = Span(
            row,
            self._column(name, row, found.col_offset),
            end,
            self._column(name, end, found.end_col_offset),
        )
        return Site(self.shown(name), span, place.function)

    def _column(self, filename: str, row: int, column: int | None) -> int:
        if column is None:
            return 1
        line = linecache.getline(filename, row)
        if not line:
            return column + 1
        return len(line.encode()[:column].decode(errors="replace")) + 1

    def shown(self, filename: str) -> str:
        """Name a file as the user would: relative to the folder, where it lies below it."""
        prefix = self._folder.rstrip(os.sep) + os.sep
        return filename.removeprefix(prefix)


def _parse(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):  # not the source that ran, or none at all
        return ast.Module([], [])


def _holds_row(call: ast.Call, row: int) -> bool:
    return call.lineno <= row <= (call.end_lineno or call.lineno)


def _names_pass(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)
    return "backward" in name or "grad" in name
