"""`attach` beside the real autologging of frameworks: their code names nothing of ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
mlflow = pytest.importorskip("mlflow")

import unsl_tracking as ut  # noqa: E402

# Lightning 2.6.6 warns about torch 2.13 and about the workers of a small data loader, and what
# autologging uses is deprecated here and there.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "here")
    made = mlflow.create_experiment("here", artifact_location=(tmp_path / "files").as_uri())
    mlflow.set_experiment("here")
    yield str(made)
    while mlflow.active_run():
        mlflow.end_run()
    ut.detach()
    mlflow.set_tracking_uri(None)  # as it was: not set
    os.environ.pop("MLFLOW_TRACKING_URI", None)  # MLflow sets it, too
    os.environ.pop("MLFLOW_EXPERIMENT_ID", None)


def the_run(experiment: str, metric: str) -> Any:
    """The run that was logged to, with the steps of the metric, and a forecast beside them."""
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([experiment])
    steps = [row.step for row in client.get_metric_history(run.info.run_id, metric)]
    assert steps == sorted(set(steps)), "each value arrived once, in order"
    assert run.data.metrics[f"unsl/{metric}/final"] > 0
    assert run.data.tags["unsl.metric"] == metric
    return steps


def test_the_trainer_of_transformers(experiment: str, tmp_path: Path) -> None:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")

    class Rows(torch.utils.data.Dataset):  # type: ignore[name-defined]
        def __len__(self) -> int:
            return 256

        def __getitem__(self, index: int) -> dict[str, Any]:
            ids = torch.tensor([(index * 3 + place) % 16 for place in range(8)])
            return {"input_ids": ids, "labels": ids}

    config = transformers.GPT2Config(vocab_size=16, n_positions=8, n_embd=8, n_layer=1, n_head=1)
    arguments = transformers.TrainingArguments(
        str(tmp_path / "out"),
        max_steps=60,
        logging_steps=2,
        report_to="mlflow",
        disable_tqdm=True,
        use_cpu=True,
        save_strategy="no",
    )
    with ut.attach("loss", horizon={"step": 60}) as made:
        model = transformers.GPT2LMHeadModel(config)
        transformers.Trainer(model, arguments, train_dataset=Rows()).train()
    assert made.errors == {}
    assert the_run(experiment, "loss") == list(range(2, 61, 2))


@pytest.mark.parametrize("by", ["autolog", "logger"])
def test_lightning(by: str, experiment: str, tmp_path: Path) -> None:
    torch, lightning = pytest.importorskip("torch"), pytest.importorskip("lightning")
    from lightning.pytorch.loggers import MLFlowLogger

    class Falling(lightning.LightningModule):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def training_step(self, batch: Any, index: int) -> Any:
            return (self.weight**2).sum()

        def validation_step(self, batch: Any, index: int) -> None:
            self.log("val_loss", torch.tensor(2 + 3 * (self.current_epoch + 1) ** -0.5))

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.zeros(8)), batch_size=4)
    logger = (
        MLFlowLogger("here", tracking_uri=mlflow.get_tracking_uri()) if by == "logger" else False
    )
    trainer = lightning.Trainer(
        max_epochs=20,
        accelerator="cpu",
        logger=logger,
        default_root_dir=tmp_path,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    if by == "autolog":
        mlflow.pytorch.autolog(log_models=False, silent=True)
    along = {"epoch": 20} if by == "autolog" else {"step": 40}
    try:
        with ut.attach("val_loss", horizon=along) as made:
            trainer.fit(Falling(), data, data)
    finally:
        if by == "autolog":
            mlflow.pytorch.autolog(disable=True)
    assert made.errors == {}
    assert len(the_run(experiment, "val_loss")) == 20


def test_keras(experiment: str) -> None:
    keras = pytest.importorskip("keras")
    import numpy as np

    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")
    mlflow.keras.autolog(log_models=False, log_datasets=False, silent=True)
    try:
        with ut.attach("val_loss", horizon={"epoch": 20}) as made:
            model.fit(x, np.sin(x[:, :1]), epochs=20, verbose=0, validation_split=0.25)
    finally:
        mlflow.keras.autolog(disable=True)
    assert made.errors == {}
    assert the_run(experiment, "val_loss") == list(range(20))
