"""Run generated programs under the recorder, and hold its verdicts to what is true of the calls.

A verdict speaks of one run, so each setting of a program's switches is a case of its own. Where
torch refuses no pass, the oracle's runs with flags forced off confirm what is true. Where it does,
only the passes up to there count, and what the nodes show: the refused pass kept nothing, but it
was on its way to what others had kept.

A pass with `create_graph` also keeps the graph that it makes. The recorder counts who visits that;
the oracle counts who visits the graph that the pass went through. The two differ where the graph
of the gradients does not lead back to that one: of `point ** 4` it starts from `point` itself.
"""

from __future__ import annotations

import ast
import contextlib
import linecache
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from unittest import mock

from graphlint.profiles import Profile
from graphlint.runtime.needs import OVERHEAD
from graphlint.runtime.recorder import Recorder
from graphlint.runtime.summary import summarise

from .facts import DisagreementError, Fact, Row, Start, View, facts_of, view
from .outcome import Control, Execution, Outcome
from .places import FOLDER, parse
from .program import Program, Setting
from .running import execute

UNNEEDED = "unneeded"
NEEDED = "needed"
PARTLY = "partly"
NOT_RETAINED = "not-retained"
Verdicts = dict[Row, tuple[str, ...]]


@dataclass(frozen=True)
class Compared:
    """The verdicts on the calls of one row in one run: two of a kind if the row holds two calls.

    Attributes:
        seed: what the program was made from.
        setting: the number of the setting that it ran in.
        row: the calls' file and first row.
        line: the text of the row.
        shapes: the program's building blocks.
        recorded: what the recorder says.
        true: what the runs of the oracle say.
    """

    seed: int
    setting: int
    row: Row
    line: str
    shapes: tuple[str, ...]
    recorded: tuple[str, ...]
    true: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether the recorder is right."""
        return self.recorded == self.true

    @property
    def retains(self) -> bool:
        """Whether a pass kept its graph, or the recorder says that one did."""
        return bool({*self.recorded, *self.true} - {NOT_RETAINED})

    def __str__(self) -> str:
        where = f"seed {self.seed}, setting {self.setting} ({', '.join(self.shapes)})"
        said = f"recorded {' '.join(self.recorded) or 'no call'}, true {' '.join(self.true)}"
        return f"{where}, {self.row[0]}:{self.row[1]}: {said}: {self.line}"


@dataclass(frozen=True)
class Recorded:
    """A run under the recorder: its profile, what it printed, and how it ended if not well."""

    profile: Profile
    output: str
    error: str


def compare(program: Program) -> Iterator[Compared]:
    """Run a program in all its settings, and yield the verdicts on each of its calls that ran.

    Raises:
        DisagreementError: the oracle contradicts itself, or the recorder changed the run or failed.
    """
    source = parse(program.files)
    for number, setting in enumerate(program.settings()):
        start = Start(source, program.main, setting)
        seen = view(start)
        ran = record(program, setting)
        _check_harmless(ran, seen.written)
        recorded = _recorded_verdicts(ran.profile)
        for row, true in _true_verdicts(start, seen).items():
            line = program.line(row[1], row[0]).strip()
            said = recorded.get(row, ())
            yield Compared(program.seed, number, row, line, program.shapes, said, true)


def record(program: Program, setting: Setting) -> Recorded:
    """Run a program as it is written, under a recorder as users get it."""
    files = {FOLDER + name: text for name, text in program.files.items()}
    codes = {name: compile(text, FOLDER + name, "exec") for name, text in program.files.items()}
    recorder = Recorder(overhead=OVERHEAD)
    with _readable(files):
        recorder.start()
        try:
            output, error = execute(codes, setting, program.main)
        finally:
            recorder.stop(over=True)
        profile = summarise(recorder, program=program.main, final=True, judge=None)
    return Recorded(profile, output, error)


def _check_harmless(ran: Recorded, written: Outcome) -> None:
    if (ran.output, ran.error) != (written.output, written.error):
        raise DisagreementError(f"recording changes the results: {ran.error or ran.output}")
    if ran.profile.recorder_errors:
        raise DisagreementError("the recorder failed")


@contextlib.contextmanager
def _readable(files: dict[str, str]) -> Iterator[None]:
    """Let who asks for the source of a file that is on no disk find it."""
    entries = {
        name: (len(text), None, text.splitlines(keepends=True), name)
        for name, text in files.items()
    }
    with mock.patch.dict(linecache.cache, entries):
        yield


def _recorded_verdicts(profile: Profile) -> Verdicts:
    said = ((site.filename.removeprefix(FOLDER), site.row, site.verdict) for site in profile.sites)
    return _by_row(((file, row), verdict) for file, row, verdict in said)


def _true_verdicts(start: Start, seen: View) -> Verdicts:
    by_call: dict[ast.Call, list[Fact]] = defaultdict(list)
    for fact in _facts_as_written(start) if seen.crashes else seen.facts:
        by_call[fact.execution.call].append(fact)
    return _by_row(
        (start.source.where(call), _verdict_of(facts)) for call, facts in by_call.items()
    )


def _facts_as_written(start: Start) -> Iterator[Fact]:
    return facts_of(start.run(Control(survey=True)).executions)


def _verdict_of(facts: list[Fact]) -> str:
    """Word what is true of a call whose passes are these."""
    needed = {fact.needed for fact in facts if _keeps(fact.execution)}
    if not needed:
        return NOT_RETAINED
    if len(needed) > 1:
        return PARTLY
    return NEEDED if needed == {True} else UNNEEDED


def _keeps(execution: Execution) -> bool:
    return (execution.asked or execution.creates) and not execution.error


def _by_row(verdicts: Iterable[tuple[Row, str]]) -> Verdicts:
    by_row: dict[Row, list[str]] = defaultdict(list)
    for row, verdict in verdicts:
        by_row[row].append(verdict)
    return {row: tuple(sorted(words)) for row, words in by_row.items()}
