"""The byte search that tells which files can matter: most can't, and are never parsed into trees.

The words must stand in every file that could have a finding. That holds while calls are followed
within a file: once they are followed across files, a file that only hands a loss to another one's
wrapper matters too, and `can_hold_passes` has to be asked of what a file imports as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# No backward pass can be written without one of these, whatever it is imported as.
_PASS_WORDS = (b"backward", b"autograd", b"retain_graph", b"create_graph")
# Beside torch: a model is evaluated, which builds a graph; a hook is registered; a framework
# differentiates what a method returns.
_TORCH_WORDS = (b".eval()", b"_hook(", b"training_step")
_NOQA = re.compile(rb"(?i:noqa)[^\r\n]*RG")


def can_hold_passes(data: bytes, extra_names: Iterable[str] = ()) -> bool:
    """Whether a file may run a backward pass, or build a graph for none.

    Args:
        data: the file's bytes.
        extra_names: further functions that run one (`backward-functions`), dotted or not.
    """
    if any(word in data for word in _PASS_WORDS):
        return True
    if b"torch" in data and any(word in data for word in _TORCH_WORDS):
        return True
    return any(name.rpartition(".")[2].encode() in data for name in extra_names)


def can_hold_suppressions(data: bytes) -> bool:
    """Whether a file may hold a suppression comment that names graphlint or one of its rules."""
    return b"graphlint:" in data or (b"RG" in data and bool(_NOQA.search(data)))
