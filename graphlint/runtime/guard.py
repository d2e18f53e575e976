"""The boundary that keeps the recorder's own mistakes from the program."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Guard:
    """Runs the recorder's code and swallows what it raises, counting.

    Attributes:
        errors: how many calls failed.
        first: the first error's wording, None while there was none.
    """

    def __init__(self) -> None:
        """Start with no error."""
        self.errors = 0
        self.first: str | None = None

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Call the function and return its result, None where it fails.

        This is the one place that catches every exception: whatever goes wrong in here must not
        reach a training loop. The error's wording is kept, the error is not: its traceback would
        keep the user's tensors alive.
        """
        try:
            return function(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the boundary that this class is for
            self.errors += 1
            if self.first is None:
                self.first = f"{type(error).__name__}: {error}"
            return None
