"""Keras (here on PyTorch).

pip install 'unsl-tracking[keras,mlflow]' torch

python examples/frameworks/with_keras.py
"""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import mlflow
import numpy as np

from unsl_keras import ForecastCallback
from unsl_tracking import StopRule


def main() -> None:
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(768, 8)).astype("float32")
    y = np.sin(x.sum(1, keepdims=True)) + 0.5 * rng.normal(size=(768, 1)).astype("float32")
    model = keras.Sequential([keras.layers.Dense(16, activation="tanh"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.02), "mse")
    forecast = ForecastCallback("val_loss", stop=StopRule(target=0.01), wait=30)
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    with mlflow.start_run() as run:
        history = model.fit(
            *(x, y),
            epochs=40,
            batch_size=64,
            validation_split=0.25,
            verbose=0,
            callbacks=[forecast],
        )
    assert forecast.decision is not None
    print(f"ended after {len(history.epoch)} epochs: {forecast.decision.reason}")
    written = mlflow.get_run(run.info.run_id).data
    print({k: round(v, 3) for k, v in written.metrics.items() if k.startswith("unsl/")})


if __name__ == "__main__":
    main()
