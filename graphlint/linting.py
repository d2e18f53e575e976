"""Lint sources: observe, judge, attach fixes, leave out what the user asked to leave out."""

from __future__ import annotations

import os
import traceback
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from graphlint.errors import GraphlintError
from graphlint.findings import Applicability, Finding, Fix, Location
from graphlint.judge import judge
from graphlint.observing import Observed, observe_files
from graphlint.rules import Rule, all_rules
from graphlint.rules.rg000_syntax_error import RULE as RG000
from graphlint.selection import enabled_codes
from graphlint.source.config import Config
from graphlint.source.discover import discover
from graphlint.source.prefilter import can_hold_passes, can_hold_suppressions
from graphlint.source.read import SourceFile, SyntaxProblem, decode_source
from graphlint.source.suppress import Statements, may_be_unused, read_statements
from graphlint.source.syntax import UNPARSABLE, find_syntax_problem, parses
from graphlint.suppression import apply_suppressions
from graphlint.trace import Confidence, Site, Span, Trace

# Below so many files, starting processes costs more than they save.
_WORTH_PROCESSES = 64
_CHUNKS_PER_JOB = 8


@dataclass(frozen=True, slots=True)
class LintError:
    """A file that could not be linted: a mistake of graphlint's, or the system's refusal.

    Attributes:
        filename: the file.
        message: what happened and what to do.
        detail: the traceback, empty where there is none.
    """

    filename: str
    message: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class LintResult:
    """What linting said of some files.

    Attributes:
        findings: what is to be told, in source order.
        suppressed: the findings that comments suppress.
        unsure: the findings that are less sure than the configuration asks for.
        errors: files that could not be linted.
        files: how many files were looked at.
    """

    findings: tuple[Finding, ...] = ()
    suppressed: tuple[Finding, ...] = ()
    unsure: tuple[Finding, ...] = ()
    errors: tuple[LintError, ...] = ()
    files: int = 0

    @staticmethod
    def join(results: Iterable[LintResult]) -> LintResult:
        """Return what several results say together, in source order."""
        parts = list(results)
        return LintResult(
            _in_order(f for part in parts for f in part.findings),
            _in_order(f for part in parts for f in part.suppressed),
            _in_order(f for part in parts for f in part.unsure),
            tuple(sorted((e for part in parts for e in part.errors), key=lambda e: e.filename)),
            sum(part.files for part in parts),
        )


def lint_source(
    source: str, filename: str = "<string>", config: Config | None = None
) -> list[Finding]:
    """Lint the text of one file.

    Args:
        source: the text, with whatever newlines it has.
        filename: what to call it in findings; per-file-ignores match it too.
        config: what to look for, the defaults unless told. No configuration file is looked for.

    Returns:
        The findings in source order. A text that is no Python has one finding, RG000. Where the
        analysis itself fails, a `RuntimeWarning` says so.
    """
    result = lint_text(source, filename, config)
    for error in result.errors:
        warnings.warn(error.message, RuntimeWarning, stacklevel=2)
    return list(result.findings)


def lint_text(source: str, filename: str, config: Config | None = None) -> LintResult:
    """Lint the text of one file, and tell also what is left out and what went wrong.

    Args:
        source: the text, with whatever newlines it has.
        filename: what to call it.
        config: what to look for, the defaults unless told.
    """
    if "\0" in source:
        return lint_bytes(source.encode(errors="replace"), filename, config)
    return _lint(SourceFile(filename, source.removeprefix("\ufeff")), config or Config())


def lint_bytes(
    data: bytes,
    filename: str,
    config: Config | None = None,
    observed: Sequence[Finding] | None = None,
) -> LintResult:
    """Lint the bytes of one file.

    Args:
        data: the bytes, in whatever encoding their cookie names.
        filename: what to call it.
        config: what to look for, the defaults unless told.
        observed: what the rules find in it, where it was observed already.
    """
    config = config or Config()
    matters = can_hold_passes(data, config.backward_functions) or can_hold_suppressions(data)
    if observed or matters or not parses(data, filename):
        return _lint(decode_source(data, filename), config, observed)
    return LintResult(files=1)


