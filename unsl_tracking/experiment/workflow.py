"""From an experiment in a tracker to forecasts: read, group, fit each group, say where runs end."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from unsl_tracking.errors import DataError, TooLittleEvidence, UnslError
from unsl_tracking.experiment.account import (
    axes_and_why,
    cautions_on,
    left_out,
    notes_on,
    others_and_why_not,
)
from unsl_tracking.experiment.documents import answer_at
from unsl_tracking.experiment.horizon import RunEnd, axes_along_runs, ends_of_runs
from unsl_tracking.experiment.mode import Mode
from unsl_tracking.experiment.off_course import Course
from unsl_tracking.experiment.reading import (
    Progress,
    check_names,
    read_observations,
    read_runs,
)
from unsl_tracking.experiment.result import (
    ExperimentForecast,
    GroupForecast,
    Refused,
    RunForecast,
)
from unsl_tracking.experiment.target import target_point
from unsl_tracking.forecast import FittedLaw, fit
from unsl_tracking.report import Answer, AxisNote, numbers
from unsl_tracking.runs import Run, Tracker
from unsl_tracking.runs.axes import Axis
from unsl_tracking.runs.grouping import Group
from unsl_tracking.runs.observations import Observations

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
    ceiling: float | None = None,
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
        at: The scale to forecast, by axis. Axes left out take their largest observed value,
            hyperparameters that of the best run.
        horizon: Where runs end, by axis (`{"step": 100_000}`); see `horizon.end_of_run`.
        mode: "min" when lower is better, "max" when higher is.
        mode_why: How the mode is known, for the report.
        ceiling: The best value of a metric to maximise; 1 where absent.
        filter: Which runs, in the tracker's own language.
        seed: Of the fit.
        progress: Called as the work goes on.

    Raises:
        NotFound: no such experiment or metric, or no runs.
        DataError: nothing in it can be used; `AxisError` when that is for want of an axis.
        TrackerError: the tracker fails.
    """
    tell = progress or (lambda stage, done, total: None)
    runs = read_runs(tracker, experiment, [metric], filter)
    seen = read_observations(
        tracker,
        runs,
        metric,
        axes=axes,
        group_by=group_by,
        ignore=ignore,
        mode=mode,
        ceiling=ceiling,
        progress=progress,
    )
    check_names(seen, at, "The target")
    check_names(seen, horizon, "The horizon")
    by_id = {run.id: run for run in runs}
    groups: list[GroupForecast] = []
    refused: list[Refused] = []
    for done, group in enumerate(seen.groups, start=1):
        found, refusals = _forecast_group(
            seen, group, by_id, at or {}, horizon or {}, ceiling, seed
        )
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


def _forecast_group(
    seen: Observations,
    group: Group,
    by_id: Mapping[str, Run],
    at: Mapping[str, float],
    horizon: Mapping[str, float],
    ceiling: float | None,
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
        law = fit(frame, axes, seen.metric, mode=seen.mode, run=_RUN, ceiling=ceiling, seed=seed)
    except (TooLittleEvidence, DataError) as error:
        return None, [_refusal(group.label, error, len(group.runs))]
    law.add_warnings(cautions_on(seen, group.label))
    target, refused = _target(law, at, fixed, group.label)
    course = _course(seen, group.label, law)
    forecasts = []
    for end in ends_of_runs(seen, group.label, [by_id[each] for each in group.runs], law, horizon):
        found = _run(law, end)
        why_not = _diverged(end.run, law.value) or end.guess
        why_not = why_not or (course(end, found.final) if course else "")
        if why_not:
            refused.append(Refused(end.run.name or end.run.id, why_not))
        else:
            forecasts.append(found)
    along = axes_along_runs(law.data, law.axes, _RUN)
    notes = _axis_notes(law, axes_and_why(seen))
    return GroupForecast(group.key, law, tuple(forecasts), along, notes, target), refused


def _diverged(run: Run, metric: str) -> str:
    """Why a run whose newest value is no number is not forecast; empty where it is one."""
    value = run.metrics.get(metric, 0.0)
    if math.isfinite(value):
        return ""
    return f"its last {metric} is {value:g}, so where its values before that led says nothing"


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
    point, why = target_point(law, at)
    return answer_at(law, "target", point, why), []


def _run(law: FittedLaw, end: RunEnd) -> RunForecast:
    """The answer at the end of a run, and the last logged value where that is the end."""
    run = end.run
    actual = run.metrics.get(law.value) if run.status == "FINISHED" and end.is_last else None
    answer = answer_at(law, "final", end.point, end.why, actual)
    return RunForecast(run, answer, run.metric_steps.get(law.value, 0))


def _course(
    seen: Observations, group: str, law: FittedLaw
) -> Callable[[RunEnd, Answer], str] | None:
    """Says why the end of a run that goes on is not told by the ends of others, where it is not.

    None where the law is not one of ends.
    """
    decay = seen.decay_of(group)
    if decay is None or decay.rows != "ends":
        return None
    ended = frozenset(decay.ended)
    curves = seen.of_group(group, curves=True)
    along = axes_along_runs(curves, law.axes, _RUN)
    if not along:  # all runs are equally long
        along = axes_along_runs(curves, [axis.name for axis in seen.axes], _RUN)
    length = float(seen.of_group(group)[along[0]].iloc[0])
    course = Course(curves, law, along[0], decay.ended)

    def why_not(end: RunEnd, answer: Answer) -> str:
        if end.run.id in ended:
            return ""
        return course.objection(end.run.id, answer, end.point.get(along[0], length))

    return why_not


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
