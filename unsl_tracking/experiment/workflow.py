"""From an experiment in a tracker to forecasts: read, group, fit each group, say where runs end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from unsl_tracking.errors import AxisError, DataError, NotFound, TooLittleEvidence, UnslError
from unsl_tracking.experiment.account import axes_and_why, left_out, notes_on, others_and_why_not
from unsl_tracking.experiment.documents import answer_at
from unsl_tracking.experiment.horizon import axes_along_runs, end_of_run, last_points
from unsl_tracking.experiment.mode import Mode
from unsl_tracking.experiment.result import (
    ExperimentForecast,
    GroupForecast,
    Refused,
    RunForecast,
)
from unsl_tracking.forecast import FittedLaw, fit
from unsl_tracking.report import Answer, AxisNote, numbers
from unsl_tracking.runs import Run, Tracker
from unsl_tracking.runs.axes import Axis
from unsl_tracking.runs.grouping import IGNORED_KEYS, Group
from unsl_tracking.runs.observations import Observations, metrics_to_read, observe

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, how much of it is done, how much there is)."""

_RUN = "run_id"


def forecast_experiment(
    tracker: Tracker,
    experiment: str,
    metric: str,
    *,
    axes: Sequence[str | Axis] | None = None,
    group_by: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    at: Mapping[str, float] | None = None,
    horizon: Mapping[str, float] | None = None,
    mode: Mode = "min",
    mode_why: str = "",
    filter: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> ExperimentForecast:
    """Forecast where every run of an experiment ends, and the metric at the scale `at`.

    Args:
        tracker: Where the runs are; nothing is written to it (see `write_forecasts`).
        experiment: Its name.
        metric: The metric to forecast.
        axes: Names, `name=source` texts or `Axis`; None detects them.
        group_by: Keys that tell groups of runs apart; None finds groups, [] makes one.
        ignore: Patterns of further keys that do not split groups.
        at: The scale to forecast, by axis. Axes left out take their largest observed value.
        horizon: Where runs end, by axis (`{"step": 100_000}`); see `horizon.end_of_run`.
        mode: "min" when lower is better, "max" when higher is.
        mode_why: How the mode is known, for the report.
        filter: Which runs, in the tracker's own language.
        seed: Of the fit.
        progress: Called as the work goes on.

    Raises:
        NotFound: no such experiment or metric, or no runs.
        DataError: nothing in it can be used; `AxisError` when that is for want of an axis.
        TrackerError: the tracker fails.
    """
    tell = progress or (lambda stage, done, total: None)
    runs = tracker.runs(experiment, filter=filter)
    _check_runs(runs, experiment, metric, filter)
    wanted = metrics_to_read(runs, metric, axes)
    read = tracker.history(
        runs, wanted, progress=lambda done, total: tell("reading runs", done, total)
    )
    seen = observe(
        runs,
        read.frame,
        metric,
        mode=mode,
        axes=axes,
        group_by=group_by,
        ignored=[*IGNORED_KEYS, *ignore],
    )
    _check_names(seen, at, "The target")
    _check_names(seen, horizon, "The horizon")
    by_id = {run.id: run for run in runs}
    groups: list[GroupForecast] = []
    refused: list[Refused] = []
    for done, group in enumerate(seen.groups, start=1):
        found, refusals = _forecast_group(seen, group, by_id, at or {}, horizon or {}, seed)
        groups += [found] if found is not None else []
        refused += refusals
        tell("fitting groups", done, len(seen.groups))
    return ExperimentForecast(
        tracker=tracker.uri,
        experiment=experiment,
        metric=metric,
        mode=mode,
        mode_why=mode_why,
        seed=seed,
        groups=tuple(groups),
        refused=tuple(refused),
        axes=axes_and_why(seen),
        not_axes=others_and_why_not(seen),
        notes=notes_on(seen),
        dropped=left_out(seen, by_id),
    )


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
            next_step=f"Metrics there: {', '.join(known[:20]) or 'none'}.",
        )


