"""The demo from beginning to end. Nothing is tuned on the outcome, and every outcome is shown.

1. Train the ladder of small networks and log them to MLflow.
2. Read them back through the tracker, fit the law, forecast the larger networks.
3. Write those forecasts to a file and into the larger networks' runs, which have not begun.
4. Train the larger networks and compare.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from unsl_tracking.demo.network import Settings
from unsl_tracking.demo.plan import Plan, full_plan
from unsl_tracking.demo.pool import train_all
from unsl_tracking.demo.store import METRIC, DemoStore
from unsl_tracking.errors import TooLittleEvidence
from unsl_tracking.experiment import (
    ExperimentForecast,
    GroupForecast,
    RunForecast,
    answer_at,
    document_of,
    forecast_experiment,
    open_tracker,
    write_forecasts,
    write_run_forecast,
)
from unsl_tracking.report import Answer
from unsl_tracking.runs import Run, Tracker

AXES: Final = ("params", "train_chars", "step")
FORECAST_FILE: Final = "forecasts-before-training.json"

Progress = Callable[[str, int, int], None]
Curve = list[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A larger network: what was forecast and, in `answer.actual`, what came out."""

    run_id: str
    settings: Settings
    answer: Answer


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo did, and where. `seconds` is wall time."""

    uri: str
    experiment: str
    experiment_id: str
    forecast_file: Path
    ladder_runs: int
    comparisons: tuple[Comparison, ...]
    written: int
    seconds: float

    @property
    def inside(self) -> int:
        """How many actual values lie in their 80% intervals."""
        return sum(bool(each.answer.inside(0.8)) for each in self.comparisons)


def run_demo(
    folder: Path,
    *,
    seed: int = 0,
    plan: Plan | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> DemoResult:
    """Run the demo in `folder`. A second run there gets an experiment of its own.

    `say` gets a sentence at each turn of the story.

    Raises:
        TrainingFailed: a training process broke down.
        UnslError: a folder that cannot be written to, MLflow missing, and the like.
    """
    started = time.perf_counter()
    plan = plan or full_plan(seed)
    progress = progress or (lambda stage, done, total: None)
    say = say or (lambda sentence: None)

    store = DemoStore(folder)
    experiment = store.new_experiment("unsl-demo")
    say(f"Logging to {store.uri}, experiment {experiment}")
    ladder = [store.start(settings) for settings in plan.ladder]
    _train(store, plan.ladder, ladder, "training the ladder", progress)

    tracker = open_tracker(store.uri)
    result = _forecast(tracker, experiment, plan, seed, progress)
    group = result.groups[0]
    forecasts = [answer_at(group.law, "final", _point(s), "to be trained") for s in plan.larger]
    file = _write_down(store.folder / f"{experiment}-{FORECAST_FILE}", plan.larger, forecasts)
    larger = [store.start(settings) for settings in plan.larger]
    runs = {run.id: run for run in tracker.runs(experiment)}
    for run_id, answer in zip(larger, forecasts, strict=True):
        _write(tracker, result, group, runs[run_id], answer, [])
    say(f"Forecasts written to {file} and into the runs, before any of them is trained")

    curves = _train(store, plan.larger, larger, "training the larger ones", progress)
    comparisons = []
    runs = {run.id: run for run in tracker.runs(experiment)}
    for run_id, settings, answer, curve in zip(larger, plan.larger, forecasts, curves, strict=True):
        known = replace(answer, actual=curve[-1][1], why="forecast before the run was trained")
        _write(tracker, result, group, runs[run_id], known, curve)
        comparisons.append(Comparison(run_id, settings, known))
    report = write_forecasts(tracker, result, progress=progress)
    return DemoResult(
        uri=store.uri,
        experiment=experiment,
        experiment_id=store.experiment_id,
        forecast_file=file,
        ladder_runs=len(ladder),
        comparisons=tuple(comparisons),
        written=len(report.written) + len(comparisons),
        seconds=time.perf_counter() - started,
    )


def _train(
    store: DemoStore,
    settings: Sequence[Settings],
    run_ids: Sequence[str],
    stage: str,
    progress: Progress,
) -> list[Curve]:
    """Train and log; runs that an error or Ctrl-C cuts short end as KILLED."""
    curves: list[Curve] = [[] for _ in settings]
    unfinished = set(range(len(settings)))
    progress(stage, 0, len(settings))
    try:
        for measured in train_all(settings):
            store.log(run_ids[measured.index], measured.step, measured.value)
            curves[measured.index].append((measured.step, measured.value))
            if measured.done:
                store.finish(run_ids[measured.index])
                unfinished.discard(measured.index)
                progress(stage, len(settings) - len(unfinished), len(settings))
    finally:
        for index in sorted(unfinished):
            store.finish(run_ids[index], "KILLED")
    return curves


def _forecast(
    tracker: Tracker, experiment: str, plan: Plan, seed: int, progress: Progress
) -> ExperimentForecast:
    result = forecast_experiment(
        tracker,
        experiment,
        METRIC,
        axes=AXES,
        group_by=[],
        at=_point(plan.larger[-1]),
        mode="min",
        mode_why="it is a loss",
        seed=seed,
        progress=progress,
    )
    if not result.groups:
        refused = result.refused[0]
        raise TooLittleEvidence(refused.reason, known=refused.known)
    return result


def _write(
    tracker: Tracker,
    result: ExperimentForecast,
    group: GroupForecast,
    run: Run,
    answer: Answer,
    curve: Curve,
) -> None:
    """Write into a larger run what was forecast for it, at step 0: before its first loss."""
    places, values = np.array(curve, dtype=float).reshape(-1, 2).T
    forecast = RunForecast(run, answer, last_step=0, curve=(places, values))
    alone = replace(group, target=None)
    write_run_forecast(tracker, document_of(result, alone, forecast), alone, forecast)


def _write_down(file: Path, settings: Sequence[Settings], answers: Sequence[Answer]) -> Path:
    rows = [
        {
            "width": each.width,
            "at": dict(answer.point),
            "median": answer.median,
            "intervals": {f"{level:g}": list(both) for level, both in answer.intervals.items()},
        }
        for each, answer in zip(settings, answers, strict=True)
    ]
    file.write_text(json.dumps({"metric": METRIC, "forecasts": rows}, indent=1) + "\n")
    return file


def _point(settings: Settings) -> dict[str, float]:
    return {
        "params": float(settings.params),
        "train_chars": float(settings.train_chars),
        "step": float(settings.steps),
    }
