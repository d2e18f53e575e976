"""Observe the files of a project together: what the rules find in them, by file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from graphlint.findings import Finding
from graphlint.judge import judge
from graphlint.source.config import Config
from graphlint.source.prefilter import can_hold_passes
from graphlint.source.read import decode_source
from graphlint.trace import Trace

ROOT_MARKS = ("pyproject.toml", "setup.py", "setup.cfg", ".git", "graphlint.toml")


@dataclass(frozen=True, slots=True)
class Observed:
    """What was observed of several files.

    Attributes:
        findings: what the rules find, by file; files that were not run are absent.
        failures: the mistakes of graphlint's own, by file.
    """

    findings: dict[str, list[Finding]] = field(default_factory=dict)
    failures: dict[str, Exception] = field(default_factory=dict)


def observe_files(files: Sequence[str], config: Config) -> Observed:
    """Execute some files together, and ask all rules about them.

    Args:
        files: the files to lint, as findings are to call them.
        config: names the extra functions that run a pass, or only log.
    """
    trace, run, failures = trace_files(files, config)
    findings: dict[str, list[Finding]] = {name: [] for name in run}
    for finding in judge(trace):
        findings.setdefault(finding.filename, []).append(finding)
    return Observed(findings, failures)


def trace_files(
    files: Sequence[str], config: Config, telling: bool = False
) -> tuple[Trace, list[str], dict[str, Exception]]:
    """Execute some files together.

    Args:
        files: the files, as sites are to call them.
        config: names the extra functions that run a pass, or only log.
        telling: ask for every pass in full (`Trace.visits`).

    Returns:
        The trace, the files that were run, and the mistakes of graphlint's own, by file.
    """
    contents = _Contents()
    names = config.backward_functions
    if not any(can_hold_passes(contents.read(name) or b"", names) for name in files):
        return Trace(), [], {}
    from graphlint.static import observe_project

    trace, run, failures = observe_project(
        files, project_root(files), contents.read, contents.decode, names, config.sinks, telling
    )
    return trace, run, dict(failures)


class _Contents:
    """Reads files, each once."""

    def __init__(self) -> None:
        self._read: dict[str, bytes | None] = {}

    def read(self, filename: str) -> bytes | None:
        """Return a file's bytes, None where it can't be read."""
        if filename not in self._read:
            try:
                self._read[filename] = Path(filename).read_bytes()
            except OSError:
                self._read[filename] = None
        return self._read[filename]

    def decode(self, filename: str) -> str | None:
        """Return a file's text, None where it can't be read or decoded."""
        data = self.read(filename)
        if data is None:
            return None
        source = decode_source(data, filename)
        return None if source.problem else source.text


def project_root(files: Iterable[str]) -> str:
    """Return the folder that imports are looked for in: the project's, or that of all files."""
    folders = [str(Path(name).absolute().parent) for name in files]
    common = os.path.commonpath(folders)
    root = next((str(p) for p in (Path(common), *Path(common).parents) if _is_root(p)), common)
    return root if all(map(os.path.isabs, files)) else os.path.relpath(root)


def _is_root(folder: Path) -> bool:
    return any((folder / mark).exists() for mark in ROOT_MARKS)
