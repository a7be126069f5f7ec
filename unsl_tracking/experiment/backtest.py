"""Backtests of the laws of an experiment: how good its forecasts would have been so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from unsl_tracking.errors import TooLittleEvidence
from unsl_tracking.experiment.by_group import by_group
from unsl_tracking.experiment.reading import Progress
from unsl_tracking.experiment.result import ExperimentForecast, GroupForecast, Refused
from unsl_tracking.forecast import Backtest
from unsl_tracking.forecast.replay import Design

SCHEMA: Final = "unsl_tracking/experiment-backtest"
SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class GroupBacktest:
    """A group of runs, by label and the values that set it apart, and its law's backtest."""

    label: str
    key: Mapping[str, str]
    backtest: Backtest


@dataclass(frozen=True, slots=True)
class ExperimentBacktest:
    """Backtests of the groups of an experiment; `refused` are groups without one, and why."""

    tracker: str
    experiment: str
    metric: str
    groups: tuple[GroupBacktest, ...]
    refused: tuple[Refused, ...]

    def to_dict(self) -> dict[str, object]:
        """Everything as strict JSON values."""
        answers = ((g.label, g.key, {"backtest": g.backtest.to_dict()}) for g in self.groups)
        return by_group(self, SCHEMA, SCHEMA_VERSION, answers)


def backtest_experiment(
    forecast: ExperimentForecast,
    *,
    origins: int | None = None,
    design: Design | None = None,
    progress: Progress | None = None,
) -> ExperimentBacktest:
    """Backtest the law of every group; `FittedLaw.backtest` says what the arguments mean.

    Args:
        forecast: From `forecast_experiment`, which reads the runs and fits the laws.
        origins: How many sizes, or runs, of each group.
        design: "size" or "runs"; chosen for each group where absent.
        progress: Called as the work goes on.
    """
    groups: list[GroupBacktest] = []
    refused = list(forecast.refused)
    for number, group in enumerate(forecast.groups, start=1):
        which = "" if len(forecast.groups) == 1 else f" {number} of {len(forecast.groups)}"
        try:
            groups.append(_tested(group, origins, design, progress, f"replaying group{which}"))
        except TooLittleEvidence as error:
            refused.append(Refused(group.label, str(error), len(group.runs), error.known))
    return ExperimentBacktest(
        forecast.tracker, forecast.experiment, forecast.metric, tuple(groups), tuple(refused)
    )


def _tested(
    group: GroupForecast,
    origins: int | None,
    design: Design | None,
    progress: Progress | None,
    stage: str,
) -> GroupBacktest:
    def tell(done: int, total: int) -> None:
        if progress is not None:
            progress(stage, done, total)

    tested = group.law.backtest(origins=origins, design=design, progress=tell)
    return GroupBacktest(group.label, group.key, tested)
