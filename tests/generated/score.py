"""Compare findings with the truth: precision and recall for each verdict, and every miss."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from .facts import Row
from .marks import (
    LEAK,
    MAYBE_LEAK,
    MISSING_CREATE,
    MISSING_RETAIN_GRAD,
    UNNEEDED_CREATE,
    UNNEEDED_RETAIN_GRAD,
)
from .oracle import (
    CARRIED,
    FINE,
    LAST,
    LAST_PASS,
    MISSING,
    REDUNDANT,
    STEP,
    UNKNOWN,
    UNNEEDED,
    Judgement,
    Site,
    examine,
)
from .program import MAIN, Program
from .repairs import COMBINABLE, DETACHABLE

if TYPE_CHECKING:
    from graphlint.findings import Finding

CODES = {
    "RG101": UNNEEDED,
    "RG102": MISSING,
    "RG103": LAST,
    "RG104": REDUNDANT,
    "RG105": STEP,
    "RG106": COMBINABLE,
    "RG107": DETACHABLE,
    "RG108": MISSING,
    "RG201": LEAK,
    "RG202": LEAK,
    "RG302": UNNEEDED_CREATE,
    "RG303": MISSING_CREATE,
    "RG401": MISSING_RETAIN_GRAD,
    "RG402": UNNEEDED_RETAIN_GRAD,
}
MARKED = (
    LEAK,
    UNNEEDED_CREATE,
    MISSING_CREATE,
    UNNEEDED_RETAIN_GRAD,
    MISSING_RETAIN_GRAD,
    COMBINABLE,
    DETACHABLE,
)
REPORTED = ("certain", "likely")


@dataclass(frozen=True)
class Found:
    """One finding, as far as it counts here."""

    code: str
    row: int
    confidence: str
    file: str = MAIN

    @property
    def place(self) -> Row:
        """Where it stands."""
        return self.file, self.row


@dataclass(frozen=True)
class Note:
    """A miss or a false finding: where, and what was expected or said."""

    seed: int
    file: str
    row: int
    text: str
    line: str
    shapes: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = f"seed {self.seed} ({', '.join(self.shapes)}), {self.file}:{self.row}"
        return f"{where}: {self.text}: {self.line}"


@dataclass(frozen=True)
class Tally:
    """What was found of one verdict."""

    verdict: str
    right: int = 0
    wrong: int = 0
    found: int = 0
    expected: int = 0

    @property
    def precision(self) -> float:
        """The share of the findings that are right."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        """The share of what is true that was found."""
        return self.found / self.expected if self.expected else 1.0

    def __str__(self) -> str:
        return (
            f"{self.verdict:18} precision {self.precision:7.2%} ({self.right} right, "
            f"{self.wrong} wrong)  recall {self.recall:7.2%} ({self.found} of {self.expected})"
        )


@dataclass(frozen=True)
class Scores:
    """The outcome over many programs; "certain" counts the certain RG101 alone."""

    tallies: dict[str, Tally]
    misses: tuple[Note, ...] = ()
    false: tuple[Note, ...] = ()
    programs: int = 0

    def __str__(self) -> str:
        return "\n".join([f"{self.programs} programs", *map(str, self.tallies.values())])


@dataclass
class _Count:
    verdict: str
    right: int = 0
    wrong: int = 0
    found: int = 0
    expected: int = 0
    misses: list[Note] = field(default_factory=list)
    false: list[Note] = field(default_factory=list)

    def tally(self) -> Tally:
        return Tally(self.verdict, self.right, self.wrong, self.found, self.expected)


Lint = Callable[[Program], Iterable[Found]]


def lint(program: Program) -> list[Found]:
    """Run graphlint over a program's files."""
    import graphlint
    from graphlint.linting import lint_paths

    if len(program.files) == 1:
        ((name, text),) = program.files.items()
        return [_found(finding, name) for finding in graphlint.lint_source(text, name)]
    with TemporaryDirectory() as folder:
        for name, text in program.files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        result = lint_paths([folder])
        if result.errors:
            raise AssertionError(result.errors[0].message)
        return [_found(f, str(Path(f.filename).relative_to(folder))) for f in result.findings]


def _found(finding: Finding, name: str) -> Found:
    return Found(finding.code, finding.location.row, str(finding.confidence.value), name)


def score(programs: Iterable[Program], linter: Lint = lint) -> Scores:
    """Lint programs and compare what is found with what is true."""
    judged = ((program, examine(program)) for program in programs)
    found = ((p, j, list(linter(p))) for p, j in judged)
    return score_judged(found)


