"""Ray Tune with a stopper that forecasts.

pip install 'unsl-tracking[ray]'

python examples/frameworks/with_ray.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import ray
from ray import tune

from unsl_ray import ForecastStopper

STEPS = 40


def train(config: dict[str, float]) -> None:
    rng = np.random.default_rng(round(config["limit"] * 1000))
    for step in range(1, STEPS + 1):  # stands for training and an evaluation
        loss = (config["limit"] + 3.0 * step**-0.8) * np.exp(rng.normal(scale=0.003))
        tune.report({"loss": float(loss)})


def main() -> None:
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="error")
    limits = [float(limit) for limit in np.linspace(1.0, 2.0, 12)]
    tuner = tune.Tuner(
        train,
        param_space={"limit": tune.grid_search(limits)},
        tune_config=tune.TuneConfig(max_concurrent_trials=1),
        run_config=tune.RunConfig(
            stop=ForecastStopper("loss", horizon={"training_iteration": STEPS}),
            storage_path=str(Path.cwd() / "ray"),
            verbose=0,
        ),
    )
    results = tuner.fit()
    done = [result.metrics["training_iteration"] for result in results]
    best = min(result.metrics["loss"] for result in results)
    print(f"best {best:.4f}; {sum(done)} of {len(limits) * STEPS} steps were trained: {done}")
    ray.shutdown()


if __name__ == "__main__":
    main()
