from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
pytest.importorskip("keras")
mlflow = pytest.importorskip("mlflow")

import keras  # noqa: E402

from unsl_keras import ForecastCallback  # noqa: E402
from unsl_tracking import StopRule  # noqa: E402
from unsl_tracking.errors import DataError  # noqa: E402


class Falling(keras.callbacks.Callback):
    """Puts a known curve into the logs before ours looks at them."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs["val_loss"] = 2 + 3 * (epoch + 1) ** -0.5


def fit(callback: ForecastCallback, epochs: int) -> int:
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.zeros((8, 2), dtype="float32")
    history = model.fit(*(x, x[:, :1]), epochs=epochs, verbose=0, callbacks=[Falling(), callback])
    return len(history.epoch)


def test_a_doomed_run_is_stopped_and_written_into_the_active_mlflow_run(tmp_path: Path) -> None:
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.create_experiment("here", artifact_location=(tmp_path / "files").as_uri())
    mlflow.set_experiment("here")
    with mlflow.start_run() as run:
        callback = ForecastCallback(stop=StopRule(target=1.0), wait=60)
        assert 8 <= fit(callback, 60) < 60
    data = mlflow.get_run(run.info.run_id).data
    assert data.tags["unsl.verdict"] == "doomed"
    assert data.metrics["unsl/val_loss/p_doomed"] > 0.95
    assert (tmp_path / "files" / run.info.run_id).exists()
    assert callback.monitor is not None and callback.monitor.errors == {}


def test_a_run_that_can_reach_the_target_is_not_and_no_tracker_is_needed() -> None:
    callback = ForecastCallback(stop=StopRule(target=2.9), wait=60)
    assert fit(callback, 20) == 20


def test_bad_arguments_raise_before_training() -> None:
    with pytest.raises(DataError):
        ForecastCallback(mode="best")  # type: ignore[arg-type]
