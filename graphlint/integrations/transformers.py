"""A callback for Hugging Face's Trainer: what kept graphs hold, as metrics.

```python
from graphlint.integrations.transformers import GraphlintCallback

trainer = Trainer(..., callbacks=[GraphlintCallback()])
```
"""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from graphlint.runtime.gauge import Gauge
from graphlint.runtime.report import Report


class GraphlintCallback(TrainerCallback):
    """Records a training run, and adds `graphlint/retained_bytes` and its peak to what is logged.

    The metrics are in `trainer.state.log_history`, and in what callbacks that come after this one
    are handed. Reporting to TensorBoard or W&B comes before the callbacks that a Trainer is given:
    `trainer.callback_handler.callbacks.insert(0, callback)` puts this one in front of them. The
    report of the whole run is in `report`.
    """

    def __init__(self, every: int = 1) -> None:
        """Set up; nothing is recorded before training begins.

        Args:
            every: measure the bytes of one in so many retained passes of a call.
        """
        self._gauge = Gauge(every)

    @property
    def report(self) -> Report:
        """What was recorded up to now."""
        return self._gauge.report

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start to record."""
        self._gauge.start()

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kw: Any
    ) -> None:
        """Add what kept graphs hold to what is logged."""
        metrics = self._gauge.read()
        if logs is not None:
            logs.update(metrics)
        if state.log_history:
            state.log_history[-1].update(metrics)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Record no more."""
        self._gauge.stop()
