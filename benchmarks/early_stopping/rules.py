"""The rules that compete: ours, those of Optuna as released, patience, and never to stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import optuna
from optuna.pruners import (
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    PatientPruner,
    SuccessiveHalvingPruner,
)

from benchmarks.early_stopping.pools import Pool
from unsl_optuna import ForecastPruner
from unsl_tracking import StopRule

Rule = Callable[[Pool], optuna.pruners.BasePruner]
NO_STOP: Final = "no stop"
EAGER: Final = "ours, eager"
CAREFUL: Final = "ours, careful"
DEFAULT: Final = "ours, default"
ORACLE: Final = "oracle"
PATIENCE: Final = 5  # evaluations without a new best


def _ours(stop: StopRule) -> Rule:
    return lambda pool: ForecastPruner(steps=pool.horizon, ceiling=pool.ceiling, stop=stop)


class Oracle(optuna.pruners.BasePruner):  # type: ignore[misc]
    """Knows where every run ends: stops it at its first evaluation if that is no better.

    Not a rule that anyone could use, but a bound for all that stop a run against the best final
    value so far and let the others run to their end.
    """

    def __init__(self, pool: Pool) -> None:
        self._sign = 1.0 if pool.mode == "min" else -1.0

    def prune(self, study: optuna.study.Study, trial: optuna.trial.FrozenTrial) -> bool:
        """True where the end is known to be no better than the best one so far."""
        end = float(trial.user_attrs["end"])
        done = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
        best = min((self._sign * float(t.value) for t in done if t.value is not None), default=None)
        return best is not None and end >= best


RULES: Final[Mapping[str, Rule]] = {
    NO_STOP: lambda _: NopPruner(),
    EAGER: _ours(StopRule.eager()),
    CAREFUL: _ours(StopRule.careful()),
    DEFAULT: _ours(StopRule()),
    "median": lambda _: MedianPruner(),
    "successive halving": lambda _: SuccessiveHalvingPruner(),
    "Hyperband": lambda _: HyperbandPruner(),
    "patient median": lambda _: PatientPruner(MedianPruner(), patience=PATIENCE),
    "patience": lambda _: PatientPruner(None, patience=PATIENCE),
    ORACLE: Oracle,
}
PRUNERS: Final = ("median", "successive halving", "Hyperband", "patient median", "patience")
OURS: Final = (EAGER, CAREFUL, DEFAULT)