def score_judged(judged: Iterable[tuple[Program, Judgement, list[Found]]]) -> Scores:
    """Compare findings with judgements that exist already."""
    verdicts = (UNNEEDED, MISSING, LAST, REDUNDANT, STEP, "certain", *MARKED)
    counts = {verdict: _Count(verdict) for verdict in verdicts}
    programs = 0
    for program, judgement, findings in judged:
        programs += 1
        reported = [f for f in findings if f.confidence in REPORTED and f.code in CODES]
        for found in reported:
            _count_finding(counts, program, judgement, found)
        for verdict in verdicts:
            _count_expected(counts[verdict], program, judgement, reported)
    return Scores(
        tallies={verdict: count.tally() for verdict, count in counts.items()},
        misses=tuple(note for count in counts.values() for note in count.misses),
        false=tuple(note for count in counts.values() for note in count.false),
        programs=programs,
    )


def _count_finding(
    counts: dict[str, _Count], program: Program, judgement: Judgement, found: Found
) -> None:
    if CODES[found.code] in MARKED:
        _count_marked(counts[CODES[found.code]], program, judgement, found)
        return
    sites = [site for site in judgement.sites if found.place in site.rows]
    if sites and all(_undecided(site, found.code) for site in sites):
        return
    right = any(_supports(site, found.code) for site in sites) or _on_clash(judgement, found)
    if judgement.errors and not right:
        return  # what would follow can't be told
    counted = [counts[CODES[found.code]]]
    if found.code == "RG101" and found.confidence == "certain":
        counted.append(counts["certain"])
    for count in counted:
        count.right += right
        count.wrong += not right
    if not right:
        truth = ", ".join(sorted({v for site in sites for v in site.verdicts})) or "no site"
        text = f"{found.code} ({found.confidence}), but {truth}"
        counted[0].false.append(_note(program, found.place, text))


def _count_marked(count: _Count, program: Program, judgement: Judgement, found: Found) -> None:
    if judgement.crashes:
        return
    here = {mark.verdict for mark in judgement.marks if found.place in mark.rows}
    if count.verdict == LEAK and MAYBE_LEAK in here:
        return  # the loop is too short to tell
    right = count.verdict in here and found.code not in program.meant
    if judgement.errors and not right:
        return  # what would follow can't be told
    count.right += right
    count.wrong += not right
    if not right:
        truth = ", ".join(sorted(here)) or "fine"
        text = f"{found.code} ({found.confidence}), but {truth}"
        count.false.append(_note(program, found.place, text))


def _undecided(site: Site, code: str) -> bool:
    """Tell whether a finding is neither right nor wrong.

    That is so where nothing ran, and where a flag is there to drop but never on: dropping it is
    harmless.
    """
    never_on = site.flag and FINE in site.verdicts
    return UNKNOWN in site.verdicts or (code == "RG101" and never_on)


def _supports(site: Site, code: str) -> bool:
    """Tell whether a verdict makes a finding right."""
    if code == "RG108" and CARRIED in site.verdicts:
        return True
    if code == "RG103" and LAST_PASS in site.verdicts:
        return True
    return CODES[code] in site.verdicts


def _on_clash(judgement: Judgement, found: Found) -> bool:
    return found.code == "RG105" and any(found.place in clash.rows for clash in judgement.clashes)


def _count_expected(
    count: _Count, program: Program, judgement: Judgement, reported: list[Found]
) -> None:
    verdict = UNNEEDED if count.verdict == "certain" else count.verdict
    sure = count.verdict == "certain"
    rows = {
        f.place
        for f in reported
        if CODES[f.code] == verdict and (f.confidence == "certain" or not sure)
    }
    if verdict in {CODES[code] for code in program.meant}:
        return
    if verdict == MISSING_CREATE and not judgement.errors and "RG303" not in program.wanted:
        return  # where the results change with the flag, the gradient may be meant as a constant
    for place, allowed in _expected(judgement, verdict):
        count.expected += 1
        if allowed & rows:
            count.found += 1
        elif not sure:
            said = sorted(f"{f.code} ({f.confidence})" for f in reported if f.place in allowed)
            text = f"{verdict} not found{', but ' + ', '.join(said) if said else ''}"
            count.misses.append(_note(program, place, text))


def _expected(judgement: Judgement, verdict: str) -> Iterator[tuple[Row, frozenset[Row]]]:
    """Yield what should be found: a place, and all places at which the finding may stand.

    What is wrong with the last iteration need not be said of a pass that raises.
    """
    if verdict in MARKED:
        for mark in judgement.marks:
            if mark.verdict == verdict and not mark.beside:
                yield mark.place, mark.rows
        return
    if verdict == STEP:
        for clash in judgement.clashes:
            if not clash.freed:
                yield clash.later, clash.rows
        return
    for site in judgement.sites:
        broken = verdict == LAST and site.verdicts & {MISSING, STEP}
        if verdict in site.verdicts and not broken:
            yield (site.file, site.row), site.rows


def _note(program: Program, place: Row, text: str) -> Note:
    file, row = place
    return Note(program.seed, file, row, text, program.line(row, file).strip(), program.shapes)
