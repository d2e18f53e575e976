"""What `--fix` and `--diff` make of files and of standard input."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from graphlint.cli._settings import Settings
from graphlint.errors import GraphlintError
from graphlint.findings import Finding
from graphlint.linting import LintError, LintResult
from graphlint.output import Options
from graphlint.output.wording import is_applied
from graphlint.source.config import Config
from graphlint.source.read import SourceFile


@dataclass(frozen=True)
class Outcome:
    """What was found, and what the fixes did about it.

    Attributes:
        result: what is left.
        fixed: the findings that were fixed, or would be.
        diff: the fixes as a diff, empty where they change nothing.
        dropped: the findings whose fixes did not hold.
    """

    result: LintResult
    fixed: tuple[Finding, ...] = ()
    diff: str = ""
    dropped: tuple[Finding, ...] = ()


def fix_files(result: LintResult, settings: Settings, unsafe: bool, *, write: bool) -> Outcome:
    """Fix the files that have something to fix, and put what is left of them into the result.

    Args:
        result: what linting said of all files.
        settings: says which configuration holds for a file.
        unsafe: apply unsafe fixes too.
        write: change the files; otherwise only say what would change.
    """
    options = Options(unsafe_fixes=unsafe)
    outcome = Outcome(result)
    for file in dict.fromkeys(f.filename for f in result.findings if is_applied(f.fix, options)):
        try:
            outcome = _fix_file(outcome, file, settings, unsafe, write=write)
        except GraphlintError as error:  # the other files can still be mended
            failed = (*outcome.result.errors, LintError(file, str(error)))
            outcome = replace(outcome, result=replace(outcome.result, errors=failed))
    return outcome


def _fix_file(
    outcome: Outcome, file: str, settings: Settings, unsafe: bool, *, write: bool
) -> Outcome:
    # Only where there is something to fix does start-up pay for the import.
    from graphlint.fixes import fix_file

    config = settings.of_folder(Path(file).absolute().parent)
    agreed = [finding for finding in outcome.result.findings if finding.filename == file]
    mended = fix_file(file, config, unsafe=unsafe, agreed=agreed)
    if write:
        mended.write()
    return Outcome(
        result=_replaced(outcome.result, file, mended.fixed.result),
        fixed=outcome.fixed + mended.fixed.applied,
        diff=outcome.diff + mended.diff(),
        dropped=outcome.dropped + mended.fixed.dropped,
    )


def fix_stdin(
    source: SourceFile, config: Config, unsafe: bool, outcome: Outcome
) -> tuple[Outcome, str]:
    """Fix a source that came in on standard input; return what is left, and the text."""
    from graphlint.fixes import fix_source, unified_diff

    if source.problem:
        return outcome, source.text
    fixed = fix_source(source, config, unsafe=unsafe)
    diff = unified_diff(source.text, fixed.text, source.filename)
    return Outcome(fixed.result, fixed.applied, diff, fixed.dropped), fixed.text


def _replaced(whole: LintResult, file: str, part: LintResult) -> LintResult:
    """Return a result in which what was said of a file is said anew."""

    def others(findings: Iterable[Finding]) -> tuple[Finding, ...]:
        return tuple(finding for finding in findings if finding.filename != file)

    rest = replace(
        whole,
        findings=others(whole.findings),
        suppressed=others(whole.suppressed),
        unsure=others(whole.unsure),
        files=whole.files - part.files,
    )
    return LintResult.join([rest, part])
