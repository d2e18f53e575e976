"""`graphlint.profile`: record a block or a function, as decorator or as context manager."""

from __future__ import annotations

import atexit
import sys
import weakref
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from graphlint.profiles import Profile
from graphlint.runtime.needs import OVERHEAD, require_torch
from graphlint.runtime.report import Report
from graphlint.runtime.wrapping import wrap

if TYPE_CHECKING:
    from typing_extensions import Self

    from graphlint.runtime.recorder import Recorder

F = TypeVar("F", bound=Callable[..., Any])


@overload
def profile(function: F, /) -> F: ...


@overload
def profile(
    *,
    every: int = 1,
    overhead: float | None = OVERHEAD,
    output: str | Path | None = None,
    summary: bool = True,
) -> Profiling: ...


def profile(
    function: Any = None,
    /,
    *,
    every: int = 1,
    overhead: float | None = OVERHEAD,
    output: str | Path | None = None,
    summary: bool = True,
) -> Any:
    """Record the backward passes of a block or of a function.

    ```python
    with graphlint.profile() as prof:
        train()
    print(prof.report)

    @graphlint.profile
    def train_step(batch): ...

    train_step(batch)
    print(train_step.report)
    ```

    A decorated function may be a generator, a coroutine function or an asynchronous generator; it
    is recorded while it runs, not while it waits for its caller. Its report counts all calls, and
    is shown on stderr when the program ends, if any pass kept its graph. What a call leaves alive
    is looked after until it dies, so that a later pass outside the function counts as reuse too.

    A block's report is about the block: a graph that is alive at its end, and was not visited again
    by then, leaves the verdict `unknown`.

    Recording is for the whole process: passes of other threads count while it is on.

    Args:
        function: the function to decorate; None where it is used with arguments or with `with`.
        every: measure the bytes of at most one in so many retained passes of a call. Beyond the
            first ten of a call, fewer are measured where all are alike, or where the time spent on
            it exceeds 2 % of the program's.
        overhead: the share of CPU time that the recorder's work may take. Where it is spent, kept
            graphs are left out of the record, but for the first ten of each call, and the first
            hundred where they are small; the report says how many. None leaves none out.
        output: a file to write the profile to, when the block or the program ends.
        summary: show the report of a decorated function when the program ends.

    Raises:
        ValueError: `every` is less than 1, or `overhead` not above 0.
        TorchMissingError: torch is not installed.
    """
    profiling = Profiling(every=every, overhead=overhead, output=output, summary=summary)
    return profiling if function is None else profiling(function)


class Profiling:
    """What `profile` returns: a context manager, and a decorator."""

    def __init__(
        self, *, every: int, overhead: float | None, output: str | Path | None, summary: bool
    ) -> None:
        """Set up; nothing is recorded before the block is entered or the function called."""
        if every < 1:
            raise ValueError(f"every must be at least 1, not {every}")
        if overhead is not None and not overhead > 0:
            raise ValueError(f"overhead must be a share above 0 (0.03 is 3 %), not {overhead}")
        require_torch()
        self._every = every
        self._overhead = overhead
        self._output = output
        self._summary = summary
        self._name = ""
        self._folder = str(Path.cwd())
        self._decorates = False

    @cached_property
    def _recorder(self) -> Recorder:
        from graphlint.runtime.recorder import Recorder

        return Recorder(every=self._every, overhead=self._overhead)

    @property
    def report(self) -> Report:
        """What was recorded up to now; it does not change any more."""
        return Report(self._profile())

    @property
    def retained(self) -> tuple[int, int, int]:
        """The bytes that kept graphs hold now and held at most, and how many passes kept theirs.

        This is cheap enough to be asked for after every step.
        """
        return self._recorder.retained

    def _profile(self) -> Profile:
        from graphlint.runtime.summary import summarise

        return summarise(self._recorder, program=self._name, folder=self._folder)

    def __enter__(self) -> Self:
        """Begin to record."""
        self._recorder.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop recording, and write the profile where that was asked for."""
        self._recorder.stop(follow=self._decorates)
        if self._output is not None and not self._decorates:
            self.report.save(self._output)

    def __call__(self, function: F) -> F:
        """Return the function, recorded whenever it runs; its `report` is always up to date."""
        self._name = getattr(function, "__qualname__", repr(function))
        self._decorates = True
        wrapper = wrap(self, function)
        wrapper.report = Report(self._profile)  # type: ignore[attr-defined]
        atexit.register(_finish, weakref.ref(self))
        return wrapper

    def finish(self) -> None:
        """Show and write the report of a decorated function, as is done when the program ends."""
        self._recorder.look_around(over=True)
        report = self.report
        if self._summary and report.profile.retained_anything:
            print(f"\n{report}", file=sys.stderr)
        if self._output is not None:
            report.save(self._output)


def _finish(reference: weakref.ref[Profiling]) -> None:
    profiling = reference()
    if profiling is not None:
        profiling.finish()
