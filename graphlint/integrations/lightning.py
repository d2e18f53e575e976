"""A callback for Lightning's trainer: what kept graphs hold, as metrics.

```python
from graphlint.integrations.lightning import GraphlintCallback

trainer = Trainer(callbacks=[GraphlintCallback()])
```
"""

from __future__ import annotations

from typing import Any

try:
    from lightning.pytorch.callbacks import Callback
except ImportError:  # the older distribution, which goes by its own name
    from pytorch_lightning.callbacks import Callback

from graphlint.runtime.gauge import Gauge
from graphlint.runtime.report import Report


class GraphlintCallback(Callback):
    """Records a fit, and logs `graphlint/retained_bytes` and its peak with every training step.

    The report of the whole fit is in `report`.
    """

    def __init__(self, every: int = 1) -> None:
        """Set up; nothing is recorded before the fit starts.

        Args:
            every: measure the bytes of one in so many retained passes of a call.
        """
        self._gauge = Gauge(every)

    @property
    def report(self) -> Report:
        """What was recorded up to now."""
        return self._gauge.report

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Start to record."""
        self._gauge.start()

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log what kept graphs hold after a step."""
        pl_module.log_dict(self._gauge.read(), batch_size=1)

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """Record no more."""
        self._gauge.stop()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Record no more: a fit that fails has no end."""
        self._gauge.stop()
