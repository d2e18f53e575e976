"""What the runtime observer needs from the outside: an installed torch."""

from __future__ import annotations

import importlib.util
import sys

from graphlint.errors import GraphlintError

# The share of a program's CPU time that goes into looking at graphs, unless asked otherwise.
OVERHEAD = 0.03


class TorchMissingError(GraphlintError):
    """The runtime observer was asked for where torch is not installed."""

    def __init__(self) -> None:
        """Say what to install."""
        super().__init__(
            "recording a run needs torch 2.4 or later: pip install 'torch-graphlint[profile]'"
        )


def require_torch() -> None:
    """Check that torch can be imported, without importing it.

    Raises:
        TorchMissingError: it can't.
    """
    if "torch" not in sys.modules and importlib.util.find_spec("torch") is None:
        raise TorchMissingError
