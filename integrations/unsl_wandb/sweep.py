"""A study for `wandb sweep-scheduler` (engine optuna) that prunes what cannot win any more.

The scheduler reads the objective's history of every run of the sweep at each poll and asks the
study's pruner. A run that is pruned is stopped as by W&B's Stop button. In the sweep's config:

    method: custom
    metric: {name: val/loss, goal: minimize}
    scheduler: {engine: optuna, source: study.py, optimizer: make_study}

and in `study.py`:

    def make_study(sweep):
        return unsl_wandb.forecast_study(sweep, steps=10_000)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unsl_optuna import ForecastPruner
from unsl_tracking import StopRule
from unsl_tracking.errors import DataError


def forecast_study(
    sweep: Any,
    *,
    steps: int | None = None,
    stop: StopRule | None = None,
    ceiling: float | None = None,
    sampler: Any = None,
) -> Any:
    """An Optuna study for a sweep's objective, with a `ForecastPruner`.

    Args:
        sweep: the `SweepInfo` that the scheduler passes to the function named in the config.
        steps: the `_step` at which a whole run ends. Where absent, that of the longest finished
            run, and nothing but a divergence is pruned before one has finished.
        stop: the rule; where absent, a run must be able to beat the best finished one.
        ceiling: the best value of an objective to maximise, 1 where absent.
        sampler: of Optuna; its own default where absent.

    Raises:
        DataError: the sweep has no single metric, or an argument breaks a rule.
        MissingDependency: Optuna is not installed.
    """
    metric = sweep.config.get("metric")
    if not isinstance(metric, Mapping) or "name" not in metric:
        raise DataError(
            "a sweep with a pruner has one metric",
            got=sweep.config.get("metrics") or metric,
            next_step="Write metric: {name: …, goal: minimize} into the sweep's config.",
        )
    import optuna  # unsl_optuna has said what to install where it is missing

    return optuna.create_study(
        direction=str(metric.get("goal", "minimize")).lower(),
        sampler=sampler,
        pruner=ForecastPruner(steps=steps, stop=stop, ceiling=ceiling),
    )
