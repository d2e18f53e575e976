"""Compare findings with the truth: precision and recall for each verdict, and every miss."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

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

CODES = {
    "RG101": UNNEEDED,
    "RG102": MISSING,
    "RG103": LAST,
    "RG104": REDUNDANT,
    "RG105": STEP,
    "RG108": MISSING,
}
REPORTED = ("certain", "likely")


@dataclass(frozen=True)
class Found:
    """One finding, as far as it counts here."""

    code: str
    row: int
    confidence: str


@dataclass(frozen=True)
class Note:
    """A miss or a false finding: where, and what was expected or said."""

    seed: int
    row: int
    text: str
    line: str

    def __str__(self) -> str:
        return f"seed {self.seed}, line {self.row}: {self.text}: {self.line}"


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


Lint = Callable[[str, str], Iterable[Found]]


def lint(source: str, filename: str) -> list[Found]:
    """Run graphlint over a source text."""
    import graphlint

    findings = graphlint.lint_source(source, filename)
    return [Found(f.code, f.location.row, str(f.confidence.value)) for f in findings]


def score(programs: Iterable[Program], linter: Lint = lint) -> Scores:
    """Lint programs and compare what is found with what is true."""
    judged = ((program, examine(program)) for program in programs)
    found = ((p, j, list(linter(p.files[MAIN], MAIN))) for p, j in judged)
    return score_judged(found)


def score_judged(judged: Iterable[tuple[Program, Judgement, list[Found]]]) -> Scores:
    """Compare findings with judgements that exist already."""
    verdicts = (UNNEEDED, MISSING, LAST, REDUNDANT, STEP, "certain")
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
    sites = [site for site in judgement.sites if found.row in site.rows]
    if sites and all(_undecided(site, found.code) for site in sites):
        return
    right = any(_supports(site, found.code) for site in sites) or _on_clash(judgement, found)
    counted = [counts[CODES[found.code]]]
    if found.code == "RG101" and found.confidence == "certain":
        counted.append(counts["certain"])
    for count in counted:
        count.right += right
        count.wrong += not right
    if not right:
        truth = ", ".join(sorted({v for site in sites for v in site.verdicts})) or "no site"
        text = f"{found.code} ({found.confidence}), but {truth}"
        counted[0].false.append(Note(program.seed, found.row, text, _line(program, found.row)))


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
    return found.code == "RG105" and any(found.row in clash.rows for clash in judgement.clashes)


def _count_expected(
    count: _Count, program: Program, judgement: Judgement, reported: list[Found]
) -> None:
    verdict = UNNEEDED if count.verdict == "certain" else count.verdict
    sure = count.verdict == "certain"
    rows = {
        f.row
        for f in reported
        if CODES[f.code] == verdict and (f.confidence == "certain" or not sure)
    }
    for row, allowed in _expected(judgement, verdict):
        count.expected += 1
        if allowed & rows:
            count.found += 1
        elif not sure:
            said = sorted(f"{f.code} ({f.confidence})" for f in reported if f.row in allowed)
            text = f"{verdict} not found{', but ' + ', '.join(said) if said else ''}"
            count.misses.append(Note(program.seed, row, text, _line(program, row)))


def _expected(judgement: Judgement, verdict: str) -> Iterator[tuple[int, frozenset[int]]]:
    """Yield what should be found: a row, and all rows at which the finding may stand.

    What is wrong with the last iteration need not be said of a pass that raises.
    """
    if verdict == STEP:
        for clash in judgement.clashes:
            if not clash.freed:
                yield clash.later, clash.rows
        return
    for site in judgement.sites:
        broken = verdict == LAST and site.verdicts & {MISSING, STEP}
        if verdict in site.verdicts and not broken:
            yield site.row, site.rows


def _line(program: Program, row: int) -> str:
    return program.line(row).strip()
