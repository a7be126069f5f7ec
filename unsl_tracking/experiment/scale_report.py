"""From a forecast of an experiment to scale-up reports: one per group of runs, and their files."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from unsl_tracking.decide import Allocation, NextRuns, allocate, gate, next_runs
from unsl_tracking.decide.cost import check_cost
from unsl_tracking.decide.gate import backtest_by_size, check_rule
from unsl_tracking.decide.support import support_of
from unsl_tracking.errors import DataError, UnslError
from unsl_tracking.experiment.documents import answer_at, group_document
from unsl_tracking.experiment.reading import Progress
from unsl_tracking.experiment.result import ExperimentForecast, GroupForecast, Refused
from unsl_tracking.experiment.target import target_point
from unsl_tracking.forecast import FittedLaw
from unsl_tracking.report import Answer, ScaleReport, numbers
from unsl_tracking.report.fit_check import fit_check


@dataclass(frozen=True, slots=True)
class Question:
    """What a report is to answer beyond the forecast.

    `target` is a value of the metric that must be beaten with `confidence`, at most `max_decades`
    beyond the data. `budget` is split over the axes by `cost` (and `inference`), expressions such
    as `6*params*tokens`, which may name numbers that are `given`; with a cost alone, the next
    runs are asked for.
    """

    target: float | None = None
    confidence: float = 0.9
    max_decades: float | None = None
    budget: float | None = None
    cost: str | None = None
    inference: str | None = None
    given: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_rule(0.0 if self.target is None else self.target, self.confidence, self.max_decades)
        check_cost(self.cost, self.given, self.inference)
        if self.budget is not None and self.cost is None:
            raise DataError(
                "a budget needs a cost to be split by",
                got=f"a budget of {self.budget:g} alone",
                next_step="Say what a run costs, such as 6*params*tokens.",
            )


def report_experiment(
    forecast: ExperimentForecast,
    question: Question | None = None,
    *,
    command: str = "",
    progress: Progress | None = None,
) -> tuple[ScaleReport, ...]:
    """A report about every group of the forecast, the group with most runs first.

    Args:
        forecast: From `forecast_experiment`, whose `at` is the scale in question; without one, the
            largest values observed are.
        question: What else to answer.
        command: How to make the report again, for its last line.
        progress: Called as the work goes on.
    """
    asked = question or Question()
    tell = progress or (lambda stage, done, total: None)
    groups = sorted(forecast.groups, key=lambda group: -len(group.runs))
    reports = []
    for done, group in enumerate(groups):
        tell("replaying the past", done, len(groups))
        reports.append(_report(forecast, group, asked, command))
    tell("replaying the past", len(groups), len(groups))
    return tuple(reports)


def command_of(
    forecast: ExperimentForecast,
    at: Mapping[str, float],
    question: Question,
    *,
    reading: Sequence[str] = (),
) -> str:
    """The command line that makes the report again; the tracker's address has no credentials.

    `reading`: the options that say what was read, such as `--axes`.
    """
    words = ["unsl", "report", forecast.tracker]
    words += ["--experiment", forecast.experiment, "--metric", forecast.metric]
    if at:
        words += ["--at", _point_words(at)]
    if question.target is not None:
        words += ["--target", f"{question.target:.12g}", "--confidence", f"{question.confidence:g}"]
    for option in ("max_decades", "budget", "cost", "inference"):
        value = getattr(question, option)
        if value is not None:
            text = value if isinstance(value, str) else numbers.exact(value)
            words += [f"--{option.replace('_', '-')}", text]
    if question.given:
        words += ["--given", _point_words(question.given)]
    words += reading
    words += ["--mode", forecast.mode, "--seed", str(forecast.seed)]
    return shlex.join(words)


def _point_words(point: Mapping[str, float]) -> str:
    return ",".join(f"{name}={numbers.exact(value)}" for name, value in point.items())


def _report(
    forecast: ExperimentForecast, group: GroupForecast, asked: Question, command: str
) -> ScaleReport:
    law, answer = group.law, group.target or _largest(group.law)
    tested = backtest_by_size(law)
    missing = [(f"the backtest of {group.label}", _UNTESTED)] if tested is None else []
    decision = None
    if asked.target is not None:
        decision = gate(
            law,
            answer.point,
            asked.target,
            confidence=asked.confidence,
            max_decades=asked.max_decades,
            tested=tested,
        )
    allocation = _allocation(law, asked, missing)
    planned = _next_runs(law, answer, asked, missing)
    return ScaleReport(
        document=group_document(forecast, group, (answer,)),
        law=law,
        fit=fit_check(law),
        support=support_of(law, answer.point, tested),
        tested=tested,
        decision=decision,
        allocation=allocation,
        next_runs=planned,
        missing=tuple(missing),
        others=_others(forecast, group),
        command=command,
    )


_UNTESTED = "there are too few runs to forecast some of them from the others"


def _largest(law: FittedLaw) -> Answer:
    point, _ = target_point(law, {})
    return answer_at(law, "target", point, "no scale was asked for: the largest values observed")


def _allocation(
    law: FittedLaw, asked: Question, missing: list[tuple[str, str]]
) -> Allocation | None:
    if asked.budget is None or asked.cost is None:
        return None
    try:
        return allocate(law, asked.budget, asked.cost, inference=asked.inference, given=asked.given)
    except UnslError as error:
        missing.append(("the split of the budget", str(error)))
        return None


def _next_runs(
    law: FittedLaw, answer: Answer, asked: Question, missing: list[tuple[str, str]]
) -> NextRuns | None:
    if asked.cost is None:
        return None
    try:
        return next_runs(law, target=answer.point, cost=asked.cost, given=asked.given)
    except UnslError as error:
        missing.append(("the next runs", str(error)))
        return None


def _others(forecast: ExperimentForecast, group: GroupForecast) -> tuple[tuple[str, str], ...]:
    told = [
        (each.label, f"a report of its own, {numbers.plural(len(each.runs), 'run')}")
        for each in forecast.groups
        if each is not group
    ]
    refused: list[Refused] = list(forecast.refused)
    return (*told, *((each.name, each.reason) for each in refused))
