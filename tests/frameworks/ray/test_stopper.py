from __future__ import annotations

import copy
import math
import pickle
from pathlib import Path
from typing import Any

import pytest

ray = pytest.importorskip("ray")
pytest.importorskip("ray.tune")

from ray import tune  # noqa: E402

from unsl_ray import ForecastStopper  # noqa: E402
from unsl_tracking.errors import DataError  # noqa: E402

END = 30


def loss(limit: float, step: int) -> float:
    return limit + 3.0 * math.pow(step, -0.8)


def train(config: dict[str, float]) -> None:
    for step in range(1, END + 1):
        tune.report({"loss": config["limit"] + 3.0 * step**-0.8})


def stopper() -> ForecastStopper:
    return ForecastStopper("loss", horizon={"training_iteration": END})


def steps_of(one: ForecastStopper, name: str, limit: float) -> int:
    """Steps until the stopper ends the trial."""
    for step in range(1, END + 1):
        if one(name, {"loss": loss(limit, step), "training_iteration": step}):
            return step
    return END


def test_tune_ends_doomed_trials_and_keeps_the_best(tmp_path: Path) -> None:
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="error")
    try:
        tuner = tune.Tuner(
            train,
            param_space={"limit": tune.grid_search([1.0, 1.5, 2.0, 0.9])},
            tune_config=tune.TuneConfig(max_concurrent_trials=1),
            run_config=tune.RunConfig(stop=stopper(), storage_path=str(tmp_path), verbose=0),
        )
        steps = [result.metrics["training_iteration"] for result in tuner.fit()]
    finally:
        ray.shutdown()
    assert steps[0] == END and steps[3] == END
    assert steps[1] < END and steps[2] < END


def test_a_copy_goes_on_where_it_was_taken() -> None:
    one = stopper()
    assert steps_of(one, "a", 1.0) == END
    for other in (copy.deepcopy(one), pickle.loads(pickle.dumps(one))):  # noqa: S301
        assert steps_of(other, "b", 2.0) < END


def test_a_divergence_ends_a_trial_and_nonsense_never_raises() -> None:
    one = stopper()
    assert not one("a", {"training_iteration": 1})
    assert not one("a", {"loss": "text", "training_iteration": 1})
    assert not one("a", {"loss": 1.0})
    results: list[dict[str, Any]] = [
        {"loss": math.nan, "training_iteration": step} for step in (1, 2)
    ]
    assert [one("b", result) for result in results] == [False, True]
    assert not one.stop_all()


def test_bad_arguments_raise_before_tuning() -> None:
    with pytest.raises(DataError):
        ForecastStopper("loss", horizon={})
