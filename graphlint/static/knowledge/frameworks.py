"""What frameworks do with the classes that a program gives them: they run the backward pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# A class of such a base has its `training_step`'s result differentiated: the loss, or a
# dictionary's "loss" (Lightning's automatic optimization).
STEPS: Final[Mapping[str, str]] = {"training_step": "LightningModule"}

LOSS_KEY: Final = "loss"
SWITCH: Final = "automatic_optimization"
MANUAL: Final = frozenset(("backward", "manual_backward"))
