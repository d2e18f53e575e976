"""Functions of `torch.nn.utils` that make a layer compute its weight in each forward pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from graphlint.static.execute.library.builtins import Handler
from graphlint.static.execute.library.unknown import call_unknown
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import NONE, Context, External, Layer
from graphlint.trace import Confidence, Doubt

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

CACHED = Doubt(
    Confidence.POSSIBLE, "weights that are computed once are used by several forward passes"
)
UTILS = "torch.nn.utils"
FUNCTIONS = (
    "spectral_norm",
    "weight_norm",
    "remove_spectral_norm",
    "remove_weight_norm",
    "parametrizations.spectral_norm",
    "parametrizations.weight_norm",
    "parametrizations.orthogonal",
)


def _normalize(name: str) -> Handler:
    """Make the handler of a function that returns the layer it is given, with the same leaves."""

    def normalized(ex: Executor, state: State, call: Invocation) -> Results:
        given = call.argument(0, "module") or NONE
        if state.get(given, Layer) is None:
            return call_unknown(ex, state, call, External(name))
        return [(state, given)]

    return normalized


def _cached(ex: Executor, state: State, call: Invocation) -> Results:
    """Compute such weights once for all forward passes within: they share the graphs of these."""
    ex.records.leave_out(CACHED)
    return [(state, Context("nothing"))]


HANDLERS: Mapping[str, Handler] = {
    **{f"{UTILS}.{each}": _normalize(f"{UTILS}.{each}") for each in FUNCTIONS},
    f"{UTILS}.parametrize.cached": _cached,
}
