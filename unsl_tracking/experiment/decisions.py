"""What to do next with the laws of an experiment: split a budget, choose runs, group by group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import pandas as pd

from unsl_tracking.decide import Allocation, NextRuns, allocate, next_runs
from unsl_tracking.errors import DataError, UnslError
from unsl_tracking.experiment.by_group import by_group
from unsl_tracking.experiment.horizon import last_points
from unsl_tracking.experiment.result import ExperimentForecast, GroupForecast, Refused
from unsl_tracking.experiment.target import target_point
from unsl_tracking.runs import Run, parse_expression, read_number
from unsl_tracking.runs.axes import place_of

SCHEMA_VERSION: Final = 1
ALLOCATION: Final = "unsl_tracking/experiment-allocation"
NEXT_RUNS: Final = "unsl_tracking/experiment-next-runs"

A = TypeVar("A", Allocation, NextRuns)


@dataclass(frozen=True, slots=True)
class GroupAnswer(Generic[A]):
    """A group of runs, by label and the values that set it apart, and what is answered for it."""

    label: str
    key: Mapping[str, str]
    answer: A


@dataclass(frozen=True, slots=True)
class ExperimentAnswer(Generic[A]):
    """Answers for the groups of an experiment; `refused` are groups without one, and why."""

    schema: str
    tracker: str
    experiment: str
    metric: str
    groups: tuple[GroupAnswer[A], ...]
    refused: tuple[Refused, ...]

    def to_dict(self) -> dict[str, object]:
        """Everything as strict JSON values."""
        answers = ((g.label, g.key, {"answer": g.answer.to_dict()}) for g in self.groups)
        return by_group(self, self.schema, SCHEMA_VERSION, answers)


def allocate_experiment(
    forecast: ExperimentForecast,
    budget: float,
    cost: str,
    *,
    inference: str | None = None,
    **options: Any,
) -> ExperimentAnswer[Allocation]:
    """Split a budget by the law of every group; `decide.allocate` says what the arguments mean.

    Names in the expressions that are no axes are looked up in the runs: their params, config, tags
    and metrics (the last value).

    Raises:
        DataError: it was refused for every group; the reason is the first group's.
    """
    texts = [cost, *([] if inference is None else [inference])]

    def of(group: GroupForecast) -> Allocation:
        measured = measured_runs(group, texts)
        return allocate(group.law, budget, cost, inference=inference, measured=measured, **options)

    return _each_group(ALLOCATION, forecast, of)


def plan_experiment(
    forecast: ExperimentForecast,
    at: Mapping[str, float],
    cost: str,
    *,
    candidates: pd.DataFrame | None = None,
    **options: Any,
) -> ExperimentAnswer[NextRuns]:
    """The next runs of every group; `decide.next_runs` says what the arguments mean.

    Axes that `at` leaves out are filled in as in `forecast_experiment`.

    Raises:
        DataError: it was refused for every group; the reason is the first group's.
    """

    def of(group: GroupForecast) -> NextRuns:
        law = group.law
        target, _ = target_point(law, at)
        measured = measured_runs(group, [cost])
        return next_runs(law, candidates, target=target, cost=cost, measured=measured, **options)

    return _each_group(NEXT_RUNS, forecast, of)


def measured_runs(group: GroupForecast, expressions: Iterable[str]) -> pd.DataFrame:
    """A row per run: its last point on every axis, and the numbers that the expressions name."""
    names = dict.fromkeys(n for text in expressions for n in parse_expression(text).names)
    law = group.law
    assert law.run is not None
    wanted = [name for name in names if name not in law.axes]
    last = last_points(law.data, law.axes, law.run, group.along)
    rows = [
        {**last[each.run.id], **{name: _number(each.run, name) for name in wanted}}
        for each in group.runs
        if each.run.id in last
    ]
    frame = pd.DataFrame(rows, columns=[*law.axes, *wanted], dtype=float)
    return frame.dropna(axis="columns", how="all")  # what no run says is unknown, not empty


def _number(run: Run, name: str) -> float:
    """What a run says a name is; NaN where it says nothing. `metric:` and the like choose where."""
    places: dict[str, Mapping[str, object]] = {
        "param": run.params,
        "config": run.config,
        "tag": run.tags,
        "metric": run.metrics,
    }
    place, key = place_of(name) or ("", name)
    searched = [places[place]] if place in places else list(places.values())
    found = next((where[key] for where in searched if key in where), None)
    number = read_number(found)
    return float("nan") if number is None else number


def _each_group(
    schema: str, forecast: ExperimentForecast, of: Callable[[GroupForecast], A]
) -> ExperimentAnswer[A]:
    groups: list[GroupAnswer[A]] = []
    refused = list(forecast.refused)
    first: UnslError | None = None
    for group in forecast.groups:
        try:
            groups.append(GroupAnswer(group.label, group.key, of(group)))
        except DataError as error:
            first = first or error
            refused.append(Refused(group.label, str(error), len(group.runs)))
    if first is not None and not groups:
        raise first
    return ExperimentAnswer(
        schema,
        forecast.tracker,
        forecast.experiment,
        forecast.metric,
        tuple(groups),
        tuple(refused),
    )
