"""Trainings whose framework logs to W&B by its own means, and a callback of ours.

None of them mentions unsl_wandb: the callback finds the active run by itself.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import wandb

from unsl_tracking import StopRule

STOP = StopRule(target=0.01, min_fraction=0.0)


def with_transformers() -> None:
    import torch
    import transformers

    from unsl_transformers import ForecastCallback

    class Rows(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return 256

        def __getitem__(self, index: int) -> dict[str, Any]:
            ids = torch.tensor([(index * 3 + place) % 16 for place in range(8)])
            return {"input_ids": ids, "labels": ids}

    config = transformers.GPT2Config(vocab_size=16, n_positions=8, n_embd=8, n_layer=1, n_head=1)
    arguments = transformers.TrainingArguments(
        "out",
        max_steps=80,
        logging_steps=2,
        per_device_train_batch_size=4,
        report_to="wandb",
        disable_tqdm=True,
        use_cpu=True,
        save_strategy="no",
    )
    wandb.init(project="live", id="run")
    model = transformers.GPT2LMHeadModel(config)
    forecast = ForecastCallback("loss", stop=STOP, siblings=None, wait=60)
    done = transformers.Trainer(model, arguments, train_dataset=Rows(), callbacks=[forecast])
    done.train()
    report(forecast, done.state.global_step < 80)


def with_lightning() -> None:
    import torch
    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.loggers import WandbLogger

    from unsl_lightning import ForecastCallback

    class Line(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def training_step(self, batch: Any, index: int) -> Any:
            loss = torch.nn.functional.mse_loss(self.layer(batch[0]), batch[1])
            self.log("loss", loss)
            return loss

        def validation_step(self, batch: Any, index: int) -> None:
            self.log("val_loss", torch.nn.functional.mse_loss(self.layer(batch[0]), batch[1]))

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 0.02)

    draw = torch.Generator().manual_seed(0)
    x = torch.randn(256, 4, generator=draw)
    data = torch.utils.data.TensorDataset(x, x.sum(1, keepdim=True) + 1.0)
    batches = torch.utils.data.DataLoader(data, batch_size=32)
    forecast = ForecastCallback("val_loss", stop=StopRule(target=1e-9), siblings=None, wait=60)
    trainer = Trainer(
        max_epochs=30,
        logger=WandbLogger(project="live", id="run"),
        callbacks=[forecast],
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        log_every_n_steps=4,
    )
    trainer.fit(Line(), batches, batches)
    report(forecast, trainer.current_epoch < 30)


def with_keras() -> None:
    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    import numpy as np

    from unsl_keras import ForecastCallback

    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(512, 8)).astype("float32")
    model = keras.Sequential([keras.layers.Dense(16, activation="tanh"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.02), "mse")
    wandb.init(project="live", id="run")
    forecast = ForecastCallback("loss", stop=STOP, wait=60)
    # What WandbMetricsLogger does, which imports TensorFlow.
    log = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: wandb.log(dict(logs)))
    callbacks = [log, forecast]
    history = model.fit(
        x, np.sin(x.sum(1)), epochs=40, batch_size=64, verbose=0, callbacks=callbacks
    )
    report(forecast, len(history.epoch) < 40)


def report(forecast: Any, stopped: bool) -> None:
    """What the test looks at; W&B is left to end with the program."""
    assert forecast.monitor.errors == {}, forecast.monitor.errors
    print(f"verdict {forecast.decision.verdict} stopped {stopped}")


if __name__ == "__main__":
    {"transformers": with_transformers, "lightning": with_lightning, "keras": with_keras}[
        sys.argv[1]
    ]()
