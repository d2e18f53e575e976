"""The source with bytes beside its lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from graphlint.output import Sources
from graphlint.output.wording import split_place
from graphlint.profiles import Profile

CONTEXT_ROWS = 2


@dataclass(slots=True)
class _Row:
    """What is known of one line: bytes that its operations hold, and the calls on it."""

    bytes: int = 0
    sites: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LineView:
    """One line of source.

    Attributes:
        row: its number.
        text: what stands there.
        bytes: bytes that operations of this line hold, in the largest passes of all calls.
        share: those bytes as percents of the line that holds most.
        sites: the numbers of the calls that stand here, in the order of the profile.
        gap: lines before this one are left out.
    """

    row: int
    text: str
    bytes: int
    share: float
    sites: tuple[int, ...]
    gap: bool


@dataclass(frozen=True, slots=True)
class FileView:
    """One file: its lines, or none where it could not be read."""

    filename: str
    bytes: int
    lines: tuple[LineView, ...]


def list_files(profile: Profile, sources: Sources) -> tuple[FileView, ...]:
    """Return the files that hold bytes or run passes that keep graphs, the largest first."""
    files = _rows(profile)
    most = max((row.bytes for rows in files.values() for row in rows.values()), default=0)
    views = [
        FileView(
            filename=filename,
            bytes=sum(row.bytes for row in rows.values()),
            lines=tuple(_lines(sources(filename), rows, most)),
        )
        for filename, rows in files.items()
    ]
    return tuple(sorted(views, key=lambda view: -view.bytes))


def _rows(profile: Profile) -> dict[str, dict[int, _Row]]:
    files: dict[str, dict[int, _Row]] = {}
    for index, site in enumerate(profile.sites):
        if not site.retained_passes:
            continue
        rows = files.setdefault(site.filename, {})
        rows.setdefault(site.row, _Row()).sites.append(index)
        for holder in site.holders:
            filename, number = split_place(holder.source)
            if filename is not None and number is not None:
                rows = files.setdefault(filename, {})
                rows.setdefault(number, _Row()).bytes += holder.bytes
    return files


def _lines(text: str, rows: dict[int, _Row], most: int) -> Iterator[LineView]:
    """Yield the lines that something is known of, and a few around each."""
    lines = text.splitlines()
    around = range(-CONTEXT_ROWS, CONTEXT_ROWS + 1)
    shown = sorted({number + offset for number in rows for offset in around})
    previous = 0
    for number in shown:
        if 1 <= number <= len(lines):
            row = rows.get(number, _Row())
            share = 100 * row.bytes / most if most else 0.0
            gap = number > previous + 1
            yield LineView(number, lines[number - 1], row.bytes, share, tuple(row.sites), gap)
            previous = number
