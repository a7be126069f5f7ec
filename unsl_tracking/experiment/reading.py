"""Reading an experiment: its runs, the histories that are needed, and the observations in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from unsl_tracking.errors import AxisError, NotFound
from unsl_tracking.experiment.mode import Mode
from unsl_tracking.runs import Run, Tracker
from unsl_tracking.runs.axes import Axis
from unsl_tracking.runs.expression import closest, near_names
from unsl_tracking.runs.grouping import IGNORED_KEYS
from unsl_tracking.runs.observations import (
    CURVE_POINTS,
    Observations,
    metrics_to_read,
    observe,
)

_MOST_NAMES = 20  # in an error

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, how much of it is done, how much there is)."""


def read_runs(
    tracker: Tracker, experiment: str, metrics: Sequence[str], filter: str | None = None
) -> list[Run]:
    """The runs of the experiment. Raises `NotFound` without any, or for an unknown metric."""
    runs = tracker.runs(experiment, filter=filter)
    for metric in metrics:
        _check_runs(runs, experiment, metric, filter)
    return runs


def read_observations(
    tracker: Tracker,
    runs: Sequence[Run],
    metric: str,
    *,
    axes: Sequence[str | Axis] | None = None,
    group_by: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    mode: Mode = "min",
    ceiling: float | None = None,
    points: int = CURVE_POINTS,
    progress: Progress | None = None,
) -> Observations:
    """What the runs say about the metric; arguments as `forecast_experiment` and `observe`."""
    tell = progress or (lambda stage, done, total: None)
    read = tracker.history(
        runs,
        metrics_to_read(runs, metric, axes),
        progress=lambda done, total: tell("reading runs", done, total),
    )
    return observe(
        runs,
        read.frame,
        metric,
        mode=mode,
        axes=axes,
        group_by=group_by,
        ignored=[*IGNORED_KEYS, *ignore],
        ceiling=ceiling,
        points=points,
    )


def check_names(seen: Observations, point: Mapping[str, float] | None, what: str) -> None:
    """Raises `AxisError` where the point names something that is not an axis in use."""
    names = [axis.name for axis in seen.axes]
    for name in point or {}:
        if name not in names:
            raise AxisError(
                f"{what} may name the axes in use: {', '.join(names)}",
                got=name,
                next_step=_how_to_name(seen, name, names),
            )


def _how_to_name(seen: Observations, name: str, axes: Sequence[str]) -> str:
    if name in {each.name for each in seen.detections}:
        return f"To use it as an axis, ask for it: --axes {','.join([*axes, name])}."
    return near_names(name, axes)


def _check_runs(runs: Sequence[Run], experiment: str, metric: str, filter: str | None) -> None:
    if not runs:
        said = f" that match {filter!r}" if filter else ""
        raise NotFound(
            f"The experiment must have runs{said}",
            got=f"none in {experiment!r}",
            next_step="Log runs to it first" + (", or change the filter." if filter else "."),
        )
    known = sorted({name for run in runs for name in run.metrics if not name.startswith("unsl/")})
    if metric not in known:
        raise NotFound(
            "The metric must have been logged by some run of the experiment",
            got=metric,
            next_step=f"Metrics there: {_nearest_first(metric, known) or 'none'}.",
        )


def _nearest_first(name: str, known: Sequence[str]) -> str:
    """The names most like this one, then others; of hundreds the right one is among the first."""
    near = closest(name, known)
    names = [*near, *(each for each in known if each not in near)]
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
