"""Entry points within their budgets.

# Note [Second attempts]
A program with many paths can use up its steps before the passes that keep graphs were followed to
where nobody can reach these. Then it is run once more, with paths joined that differ in nothing but
values without graphs: that gets further, and tells less of how its conditions hang together. What
is seen that way is likely at most, and that something raises only possible.

Paths that build different graphs remain. Where they are too many still, a third attempt is narrow:
of the paths that have the same passes pending it follows one, that with the most to visit, as more
of a graph is more to share. It is believed in what becomes of kept graphs alone.
"""

from __future__ import annotations

from collections.abc import Callable

from graphlint.static import ir
from graphlint.static.execute.executor import Executor
from graphlint.static.execute.steps import OutOfSteps


def attempt(ex: Executor, module: ir.Module, run: Callable[[], None]) -> None:
    """Run an entry point of a file, and a second time if its steps don't suffice."""
    if _is_followed(ex, run):
        return
    for joining in (ex.joining, ex.narrowing):
        if not (ex.records.unsettled(module.filename) and ex.steps.can_try_again):
            return
        with joining():
            if _is_followed(ex, run):
                return


def _is_followed(ex: Executor, run: Callable[[], None]) -> bool:
    """Run an entry point: whether it came to its end."""
    try:
        run()
    except (OutOfSteps, RecursionError):
        ex.records.stop()
        return False
    return True
