"""Helpers: record a function, and look its calls up by what stands beside them."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import graphlint
from graphlint.profiles import Profile, SiteProfile
from graphlint.runtime.calls import Sources
from graphlint.runtime.recorder import Recorder
from graphlint.runtime.summary import summarise
from graphlint.runtime.traces import make_trace
from graphlint.trace import Trace


@contextmanager
def patience() -> Iterator[None]:
    """Have the first graphs of a call looked at, however slow the machine is at the moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("graphlint.runtime.recorder.EAGER_SECONDS", {True: math.inf, False: math.inf})
        yield


class Recorded:
    """What a function did under the recorder; a call is named by a comment on its first row."""

    def __init__(self, function: Callable[[], object], final: bool = True, **options: int) -> None:
        self.recorder = Recorder(**options)
        self.error: RuntimeError | None = None
        self.recorder.start()
        try:
            self.result = function()
        except RuntimeError as error:
            self.error = error.with_traceback(None)
        finally:
            self.recorder.stop()
        self._final = final

    @property
    def profile(self) -> Profile:
        profile = summarise(self.recorder, final=self._final)
        assert profile.recorder_errors == 0, self.recorder.guard.first
        return profile

    @property
    def trace(self) -> Trace:
        visits = [visit for visit, _ in self.recorder.settle()]
        return make_trace(self.recorder, visits, self._final, Sources(str(Path.cwd())))

    @property
    def codes(self) -> list[tuple[str, str]]:
        """The rules' findings: code and name of the call."""
        return [
            (str(f["code"]), name_of(str(f["filename"]), f["location"]["row"]))
            for f in self.profile.findings
        ]

    def site(self, name: str) -> SiteProfile:
        found = [s for s in self.profile.sites if name_of(s.filename, s.row) == name]
        assert len(found) == 1, [(s.filename, s.row) for s in self.profile.sites]
        return found[0]


def python(script: Path, *args: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, in which this graphlint can be imported."""
    root = str(Path(graphlint.__file__).parent.parent)
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, str(script), *args],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": path, **variables},
    )


def name_of(filename: str, row: int) -> str:
    """Return the comment behind a row of a file."""
    line = Path(filename).read_text(encoding="utf-8").splitlines()[row - 1]
    return line.rpartition("# ")[2]
