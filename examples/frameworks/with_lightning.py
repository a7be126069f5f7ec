"""Lightning with an MLFlowLogger.

pip install 'unsl-tracking[lightning,mlflow]'

python examples/frameworks/with_lightning.py
"""

from __future__ import annotations

import lightning
import mlflow
import torch
from lightning.pytorch.loggers import MLFlowLogger

from unsl_lightning import ForecastCallback
from unsl_tracking import StopRule


class Regression(lightning.LightningModule):
    """Two layers; the loss cannot fall below the noise of the targets."""

    def __init__(self) -> None:
        super().__init__()
        self.net = torch.nn.Sequential(
            torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1)
        )

    def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
        return torch.nn.functional.mse_loss(self.net(batch[0]), batch[1])

    def validation_step(self, batch: list[torch.Tensor], index: int) -> None:
        self.log("val_loss", torch.nn.functional.mse_loss(self.net(batch[0]), batch[1]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.02)


def loader(count: int, seed: int) -> torch.utils.data.DataLoader[tuple[torch.Tensor, ...]]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 8, generator=generator)
    y = x.sum(1, keepdim=True).sin() + 0.5 * torch.randn(count, 1, generator=generator)
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=64)


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    forecast = ForecastCallback("val_loss", stop=StopRule(target=0.01), wait=30)
    logger = MLFlowLogger(tracking_uri="sqlite:///mlflow.db")
    trainer = lightning.Trainer(
        max_epochs=40,
        accelerator="cpu",
        logger=logger,
        callbacks=[forecast],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=5,
    )
    trainer.fit(Regression(), loader(640, 0), loader(256, 1))
    assert forecast.decision is not None
    print(f"ended at epoch {trainer.current_epoch}: {forecast.decision.reason}")
    written = mlflow.MlflowClient("sqlite:///mlflow.db").get_run(logger.run_id).data
    print({k: round(v, 3) for k, v in written.metrics.items() if k.startswith("unsl/")})


if __name__ == "__main__":
    main()
