from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lightning")
pytest.importorskip("torch")

import lightning
import torch

from unsl_lightning import ForecastCallback
from unsl_tracking import StopRule
from unsl_tracking.errors import DataError

# Lightning 2.6.6 warns about torch 2.13 and about the workers of a small data loader.
pytestmark = pytest.mark.filterwarnings("default")


class Falling(lightning.LightningModule):
    """Its validation loss is a curve that is known: 2 + 3 epoch^-0.5."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch: Any, index: int) -> Any:
        return (self.weight**2).sum()

    def validation_step(self, batch: Any, index: int) -> None:
        self.log("val_loss", torch.tensor(2 + 3 * (self.current_epoch + 1) ** -0.5))

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(folder: Path, callback: ForecastCallback, epochs: int, **more: Any) -> Any:
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.zeros(8)), batch_size=4)
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        callbacks=[callback],
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **{"enable_checkpointing": False, **more},
    )
    trainer.fit(Falling(), data, data, ckpt_path=more.pop("ckpt_path", None))
    return trainer


def test_a_doomed_run_is_stopped_and_the_sanity_check_is_no_evidence(tmp_path: Path) -> None:
    callback = ForecastCallback(stop=StopRule(target=1.0), wait=60)
    trainer = fit(tmp_path, callback, 60)
    assert callback.decision is not None and callback.decision.verdict == "doomed"
    assert 8 <= trainer.current_epoch < 60
    assert callback.monitor is not None and callback.monitor.errors == {}
    assert callback.monitor.state_dict()["state"]["points"] == trainer.current_epoch


def test_a_run_that_can_reach_the_target_is_not(tmp_path: Path) -> None:
    callback = ForecastCallback(stop=StopRule(target=2.9), wait=60)
    assert fit(tmp_path, callback, 20).current_epoch == 20


def test_a_checkpoint_keeps_the_curve(tmp_path: Path) -> None:
    callback = ForecastCallback()
    trainer = fit(tmp_path, callback, 3)
    trainer.save_checkpoint(tmp_path / "kept.ckpt")
    again = ForecastCallback()
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.zeros(8)), batch_size=4)
    second = lightning.Trainer(
        max_epochs=5,
        accelerator="cpu",
        callbacks=[again],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    second.fit(Falling(), data, data, ckpt_path=tmp_path / "kept.ckpt")
    assert again.monitor is not None
    assert again.monitor.state_dict()["state"]["points"] == 5


def test_a_trainer_may_have_several_and_another_metric_begins_anew(tmp_path: Path) -> None:
    first, second = ForecastCallback(), ForecastCallback("other")
    assert first.state_key != second.state_key
    fit(tmp_path, first, 3)
    second.load_state_dict(first.state_dict())
    fit(tmp_path, second, 3)  # of another metric: told in a warning, and training goes on
    assert second.monitor is not None


def test_bad_arguments_raise_before_training() -> None:
    with pytest.raises(DataError):
        ForecastCallback(ceiling=float("nan"), mode="max")
