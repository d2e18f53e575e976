"""Apply the fixes of findings, and believe none of them before the result was analysed again.

A fix is kept only if the text still parses, the finding is gone and nothing new has come. Fixes
that don't overlap are tried together; overlapping ones wait for the next round.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from graphlint.errors import GraphlintError
from graphlint.findings import Applicability, Edit, Finding, Location
from graphlint.linting import LintResult, lint_text
from graphlint.source.config import Config
from graphlint.source.lines import Lines
from graphlint.source.read import SourceFile, decode_source

# Each round applies a fix, drops one or halves how many are tried at once: this many are plenty.
_ROUNDS_PER_FINDING = 4
# A fix may leave a comment with nothing to suppress; the next round removes it.
_MAY_COME = "RG100"

_Span = tuple[int, int, str]
_Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class FixedText:
    """A text after its fixes.

    Attributes:
        text: the text as it is now.
        applied: the findings whose fixes were applied, in the order of application; each stands
            where it stood in the text that its round began with.
        dropped: the findings whose fixes did not hold and were not applied.
        result: what linting says of the text as it is now.
    """

    text: str
    applied: tuple[Finding, ...]
    dropped: tuple[Finding, ...]
    result: LintResult


@dataclass(frozen=True, slots=True)
class FixedFile:
    """A file and what its fixes make of it. Nothing is written before `write` is called.

    Attributes:
        path: the file.
        source: the file as it was read.
        fixed: its text after the fixes.
    """

    path: str
    source: SourceFile
    fixed: FixedText

    @property
    def changed(self) -> bool:
        """Whether the fixes change anything."""
        return self.fixed.text != self.source.text

    def diff(self) -> str:
        """Return the change as a unified diff, empty where there is none."""
        return unified_diff(self.source.text, self.fixed.text, self.path)

    def write(self) -> None:
        """Write the text as it is now: all of it or nothing, with the file's permissions.

        Raises:
            GraphlintError: the file has changed since it was read, or can't be written.
        """
        if not self.changed:
            return
        try:
            if Path(self.path).read_bytes() != self.source.encode(self.source.text):
                raise GraphlintError(f"{self.path}: changed while it was linted; run again.")
            write_atomically(self.path, self.source.encode(self.fixed.text))
        except OSError as error:
            reason = error.strerror or error
            raise GraphlintError(
                f"{self.path}: can't be written: {reason}. `--diff` shows the fixes all the same."
            ) from error


def fix_file(
    path: Path | str,
    config: Config,
    *,
    unsafe: bool = False,
    agreed: Sequence[Finding] | None = None,
) -> FixedFile:
    """Work out what the fixes make of a file.

    Args:
        path: the file.
        config: what to look for; only what it would have told is fixed.
        unsafe: apply unsafe fixes too.
        agreed: what was found in the file beside the files that it works with; nothing else is
            fixed, whatever is found in the file alone.

    Raises:
        GraphlintError: the file can't be read.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise GraphlintError(f"{path}: can't be read: {error.strerror or error}.") from error
    source = decode_source(data, str(path))
    # Some encodings write the same text in several ways: what can't be written back stays.
    if not source.problem and source.encode(source.text) != data:
        return FixedFile(str(path), source, FixedText(source.text, (), (), LintResult()))
    return FixedFile(str(path), source, fix_source(source, config, unsafe=unsafe, agreed=agreed))


def fix_source(
    source: SourceFile,
    config: Config,
    *,
    unsafe: bool = False,
    agreed: Sequence[Finding] | None = None,
) -> FixedText:
    """Apply the fixes to a file that was read; see `fix_file`."""
    if source.problem:
        return FixedText(source.text, (), (), LintResult())
    fixed = fix_text(source.text, source.filename, config, unsafe=unsafe, agreed=agreed)
    try:
        source.encode(fixed.text)
    except UnicodeEncodeError:
        return FixedText(source.text, (), fixed.applied, LintResult())
    return fixed


def fix_text(
    text: str,
    filename: str,
    config: Config | None = None,
    *,
    unsafe: bool = False,
    agreed: Sequence[Finding] | None = None,
) -> FixedText:
    """Apply the fixes to a text, round by round.

    Args:
        text: the text, with whatever newlines it has.
        filename: what the file is called.
        config: what to look for, the defaults unless told.
        unsafe: apply unsafe fixes too.
        agreed: the findings that may be fixed, all unless told.
    """
    result = lint_text(text, filename, config)
    known = None if agreed is None else _marks(agreed, text, unsafe)
    applied: list[Finding] = []
    dropped: dict[_Key, Finding] = {}
    width = len(result.findings)
    for _ in range(_ROUNDS_PER_FINDING * width):
        lines = Lines(text)
        wanted = [
            f
            for f in result.findings
            if _wanted(f, unsafe) and _key(f, lines) not in dropped and _agreed(f, text, known)
        ]
        batch = _apart(wanted)[:width]
        if not batch:
            break
        spans = _spans(batch, lines)
        attempt = _spliced(text, spans)
        after = lint_text(attempt, filename, config)
        if _holds(result, batch, lines, spans, after, Lines(attempt)):
            applied += batch
            dropped = {(code, _moved(at, spans)): f for (code, at), f in dropped.items()}
            text, result = attempt, after
        elif len(batch) > 1:
            width = len(batch) // 2
        else:
            dropped[_key(batch[0], lines)] = batch[0]
    return FixedText(text, tuple(applied), tuple(dropped.values()), result)


