"""Run a program under the recorder, as Python itself would run it.

The recorder starts when the program imports torch, not before: importing it early would read
environment variables before the program has set them.
"""

from __future__ import annotations

import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from graphlint.profiles import Profile
from graphlint.runtime.guard import Guard
from graphlint.runtime.imports import when_imported
from graphlint.runtime.main_module import MainModule, as_main, find_module, find_script
from graphlint.runtime.needs import OVERHEAD, require_torch
from graphlint.runtime.report import Report

if TYPE_CHECKING:
    from graphlint.runtime.recorder import Recorder

_HERE = str(Path(__file__).parent) + os.sep
_INTERRUPTED = 130  # what a shell makes of a process that SIGINT ended
_CALLS_IN_C = 2  # `exec` and such have no frame, and count as calls before Python 3.12


@dataclass(frozen=True)
class RunOptions:
    """How to run a program.

    Attributes:
        module: the target is a module's name, as after `python -m`, not a file.
        output: a file to write the profile to. Of several processes of a launcher each writes its
            own: `profile.json` becomes `profile.rank0.json`.
        every: measure the bytes of at most one in so many retained passes of a call.
        overhead: the share of CPU time that may go into looking at graphs, None for any.
        watch: shows what is recorded while the program runs: it is handed a function that returns
            the profile up to now, None before there is any, and is entered around the program.
    """

    module: bool = False
    output: Path | None = None
    every: int = 1
    overhead: float | None = OVERHEAD
    watch: Callable[[Callable[[], Profile | None]], AbstractContextManager[object]] | None = None


@dataclass(frozen=True)
class RunResult:
    """What became of a program.

    Attributes:
        exit_status: the status that Python would have exited with.
        report: what was recorded.
        output: the file that the profile was written to.
        unwritten: why it could not be written, "" where it was, or was not asked for.
        interrupted: a KeyboardInterrupt ended the program, which Python answers with a signal.
    """

    exit_status: int
    report: Report
    output: Path | None = None
    unwritten: str = ""
    interrupted: bool = False


def run_program(
    target: str, argv: Sequence[str] = (), options: RunOptions | None = None
) -> RunResult:
    """Run a program in this process as `__main__`, and record it.

    The program sees its own `sys.argv` and `sys.path`. What it raises is shown as Python shows it,
    through `sys.excepthook`, and turned into an exit status; the profile is written all the same.

    Args:
        target: a script, a folder or archive with a `__main__`, or a module's name.
        argv: the program's arguments.
        options: how to run it.

    Raises:
        GraphlintError: there is no such program.
        TorchMissingError: torch is not installed.
    """
    options = options or RunOptions()
    require_torch()
    main = find_module(target) if options.module else find_script(target)
    session = _Session(options, str(Path.cwd()))
    watch = options.watch(lambda: session.now(target)) if options.watch else nullcontext()
    with as_main(main, list(argv)) as module, when_imported("torch", session.begin), watch:
        try:
            end = _run(main, module.__dict__)
        finally:
            session.stop()
        # Inside the block: the program's own variables are alive still, as what they hold is.
        profile = session.profile(target)
    result = RunResult(end.status, Report(profile), interrupted=end.interrupted)
    return result if options.output is None else _written(result, profile, options.output)


def _written(result: RunResult, profile: Profile, path: Path) -> RunResult:
    """Write the profile; a file that can't be written takes nothing else of a run away."""
    path = path_of_rank(path, profile)
    try:
        profile.save(path)
    except OSError as error:
        return replace(result, unwritten=f"{path}: can't be written: {error.strerror}.")
    return replace(result, output=path)


def path_of_rank(path: Path, profile: Profile) -> Path:
    """Name the file of one process of several: `profile.json` becomes `profile.rank0.json`."""
    if "RANK" not in os.environ and profile.world_size == 1:
        return path
    stem = path.name.removesuffix(".json")
    return path.with_name(f"{stem}.rank{profile.rank}.json")


