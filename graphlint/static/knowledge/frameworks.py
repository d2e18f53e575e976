"""What frameworks do with the classes that a program gives them: they run the backward pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# A class of such a base has its `training_step`'s result differentiated: the loss, or a
# dictionary's "loss" (Lightning's automatic optimization).
STEPS: Final[Mapping[str, str]] = {"training_step": "LightningModule"}

LOSS_KEY: Final = "loss"
SWITCH: Final = "automatic_optimization"
PASS: Final = "backward"
"""The method by which such a class runs the pass itself."""
MANUAL: Final = frozenset(("backward", "manual_backward"))

MODULE: Final = "LightningModule"
MADE_BY: Final = "configure_optimizers"
"""The method that makes a module's optimizers, which `optimizers()` lends to it."""
OPTIMIZER_KEY: Final = "optimizer"
LENT: Final = frozenset("optimizers toggle_optimizer untoggle_optimizer clip_gradients".split())
QUIET: Final = frozenset("log log_dict print lr_schedulers save_hyperparameters".split())
"""Methods of such a module that hand on no graph and do nothing to gradients."""

WRAPS: Final = frozenset(
    """
    prepare prepare_model prepare_optimizer setup setup_module setup_optimizers
    """.split()
)
"""Methods by which Accelerate and Fabric wrap models, optimizers and loaders."""
FRAMEWORKS: Final = ("accelerator", "fabric")
"""Names of the classes whose methods these are, and parts of those of their objects."""