def unified_diff(before: str, after: str, filename: str) -> str:
    """Return the difference of two texts as `patch` reads it, empty where there is none.

    Args:
        before: the text as it was.
        after: the text as it is now.
        filename: the name for both.
    """
    old, new = _rows(before), _rows(after)
    lines = difflib.unified_diff(old, new, filename, filename)
    return "".join(
        line if line.endswith(("\n", "\r")) else f"{line}\n\\ No newline at end of file\n"
        for line in lines
    )


def write_atomically(path: Path | str, data: bytes) -> None:
    """Write a file: readers see the old bytes or the new ones, never a part.

    Args:
        path: the file; of a symbolic link, what it points to is written.
        data: the bytes.

    Raises:
        OSError: the file may not be written, or the disk is full; the file is what it was.
    """
    target = Path(path).resolve()
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(13, "Permission denied", str(target))
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        if target.exists():
            shutil.copymode(target, name)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _rows(text: str) -> list[str]:
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z", text)


def _wanted(finding: Finding, unsafe: bool) -> bool:
    if finding.fix is None:
        return False
    allowed = {Applicability.SAFE, Applicability.UNSAFE} if unsafe else {Applicability.SAFE}
    return finding.fix.applicability in allowed


def _marks(findings: Iterable[Finding], text: str, unsafe: bool) -> frozenset[tuple[str, str]]:
    """Return what findings are recognised by while rows move: their codes and their lines."""
    rows = _rows(text)
    return frozenset(
        (f.code, rows[f.location.row - 1].strip()) for f in findings if _wanted(f, unsafe)
    )


def _agreed(finding: Finding, text: str, known: frozenset[tuple[str, str]] | None) -> bool:
    if known is None or finding.code == _MAY_COME:
        return True
    return (finding.code, _rows(text)[finding.location.row - 1].strip()) in known


def _apart(findings: Iterable[Finding]) -> list[Finding]:
    """Take as many findings as have fixes that don't touch each other, in source order."""
    taken: list[Finding] = []
    edits: list[Edit] = []
    for finding in findings:
        own = finding.fix.edits if finding.fix else ()
        if not any(_overlap(mine, other) for mine in own for other in edits):
            taken.append(finding)
            edits += own
    return taken


def _overlap(one: Edit, other: Edit) -> bool:
    same_start = one.location == other.location
    return same_start or (one.location < other.end_location and other.location < one.end_location)


def _offset(location: Location, lines: Lines) -> int:
    return lines.offset(location.row, location.column)


def _spans(findings: Sequence[Finding], lines: Lines) -> list[_Span]:
    """Return the edits of fixes as offsets, in source order."""
    edits = [edit for finding in findings if finding.fix for edit in finding.fix.edits]
    return sorted(
        (_offset(e.location, lines), _offset(e.end_location, lines), e.content) for e in edits
    )


def _spliced(text: str, spans: Sequence[_Span]) -> str:
    parts = []
    at = 0
    for start, end, content in spans:
        parts += [text[at:start], content]
        at = end
    return "".join([*parts, text[at:]])


def _moved(offset: int, spans: Sequence[_Span]) -> int:
    """Return where an offset is after the edits: at an edit's start if it was within one."""
    shift = 0
    for start, end, content in spans:
        if offset < end:
            return min(offset, start) + shift if offset >= start else offset + shift
        shift += len(content) - (end - start)
    return offset + shift


def _key(finding: Finding, lines: Lines) -> _Key:
    return finding.code, _offset(finding.location, lines)


def _everything(result: LintResult) -> tuple[Finding, ...]:
    return (*result.findings, *result.unsure, *result.suppressed)


def _holds(
    before: LintResult,
    batch: Sequence[Finding],
    lines: Lines,
    spans: Sequence[_Span],
    after: LintResult,
    lines_after: Lines,
) -> bool:
    """Whether the findings of a batch are gone after its edits, and nothing new has come."""
    if after.errors:
        return False
    fixed = {_key(finding, lines) for finding in batch}
    old = [_key(finding, lines) for finding in _everything(before)]
    expected = Counter((code, _moved(at, spans)) for code, at in old if (code, at) not in fixed)
    come = Counter(_key(finding, lines_after) for finding in _everything(after)) - expected
    gone_wrong = {(code, _moved(at, spans)) for code, at in fixed} & set(come)
    return not gone_wrong and all(code == _MAY_COME for code, _ in come)