def lint_file(
    path: Path | str, config: Config | None = None, observed: Sequence[Finding] | None = None
) -> LintResult:
    """Lint one file.

    Args:
        path: where it is; findings call it that.
        config: what to look for, the defaults unless told.
        observed: what the rules find in it, where it was observed already.

    Returns:
        The result. A file that can't be read is one of its errors.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        message = f"{path}: can't be read: {error.strerror or error}."
        return LintResult(errors=(LintError(str(path), message),))
    return lint_bytes(data, str(path), config, observed)


def lint_paths(
    paths: Iterable[Path | str], config: Config | None = None, jobs: int | None = 1
) -> LintResult:
    """Lint files and folders.

    Args:
        paths: the files and folders.
        config: what to look for, and where not to; the defaults unless told.
        jobs: how many processes to use where there are many files; None: one a processor.

    Raises:
        GraphlintError: a path doesn't exist, or a process died.
    """
    config = config or Config()
    return lint_files(discover(paths, config), config, jobs)


def lint_files(files: Sequence[str], config: Config, jobs: int | None = 1) -> LintResult:
    """Lint files that are known, together: calls are followed between them; see `lint_paths`."""
    try:
        observed = observe_files(files, config)
    # Whichever file it is that the observer fails on: each on its own will tell.
    except Exception as error:  # noqa: BLE001
        alone = _lint_observed(files, Observed(), config, jobs)
        if alone.errors:
            return alone
        return LintResult.join([alone, LintResult(errors=(_error_of_all(files, error),))])
    return _lint_observed(files, observed, config, jobs)


def _lint_observed(
    files: Sequence[str], observed: Observed, config: Config, jobs: int | None
) -> LintResult:
    """Lint files that were observed together, in several processes where that pays."""
    work = [(path, observed.findings.get(path)) for path in files if path not in observed.failures]
    errors = tuple(_internal_error(path, error) for path, error in observed.failures.items())
    broken = LintResult(errors=errors, files=len(errors))
    jobs = jobs or os.cpu_count() or 1
    if jobs < 2 or len(files) < _WORTH_PROCESSES:
        return LintResult.join([broken, _lint_chunk(work, config)])
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    # Every so many files, not runs of them: neighbours in a folder tend to be alike in cost.
    chunks = [work[start :: jobs * _CHUNKS_PER_JOB] for start in range(jobs * _CHUNKS_PER_JOB)]
    with ProcessPoolExecutor(jobs) as pool:
        try:
            parts = list(pool.map(_lint_chunk, chunks, [config] * len(chunks)))
        except BrokenProcessPool as error:
            raise GraphlintError(
                "A process that lints was killed, perhaps for want of memory. Run again with "
                "`--jobs 1`, or on fewer files, to see which file it is."
            ) from error
    return LintResult.join([broken, *parts])


def _lint_chunk(work: Sequence[tuple[str, list[Finding] | None]], config: Config) -> LintResult:
    return LintResult.join(lint_file(path, config, observed) for path, observed in work)


def _lint(
    source: SourceFile, config: Config, observed: Sequence[Finding] | None = None
) -> LintResult:
    enabled = enabled_codes(config, source.filename)
    rules = {rule.code: rule for rule in all_rules() if rule.code in enabled}
    try:
        found, problem = list(observed or ()), source.problem
        if observed is None:
            trace = _observe(source, config)
            if isinstance(trace, Trace):
                found = judge(trace, rules.values())
            else:
                found, problem = [_rg000(source, trace)], trace
        found = [_with_fix(f, rules[f.code], source) for f in found if f.code in enabled]
    # The one boundary: whatever is wrong in the analysis of one file, the others are still linted.
    except Exception as error:  # noqa: BLE001
        return LintResult(errors=(_internal_error(source.filename, error),), files=1)
    statements = _read_statements(source.text, found)
    divided = apply_suppressions(
        found, statements, enabled, source.filename, report_unused=problem is None
    )
    least = Confidence(config.min_confidence).rank
    return LintResult(
        findings=_in_order(f for f in divided.kept if f.confidence.rank >= least),
        suppressed=_in_order(divided.hidden),
        unsure=_in_order(f for f in divided.kept if f.confidence.rank < least),
        files=1,
    )


def _observe(source: SourceFile, config: Config) -> Trace | SyntaxProblem:
    """Ask the static observer, or say why the source is no Python."""
    if source.problem:
        return source.problem
    text, names = source.text, config.backward_functions
    if not can_hold_passes(text.encode(errors="replace"), names):
        return find_syntax_problem(text, source.filename) or Trace()
    from graphlint.static import observe

    try:
        return observe(text, source.filename, names, config.sinks)
    except UNPARSABLE:
        problem = find_syntax_problem(text, source.filename)
        if problem is None:
            raise  # the text is Python: the mistake is the observer's
        return problem


def _rg000(source: SourceFile, problem: SyntaxProblem) -> Finding:
    return Finding(
        code=RG000.code,
        name=RG000.name,
        message=f"The file cannot be parsed, and nothing in it was checked: {problem.message}.",
        filename=source.filename,
        location=Location(problem.row, problem.column),
        end_location=Location(problem.row, problem.column),
        url=RG000.url,
    )


def _internal_error(filename: str, error: Exception) -> LintError:
    message = (
        f"{filename}: graphlint failed on this file, by a mistake of its own "
        f"({type(error).__name__}: {error}). Please report it, with the file if you may share it; "
        "the other files were linted."
    )
    return LintError(filename, message, "".join(traceback.format_exception(error)))


def _error_of_all(files: Sequence[str], error: Exception) -> LintError:
    """Say that files can be linted one by one, but not together."""
    folder = os.path.commonpath([Path(file).absolute() for file in files])
    message = (
        f"{folder}: graphlint failed on the files there together, by a mistake of its own "
        f"({type(error).__name__}: {error}). Please report it, with the files if you may share "
        "them; each was linted on its own, without what it imports."
    )
    return LintError(folder, message, "".join(traceback.format_exception(error)))


def _with_fix(finding: Finding, rule: Rule, source: SourceFile) -> Finding:
    """Attach the rule's fix, which is only as safe as the finding is sure."""
    if finding.filename != source.filename:
        return finding
    start, end = finding.location, finding.end_location
    site = Site(finding.filename, Span(start.row, start.column, end.row, end.column))
    fix = None
    if rule.fix_at and finding.places and all(p.filename == site.filename for p in finding.places):
        fix = rule.fix_at(source.text, site, finding.places)
    elif fixer := rule.repairs[finding.repair] if finding.repair else rule.fix:
        fix = fixer(source.text, site)
    return replace(finding, fix=_doubted(fix, finding.confidence)) if fix else finding


def _doubted(fix: Fix, confidence: Confidence) -> Fix:
    if fix.applicability is not Applicability.SAFE or confidence.rank >= Confidence.CERTAIN.rank:
        return fix
    message = f"{fix.message} Unsafe, as the finding is {confidence} and not certain."
    return replace(fix, applicability=Applicability.UNSAFE, message=message)


def _read_statements(text: str, found: Sequence[Finding]) -> Statements:
    """Tokenize a text, but only where somebody asks for its rows or comments."""
    return read_statements(text) if found or may_be_unused(text) else Statements()


def _in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda finding: finding.sort_key))
