"""graphlint: find the autograd graphs that a PyTorch program keeps alive, and why.

Importing this package imports neither torch nor the linter: what is named here is loaded when it
is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphlint.findings import Finding
    from graphlint.linting import lint_source
    from graphlint.runtime.estimate import estimate
    from graphlint.runtime.profile import profile

__version__ = "0.1.0"
__all__ = ["Finding", "__version__", "estimate", "lint_source", "profile"]


def __getattr__(name: str) -> Any:
    """Load a name of the interface when it is first used."""
    homes = {
        "Finding": "graphlint.findings",
        "estimate": "graphlint.runtime.estimate",
        "lint_source": "graphlint.linting",
        "load_ipython_extension": "graphlint.integrations.ipython",
        "profile": "graphlint.runtime.profile",
    }
    if name not in homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(homes[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
