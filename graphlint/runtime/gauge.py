"""What training frameworks log while they train: how many bytes kept graphs hold."""

from __future__ import annotations

from graphlint.runtime.needs import OVERHEAD
from graphlint.runtime.profile import Profiling
from graphlint.runtime.report import Report

RETAINED = "graphlint/retained_bytes"
PEAK = "graphlint/peak_retained_bytes"
PASSES = "graphlint/retained_passes"


class Gauge:
    """A recorder to start, read and stop from callbacks.

    Callbacks come in no dependable order when a training run fails, so that starting twice, or
    stopping what never started, does no harm.
    """

    def __init__(self, every: int = 1) -> None:
        """Set up; nothing is recorded before `start`.

        Args:
            every: measure the bytes of one in so many retained passes of a call.
        """
        self._profiling = Profiling(every=every, overhead=OVERHEAD, output=None, summary=False)
        self._running = False

    def start(self) -> None:
        """Record from now on."""
        if not self._running:
            self._profiling.__enter__()
            self._running = True

    def stop(self) -> None:
        """Record no more."""
        if self._running:
            self._running = False
            self._profiling.__exit__()

    def read(self) -> dict[str, float]:
        """Return the metrics: bytes that kept graphs hold now, and held at most; kept passes."""
        held, peak, passes = self._profiling.retained
        return {RETAINED: float(held), PEAK: float(peak), PASSES: float(passes)}

    @property
    def report(self) -> Report:
        """What was recorded up to now."""
        return self._profiling.report