class _Session:
    """A recorder that starts when torch is there."""

    def __init__(self, options: RunOptions, folder: str) -> None:
        self._options = options
        self._folder = folder
        self._guard = Guard()
        self._recorder: Recorder | None = None
        self._started = time.perf_counter()

    def begin(self) -> None:
        """Start to record, now that the program has imported torch."""
        self._guard.run(self._begin)

    def _begin(self) -> None:
        from graphlint.runtime.recorder import Recorder

        recorder = Recorder(every=self._options.every, overhead=self._options.overhead)
        recorder.start()
        self._recorder = recorder

    def stop(self) -> None:
        """Record no more."""
        if self._recorder is not None:
            self._recorder.stop(over=True)

    def now(self, program: str) -> Profile | None:
        """Return what was recorded up to now, without the rules' findings."""
        if self._recorder is None:
            return None
        from graphlint.runtime.summary import summarise

        return self._guard.run(
            summarise, self._recorder, program=program, folder=self._folder, judge=None
        )

    def profile(self, program: str) -> Profile:
        """Return what was recorded; an empty profile where the program had no use for torch."""
        if self._recorder is not None:
            from graphlint.runtime.summary import summarise

            profile = self._guard.run(
                summarise, self._recorder, program=program, folder=self._folder, final=True
            )
            if profile is not None:
                return profile
        duration = time.perf_counter() - self._started
        return Profile(
            program=program,
            python=platform.python_version(),
            duration_s=duration,
            recorder_errors=self._guard.errors,
        )


@dataclass(frozen=True)
class _End:
    """How a program came to its end."""

    status: int
    interrupted: bool = False


def _run(main: MainModule, namespace: dict[str, object]) -> _End:
    """Run the program to its end, its threads' end too."""
    try:
        loaded = main.load()
        namespace.update(loaded.attributes)
        with _room_below(sys._getframe()):
            exec(loaded.code, namespace)
        _join_threads()
    except SystemExit as error:
        return _End(_status_of(error))
    except BaseException as error:  # Python's own last resort catches everything, so does this
        if _is_ours(error):
            raise
        _strip(error)
        sys.excepthook(type(error), error, error.__traceback__)
        interrupted = isinstance(error, KeyboardInterrupt)
        return _End(_INTERRUPTED if interrupted else 1, interrupted)
    return _End(0)


@contextmanager
def _room_below(frame: FrameType) -> Iterator[None]:
    """Let calls nest as deeply below a frame as they do in a program that has the whole stack."""
    depth = _CALLS_IN_C
    above: FrameType | None = frame
    while above is not None:
        depth, above = depth + 1, above.f_back
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + depth)
    try:
        yield
    finally:
        if sys.getrecursionlimit() == limit + depth:
            sys.setrecursionlimit(limit)


def _is_ours(error: BaseException) -> bool:
    """Whether graphlint raised an error, of a program that could not even be found."""
    from graphlint.errors import GraphlintError

    return isinstance(error, GraphlintError)


def _status_of(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code
    print(error.code, file=sys.stderr)
    return 1


def _join_threads() -> None:
    """Wait for the program's threads, as Python does before it exits."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()


def _strip(error: BaseException | None, seen: frozenset[int] = frozenset()) -> None:
    """Take graphlint's frames out of an error's traceback, and of those of its causes."""
    if error is None or id(error) in seen:
        return
    error.__traceback__ = _without_ours(error.__traceback__)
    for cause in (error.__cause__, error.__context__):
        _strip(cause, seen | {id(error)})


def _without_ours(trace: TracebackType | None) -> TracebackType | None:
    entries = []
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith(_HERE):
            entries.append(trace)
        trace = trace.tb_next
    for entry, following in zip_longest(entries, entries[1:]):
        entry.tb_next = following
    return entries[0] if entries else None
