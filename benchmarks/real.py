"""Lint checkouts of real repositories whole, and score the findings against labelled call sites.

python benchmarks/real.py CHECKOUTS --labels labels.tsv [--only NAME] [--jobs 2] [--show-misses]

CHECKOUTS holds one folder for each repository, named OWNER+NAME. The labels are a table with the
columns repo, path, line, call, verdict and reason.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
WANTED: Mapping[str, frozenset[str]] = {
    "unneeded": frozenset({"RG101"}),
    "last-iteration": frozenset({"RG103"}),
    "redundant": frozenset({"RG104"}),
    "broken-step": frozenset({"RG105"}),
    "needed-combine": frozenset({"RG106"}),
    "needed-detach": frozenset({"RG106", "RG107"}),
    "missing": frozenset({"RG102", "RG108"}),
    "needed-carried": frozenset({"RG108"}),
    "leak": frozenset({"RG201", "RG202"}),
}
"""What each verdict wants to be found; those that are not here want silence."""


@dataclass(frozen=True)
class Label:
    """A labelled call site."""

    repo: str
    path: str
    line: int
    call: str
    verdict: str
    reason: str


@dataclass
class Tally:
    """Counts by verdict, and what is worth a look."""

    sites: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def add(self, label: Label, codes: frozenset[str]) -> None:
        """Count a site, given the codes of what was found there."""
        wanted = WANTED.get(label.verdict, frozenset())
        self.sites[label.verdict] += 1
        self.hits[label.verdict] += bool(wanted & codes)
        self.wrong[label.verdict] += bool(codes - wanted)
        if codes - wanted or (wanted and not wanted & codes):
            found = ", ".join(sorted(codes)) or "nothing"
            where = f"{label.repo} {label.path}:{label.line}"
            self.notes.append(f"{where}: {label.verdict}, found {found} ({label.reason})")

    def merge(self, other: Tally) -> None:
        """Count what another tally has counted."""
        self.sites += other.sites
        self.hits += other.hits
        self.wrong += other.wrong
        self.notes += other.notes

    def __str__(self) -> str:
        rows = [f"{'verdict':16} {'sites':>5} {'found':>5} {'other findings':>14}"]
        for verdict in sorted(self.sites):
            found = str(self.hits[verdict]) if verdict in WANTED else "-"
            rows.append(f"{verdict:16} {self.sites[verdict]:5} {found:>5} {self.wrong[verdict]:14}")
        return "\n".join(rows)


def read_labels(path: Path) -> list[Label]:
    """Read the table of labels."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return [
            Label(r["repo"], r["path"], int(r["line"]), r["call"], r["verdict"], r["reason"])
            for r in rows
            if r["line"].isdigit()
        ]


def score(folder: Path, labels: Sequence[Label]) -> Tally:
    """Lint one checkout and count its labelled sites."""
    from graphlint.linting import lint_paths
    from graphlint.source.config import Config

    tally = Tally()
    result = lint_paths([folder], Config())
    for error in result.errors:
        tally.notes.append(f"ERROR {error.message}")
    for label in labels:
        path = str(folder / label.path)
        here = (
            f.code
            for f in result.findings
            if f.filename == path and f.location.row <= label.line <= f.end_location.row
        )
        tally.add(label, frozenset(here))
    return tally


def by_folder(
    checkouts: Path, labels: Sequence[Label], only: str
) -> list[tuple[Path, list[Label]]]:
    """Group labels by checkout, of the repositories whose name has a text in it.

    The largest come first, so that processes that share them end at about the same time.
    """
    found: dict[Path, list[Label]] = {}
    for label in labels:
        if only in label.repo:
            found.setdefault(checkouts / label.repo.replace("/", "+"), []).append(label)
    return sorted(found.items(), key=lambda item: (-_bytes_of(item[0]), item[0]))


def _bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.py") if path.is_file())


def main() -> None:
    """Run the benchmark as the command line asks."""
    parser = argparse.ArgumentParser(description="Score graphlint on labelled repositories.")
    parser.add_argument("checkouts", type=Path, help="the folder with the checkouts")
    parser.add_argument("--labels", type=Path, required=True, help="the table of labels")
    parser.add_argument("--only", default="", help="only repositories whose name has this in it")
    parser.add_argument("--jobs", type=int, default=1, help="how many processes share the work")
    parser.add_argument("--show-misses", action="store_true", help="list misses and wrong findings")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    tally = Tally()
    started = time.perf_counter()
    work = by_folder(options.checkouts, read_labels(options.labels), options.only)
    with ProcessPoolExecutor(options.jobs) as pool:
        for part in pool.map(score, [folder for folder, _ in work], [sites for _, sites in work]):
            tally.merge(part)
    print(tally)
    print(f"{time.perf_counter() - started:.0f} s")
    if options.show_misses:
        print("\n".join(sorted(tally.notes)))


if __name__ == "__main__":
    main()
