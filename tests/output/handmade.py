"""The source that the findings made by hand are about."""

from __future__ import annotations

from graphlint.findings import Location

SOURCE = """\
import torch

x = torch.randn(3, requires_grad=True)
y = x * 2
z = y.mean()

z.backward(retain_graph=True)
"""


def at(row: int, column: int) -> Location:
    return Location(row, column)
