"""How much of a program's CPU time the recorder may take, and how much it took.

Each thread has an account of its own: what counts is by how much the recorder slows down the thread
that it works on, whatever the others do meanwhile.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from random import Random

# Not all costs pass between two looks at the clock. The marks and the wrappers of nodes are taken
# down when their graph goes away, and a program finds its memory out of the processor's caches
# after each look at a graph: on a small multilayer perceptron the CPU time of a step went up by 2.3
# times what was measured here.
_UNSEEN = 2.5
# Passes that nobody looks at are counted all the same (seconds each, measured there).
_COUNTING = 5e-6
_LONGEST_REST = 10_000
# Searches may take so much before the program has run for long (seconds).
_ADVANCE = 0.02
# A search that takes less is not worth its while (seconds).
LEAST = 0.005


class Budget:
    """A share of the CPU time of each thread, and what was spent of it.

    Attributes:
        share: the share that may be spent; None sets no limit.
    """

    def __init__(self, share: float | None, clock: Callable[[], float] = time.thread_time) -> None:
        """Open the accounts.

        Args:
            share: the share of a thread's CPU time that may be spent, None for any.
            clock: gives the calling thread's CPU time, in seconds.
        """
        self.share = share
        self._clock = clock
        self._account = _Account(clock)
        self._random = Random(0)

    def resume(self) -> None:
        """Let the calling thread's time count again."""
        account = self._account
        account.began += self._clock() - account.now

    def pause(self) -> None:
        """Let the calling thread's time not count for a while."""
        self._account.now = self._clock()

    @property
    def allows(self) -> bool:
        """Whether the calling thread has not yet spent its share."""
        if self.share is None:
            return True
        account = self._account
        return account.spent <= self.share * (self._clock() - account.began)

    def begin(self) -> float:
        """Return the time at which something that is to be charged begins."""
        return 0.0 if self.share is None else self._clock()

    def charge(self, began: float) -> float:
        """Charge the calling thread for what it did since `began`; return how long that took."""
        if self.share is None:
            return 0.0
        account = self._account
        account.now = self._clock()
        account.spent += (account.now - began) * _UNSEEN
        return account.now - began

    def rest(self, passes: int) -> int:
        """Say how many passes to let go by until the share allows for more.

        Chance makes it somewhat more or less: a program that does something else in every second
        pass would otherwise be seen doing the one thing only.

        Args:
            passes: how many there were since the account was opened.
        """
        if self.share is None:
            return 0
        account = self._account
        elapsed = account.now - account.began
        missing = (account.spent + passes * _COUNTING) / self.share - elapsed
        if missing <= 0 or elapsed <= 0:
            return 0
        rest = round(missing / elapsed * passes * (0.5 + self._random.random()))
        return min(rest, _LONGEST_REST)


class Purse:
    """What searches among a program's objects may take, of the CPU time of the whole process.

    The time that it took to start counts too: a program that is over at once has imported torch.
    """

    def __init__(self, share: float | None, clock: Callable[[], float] = time.process_time) -> None:
        """Open the purse.

        Args:
            share: the share of the process's CPU time that may be spent, None for any.
            clock: gives that time, in seconds.
        """
        self._share = share
        self._clock = clock
        self._spent = 0.0

    @property
    def left(self) -> float:
        """How many seconds the next search may take."""
        if self._share is None:
            return math.inf
        return _ADVANCE + self._share * self._clock() - self._spent

    def spend(self, seconds: float) -> None:
        """Take out what a search took."""
        self._spent += seconds


class _Account(threading.local):
    """One thread's account: when it was opened, the last charge, and what was spent."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.began = self.now = clock()
        self.spent = 0.0
