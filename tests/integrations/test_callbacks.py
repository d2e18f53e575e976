"""The callbacks, in the real training loops of the libraries that call them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

pytestmark = pytest.mark.torch

BYTES = 64 * 4  # what `exp` of one row of 64 numbers saves


class Rows(torch.utils.data.Dataset[dict[str, Any]]):  # type: ignore[name-defined,misc]
    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"x": torch.ones(64), "labels": torch.tensor(0.0)}


def test_lightning_logs_what_is_retained(tmp_path: Path) -> None:
    from lightning import pytorch as lightning

    from graphlint.integrations.lightning import GraphlintCallback

    class Model(lightning.LightningModule):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(64))
            self.automatic_optimization = False

        def training_step(self, batch: dict[str, Any], index: int) -> None:
            self.loss = (self.weight + batch["x"]).exp().sum()
            self.manual_backward(self.loss, retain_graph=True)

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    callback = GraphlintCallback()
    trainer = lightning.Trainer(
        default_root_dir=tmp_path,
        accelerator="cpu",
        callbacks=[callback],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        logger=False,
        max_epochs=1,
    )
    trainer.fit(Model(), torch.utils.data.DataLoader(Rows(), batch_size=1))
    assert trainer.callback_metrics["graphlint/retained_bytes"] == BYTES
    assert trainer.callback_metrics["graphlint/retained_passes"] == 6
    (site,) = callback.report.sites
    assert (Path(site.filename).name, site.passes) == ("test_callbacks.py", 6)


def test_lightning_fits_that_fail_stop_recording(tmp_path: Path) -> None:
    from lightning import pytorch as lightning

    from graphlint.integrations.lightning import GraphlintCallback

    callback = GraphlintCallback()
    callback.on_fit_start(None, None)
    callback.on_exception(None, None, RuntimeError())
    callback.on_fit_end(None, None)
    torch.zeros(3, requires_grad=True).exp().sum().backward()
    assert not callback.report.sites
    assert issubclass(GraphlintCallback, lightning.Callback)


def test_the_hugging_face_trainer_logs_what_is_retained(tmp_path: Path) -> None:
    import transformers

    from graphlint.integrations.transformers import GraphlintCallback

    class Model(torch.nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(64))

        def forward(self, x: Any, labels: Any) -> dict[str, Any]:
            self.kept = (self.weight + x).exp().sum()
            self.kept.backward(retain_graph=True)
            return {"loss": (self.weight * self.weight).sum()}

    callback = GraphlintCallback()
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path),
        use_cpu=True,
        max_steps=4,
        logging_steps=2,
        per_device_train_batch_size=1,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = transformers.Trainer(
        model=Model(), args=arguments, train_dataset=Rows(), callbacks=[callback]
    )
    trainer.train()
    logged = [entry for entry in trainer.state.log_history if "graphlint/retained_bytes" in entry]
    assert [entry["graphlint/retained_bytes"] for entry in logged[:2]] == [BYTES, BYTES]
    assert [entry["graphlint/retained_passes"] for entry in logged[:2]] == [2, 4]
    kept = [site for site in callback.report.sites if site.retained_passes]
    assert [(Path(s.filename).name, s.retained_passes) for s in kept] == [("test_callbacks.py", 4)]
