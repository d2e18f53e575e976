"""What `graphlint check` does with its options: lint, fix, show, and choose an exit status."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import click

from graphlint.cli._fixing import Outcome, fix_files, fix_stdin
from graphlint.cli._options import PerFile
from graphlint.cli._settings import Settings, describe
from graphlint.cli._sources import FileTexts
from graphlint.cli._writing import write
from graphlint.errors import GraphlintError
from graphlint.findings import Finding
from graphlint.linting import LintError, LintResult, lint_bytes, lint_files
from graphlint.output import Options, renderer
from graphlint.output.style import wants_color
from graphlint.output.wording import counted, summary
from graphlint.source.config import Config
from graphlint.source.discover import discover
from graphlint.source.read import decode_source

FOUND, FAILED = 1, 2
STDIN = Path("-")
FORMATS_FOR_PEOPLE = ("full", "concise", "grouped")


@dataclass(frozen=True)
class Request:
    """The options of one call, in the words of the command line."""

    paths: tuple[Path, ...] = ()
    fix: bool | None = None
    unsafe_fixes: bool = False
    diff: bool = False
    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None
    extend_select: tuple[str, ...] | None = None
    per_file_ignores: PerFile | None = None
    exclude: tuple[str, ...] | None = None
    extend_exclude: tuple[str, ...] | None = None
    profiles: tuple[Path, ...] = ()
    min_confidence: str | None = None
    output_format: str = "full"
    output_file: Path | None = None
    statistics: bool = False
    exit_zero: bool = False
    exit_non_zero_on_fix: bool = False
    show_files: bool = False
    show_settings: bool = False
    jobs: int = 0
    config: Path | None = None
    isolated: bool = False
    quiet: bool = False
    stdin_filename: Path | None = None

    def override(self, config: Config) -> Config:
        """Return a configuration with these options on top."""
        return config.override(
            select=self.select,
            ignore=self.ignore or (),
            extend_select=self.extend_select or (),
            exclude=self.exclude,
            extend_exclude=self.extend_exclude or (),
            per_file_ignores=self.per_file_ignores,
            min_confidence=self.min_confidence,
        )

    @property
    def fixing(self) -> bool:
        """Whether files are to be changed."""
        return bool(self.fix) and not self.diff


def check(request: Request) -> int:
    """Do what is asked, and return the exit status."""
    settings = Settings(request.override, request.config, request.isolated)
    if STDIN in request.paths:
        return _check_stdin(request, settings)
    paths = request.paths or (Path(),)
    config = settings.of_paths(paths)
    if request.show_settings:
        write(describe(config), request.output_file)
        return 0
    files = discover(paths, config)
    if request.show_files:
        write("".join(f"{file}\n" for file in files), request.output_file)
        return 0
    if not files and not request.quiet:
        _note("No Python files were found under the given paths.")
    jobs = request.jobs or None
    groups = settings.groups(files)
    result = LintResult.join(lint_files(group, config, jobs) for config, group in groups)
    outcome = Outcome(result)
    if request.fix or request.diff:
        outcome = fix_files(result, settings, request.unsafe_fixes, write=request.fixing)
    if request.fixing and outcome.fixed:
        # Files were mended one by one: what is left is seen only by looking at all of them again.
        again = LintResult.join(lint_files(group, config, jobs) for config, group in groups)
        failed = outcome.result.errors[len(result.errors) :]
        outcome = replace(outcome, result=replace(again, errors=(*again.errors, *failed)))
    return _show(request, outcome, FileTexts())


def _check_stdin(request: Request, settings: Settings) -> int:
    if len(request.paths) > 1:
        raise GraphlintError("`-` reads standard input: no other path can be named beside it.")
    filename = str(request.stdin_filename or STDIN)
    config = settings.of_folder(Path(filename).absolute().parent)
    if request.show_settings:
        write(describe(config), request.output_file)
        return 0
    data = sys.stdin.buffer.read()
    source = decode_source(data, filename)
    outcome = Outcome(lint_bytes(data, filename, config))
    text = source.text
    if request.fix or request.diff:
        outcome, text = fix_stdin(source, config, request.unsafe_fixes, outcome)
    if request.fixing:
        # What can't be decoded, or needs no mending, comes back as it came.
        sys.stdout.buffer.write(source.encode(text) if outcome.diff else data)
        sys.stdout.buffer.flush()
    return _show(request, outcome, FileTexts(filename, text))


def _show(request: Request, outcome: Outcome, sources: FileTexts) -> int:
    for error in outcome.result.errors:
        _complain(error)
    for finding in outcome.dropped:
        row = finding.location.row
        _note(f"{finding.filename}:{row}: the fix for {finding.code} did not hold; left as it was.")
    if request.diff:
        return _show_diff(request, outcome)
    findings = _measured(outcome.result.findings, request.profiles)
    # With `--fix`, standard output is the mended source, and the findings make way for it.
    aside = request.fixing and STDIN in request.paths
    stream = sys.stderr if aside else sys.stdout
    options = Options(
        color=request.output_file is None and wants_color(stream, os.environ),
        unsafe_fixes=request.unsafe_fixes,
        base=str(Path.cwd()),
    )
    text = _render(request, findings, sources, options)
    if request.output_format in FORMATS_FOR_PEOPLE and not request.quiet:
        failed = len({error.filename for error in outcome.result.errors})
        closing = summary(findings, options, len(outcome.fixed), failed)
        if request.output_file is None:
            text += f"{closing}\n"
    write(text, request.output_file, err=aside)
    return _status(request, outcome)


def _measured(findings: tuple[Finding, ...], profiles: tuple[Path, ...]) -> tuple[Finding, ...]:
    """Put what a run measured beside the findings, and those first whose graphs hold most."""
    if not profiles:
        return findings
    from graphlint.measuring import with_measurements
    from graphlint.profiles.merging import load_run

    joined = with_measurements(findings, load_run(profiles))
    return tuple(sorted(joined, key=_bytes_held, reverse=True))


def _bytes_held(finding: Finding) -> float:
    return finding.measured.exclusive_bytes_mean if finding.measured else -1.0


def _render(
    request: Request, findings: tuple[Finding, ...], sources: FileTexts, options: Options
) -> str:
    if request.statistics:
        from graphlint.output.statistics import render

        return render(findings, options, as_json=request.output_format == "json")
    return renderer(request.output_format)(findings, sources, options)


def _show_diff(request: Request, outcome: Outcome) -> int:
    write(outcome.diff, request.output_file)
    if not request.quiet:
        count = counted(len(outcome.fixed), "finding")
        _note(f"Would fix {count}." if outcome.fixed else "Nothing to fix.")
    if outcome.result.errors:
        return FAILED
    return FOUND if outcome.diff and not request.exit_zero else 0


def _status(request: Request, outcome: Outcome) -> int:
    if outcome.result.errors:
        return FAILED
    if outcome.fixed and request.exit_non_zero_on_fix:
        return FOUND
    return FOUND if outcome.result.findings and not request.exit_zero else 0


def _complain(error: LintError) -> None:
    _note(error.message)
    if error.detail and os.environ.get("GRAPHLINT_TRACEBACK"):
        _note(error.detail.rstrip())


def _note(text: str) -> None:
    click.echo(text, err=True)