def _check_names(seen: Observations, point: Mapping[str, float] | None, what: str) -> None:
    names = [axis.name for axis in seen.axes]
    for name in point or {}:
        if name not in names:
            raise AxisError(
                f"{what} may name the axes in use: {', '.join(names)}",
                got=name,
                next_step=f"To use it as an axis, ask for it: --axes {','.join([*names, name])}.",
            )


def _forecast_group(
    seen: Observations,
    group: Group,
    by_id: Mapping[str, Run],
    at: Mapping[str, float],
    horizon: Mapping[str, float],
    seed: int,
) -> tuple[GroupForecast | None, list[Refused]]:
    """The group's law and answers, and what of it cannot be forecast."""
    frame = seen.of_group(group.label)
    axes = [axis for axis in seen.axes if frame[axis.name].nunique() > 1]
    fixed = {a.name: float(frame[a.name].iloc[0]) for a in seen.axes if a not in axes}
    try:
        if not axes:
            raise TooLittleEvidence(
                "An axis must vary within a group",
                got=f"the same scale on all {len(frame)} observations",
                known={"observations": len(frame)},
                next_step="Add runs of other scales, or group by fewer keys.",
            )
        law = fit(frame, axes, seen.metric, mode=seen.mode, run=_RUN, seed=seed)
    except (TooLittleEvidence, DataError) as error:
        return None, [_refusal(group.label, error, len(group.runs))]
    target, refused = _target(law, at, fixed, group.label)
    along = axes_along_runs(law.data, law.axes, _RUN)
    forecasts = _runs(law, along, [by_id[each] for each in group.runs], horizon)
    notes = _axis_notes(law, axes_and_why(seen))
    return GroupForecast(group.key, law, forecasts, along, notes, target), refused


def _target(
    law: FittedLaw, at: Mapping[str, float], fixed: Mapping[str, float], label: str
) -> tuple[Answer | None, list[Refused]]:
    """The answer at the asked scale; refused where this group never varied what was asked for."""
    if not at:
        return None, []
    for name, value in fixed.items():
        if name in at and at[name] != value:
            known, asked = numbers.scale(value), numbers.scale(at[name])
            reason = f"every run of it has {name}={known}, so {name}={asked} is a guess"
            return None, [Refused(f"the target in {label}", reason)]
    largest = {axis: float(law.data[axis].max()) for axis in law.axes if axis not in at}
    point = {axis: float(at.get(axis, largest.get(axis, 0.0))) for axis in law.axes}
    filled = f"; not asked for, so the largest observed: {numbers.point(largest)}"
    why = "as asked" + (filled if largest else "")
    return answer_at(law, "target", point, why), []


def _runs(
    law: FittedLaw, along: Sequence[str], runs: Sequence[Run], horizon: Mapping[str, float]
) -> tuple[RunForecast, ...]:
    last = last_points(law, along)
    finished = [run.id for run in runs if run.status == "FINISHED"]
    forecasts = []
    for run in runs:
        if run.id not in last:
            continue
        point, why = end_of_run(run, last, along, horizon, finished)
        answer = answer_at(law, "final", point, why, _actual(law.value, run, last[run.id], point))
        forecasts.append(RunForecast(run, answer, run.metric_steps.get(law.value, 0)))
    return tuple(forecasts)


def _actual(metric: str, run: Run, last: Mapping[str, float], point: object) -> float | None:
    """The last logged value, where the point is the one at which the run has finished."""
    return run.metrics.get(metric) if run.status == "FINISHED" and point == last else None


def _axis_notes(law: FittedLaw, why: Mapping[str, str]) -> tuple[AxisNote, ...]:
    data = law.data
    return tuple(
        AxisNote(
            name=axis,
            low=float(data[axis].min()),
            high=float(data[axis].max()),
            levels=int(data[axis].nunique()),
            why=why.get(axis, ""),
        )
        for axis in law.axes
    )


def _refusal(name: str, error: UnslError, runs: int) -> Refused:
    known = error.known if isinstance(error, TooLittleEvidence) else {}
    return Refused(name, str(error), runs, known)
