"""A forecast of a small ladder of runs, fitted once per test process."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from unsl_tracking.experiment import (
    ExperimentBacktest,
    ExperimentForecast,
    backtest_experiment,
    forecast_experiment,
)
from unsl_tracking.runs.memory import MemoryTracker

METRIC = "val_loss"
PARAMS = (1e5, 3e5, 1e6, 3e6, 1e7)
AT = {"params": 1e8, "step": 2000.0}


def curve(params: float, last: int) -> list[dict[str, Any]]:
    """Rows of a run: Chinchilla's form, its constants made up, with half a percent of noise."""
    steps = sorted({int(20 * (last / 20) ** (i / 11)) for i in range(12)})
    noise = np.random.default_rng(int(params)).normal(1, 0.005, len(steps)).tolist()
    law = [0.5 + 30 * params**-0.4 + 6 * step**-0.45 for step in steps]
    return [
        {METRIC: value * off, "step": step}
        for step, value, off in zip(steps, law, noise, strict=True)
    ]


@cache
def forecast(project: str = "ladder") -> ExperimentForecast:
    """Four finished runs, and a larger one that goes on."""
    tracker = MemoryTracker()
    for params in PARAMS:
        goes_on = params == PARAMS[-1]
        run = tracker.new_run(project, name=f"model {params:g}", params={"params": params})
        rows = curve(params, 200 if goes_on else 2000)
        tracker.log(run, METRIC, [(row[METRIC], row["step"], 1000 * row["step"]) for row in rows])
        if not goes_on:
            tracker.finish(run)
    return forecast_experiment(tracker, project, METRIC, axes=["params", "step"], at=AT)


@cache
def backtest() -> ExperimentBacktest:
    """What would have been forecast before two of those runs ended."""
    return backtest_experiment(forecast(), origins=2)
