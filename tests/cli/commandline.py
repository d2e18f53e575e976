"""What a command line came to, and programs to lint."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Done(NamedTuple):
    status: int
    out: str
    err: str


Run = Callable[..., Done]

UNNEEDED = """\
import torch

x = torch.randn(3, requires_grad=True)
z = (x * 2).mean()
z.backward(retain_graph=True)
"""
MENDED = UNNEEDED.replace("retain_graph=True", "")
MISSING = """\
import torch

x = torch.randn(3, requires_grad=True)
shared = x.exp()
shared.sum().backward()
shared.mean().backward()
"""
