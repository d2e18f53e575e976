"""Keep `torch.compile` from tracing, and compiling, the recorder's own code.

While a compiled function runs what could not be compiled of it, such as a pass, the compiler looks
at every function that is called meanwhile. It would find the recorder's, which makes graphs out of
them that the program does not have, warns of what it can't trace, and compiles them again whenever
something in them changed. Where torch can't be told to leave a function alone, as in its earlier
versions, the compiler sees the recorder.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch._C._dynamo import eval_frame

F = TypeVar("F", bound=Callable[..., Any])


def untraced(function: F) -> F:
    """Hide a function from the compiler, but not what it calls: the program's code is there."""
    return _hide(function, calls=False)


def untraced_throughout(function: F) -> F:
    """Hide a function from the compiler, and all that it calls."""
    return _hide(function, calls=True)


def _hide(function: F, *, calls: bool) -> F:
    if hasattr(eval_frame, "set_code_exec_strategy"):
        action = eval_frame._FrameAction
        strategy = eval_frame._FrameExecStrategy(
            action.SKIP, action.SKIP if calls else action.DEFAULT
        )
        eval_frame.set_code_exec_strategy(function.__code__, strategy)
    return function
