"""From runs and histories to the table that a law is fitted to.

    rows of the metric ─▶ clean (`rows`) ─▶ axes (`detect`, `table`) ─▶ groups (`grouping`)
                       ─▶ long curves into log-spaced buckets (`thin`) ─▶ `Observations`

What is left out on the way is in `Observations.dropped`; what was found and why is in its
`detections` and `keys`, and in words in `explain()`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unsl_tracking.errors import AxisError, DataError
from unsl_tracking.runs import explain as _explain
from unsl_tracking.runs.axes import RESERVED, Axis, as_axes, place_of
from unsl_tracking.runs.decay import peaks_of, plans_rate, signs
from unsl_tracking.runs.detect import LEAST_SPAN, Detection, detect_axes
from unsl_tracking.runs.ends import (
    Decay,
    find_decays,
    note_left_out,
    notes_on_decays,
    only_ends,
)
from unsl_tracking.runs.grouping import (
    IGNORED_KEYS,
    IS_AXIS,
    Group,
    KeyVerdict,
    group_by_keys,
    group_runs,
)
from unsl_tracking.runs.names import family_of, is_rate
from unsl_tracking.runs.planned import Plan, find_plans, told_lengths
from unsl_tracking.runs.rows import (
    Dropped,
    Losses,
    Mode,
    Rows,
    check_history,
    clean_rows,
    reduce_rows,
    without_unfinished,
)
from unsl_tracking.runs.run import Run
from unsl_tracking.runs.set_per_scale import Places
from unsl_tracking.runs.table import Column, Table, by_metric
from unsl_tracking.runs.thin import thin_curves

CURVE_POINTS: Final = 200
"""Rows per run above which a curve is put into log-spaced buckets."""

Curve = Literal["all", "last", "best"]

_RATES_READ = 3  # histories of learning rates, each of which is a request for every run
_MOST_REASONS = 3  # told in an error, where every run may have its own


@dataclass(frozen=True, slots=True)
class Observations:
    """What was measured, as a table for `ut.fit`, and an account of how it came to be.

    `frame` has one row per observation, ordered by group, run and step: `run_id`, `group`, one
    column per axis, the metric under its own name, `step`, and `count`, the number of logged rows
    that the observation is the mean of (axes are their geometric mean).

    `curves` has the same columns and all observations: of groups whose learning rate falls along
    the runs, `frame` may hold the ends of finished runs only (see `ends` and `decays`).
    """

    frame: pd.DataFrame
    curves: pd.DataFrame
    metric: str
    mode: Mode
    axes: tuple[Axis, ...]
    detections: tuple[Detection, ...]
    groups: tuple[Group, ...]
    keys: tuple[KeyVerdict, ...]
    dropped: tuple[Dropped, ...]
    notes: tuple[str, ...]
    plans: tuple[Plan, ...] = ()
    """Where runs that go on will end, as far as a param says it (see `planned`)."""
    decays: tuple[Decay, ...] = ()
    """Groups whose learning rate falls along the runs, and which of their rows `frame` has."""

    def of_group(self, label: str, *, curves: bool = False) -> pd.DataFrame:
        """The rows of one group, of `frame` or `curves`. Raises `DataError` for no such group."""
        if label not in {group.label for group in self.groups}:
            raise DataError(
                "The group must be one of the groups found",
                got=label,
                next_step=f"Groups: {'; '.join(group.label for group in self.groups)}.",
            )
        frame = self.curves if curves else self.frame
        return frame[frame["group"] == label].reset_index(drop=True)

    def decay_of(self, label: str) -> Decay | None:
        """What was done about the learning rate of a group; None where it does not fall."""
        return next((each for each in self.decays if each.group == label), None)

    def explain(self) -> str:
        """What was detected and why, as plain text. Names in it come from the runs: escape it."""
        return _explain.as_text(self)

    def to_dict(self) -> dict[str, Any]:
        """The same for machines: JSON-able values, without the frame."""
        return _explain.as_dict(self)


def metrics_to_read(
    runs: Iterable[Run], metric: str, axes: Sequence[str | Axis] | None = None
) -> tuple[str, ...]:
    """Metrics whose history `observe` needs: the metric, and those that are or may be axes."""
    runs = list(runs)
    logged = dict.fromkeys(name for run in runs for name in run.metrics)
    if axes is None:
        scales = {"progress", "repeats", "size", "data", "compute"}
        wanted = [name for name in logged if family_of(name) in scales and "unsl/" not in name]
        if not any(map(plans_rate, runs)):  # how high it was, only its history tells
            wanted += _highest([name for name in logged if is_rate(name)], runs)
    else:
        sources: list[str] = []
        for axis in as_axes(axes):
            expression = axis.expression()
            sources += expression.names if expression else [axis.source or axis.name]
        wanted = [(place_of(source) or ("", source))[1] for source in sources]
    return tuple(dict.fromkeys([metric, *(name for name in wanted if name in logged)]))


def _highest(rates: Sequence[str], runs: Sequence[Run]) -> list[str]:
    """Of the rates of many layers or parameter groups those few that end highest."""
    last = {name: max(run.metrics.get(name, -math.inf) for run in runs) for name in rates}
    return sorted(rates, key=lambda name: -last[name])[:_RATES_READ]


def observe(
    runs: Iterable[Run],
    history_frame: pd.DataFrame,
    metric: str,
    *,
    mode: Mode = "min",
    axes: Sequence[str | Axis] | None = None,
    group_by: Sequence[str] | None = None,
    ignored: Sequence[str] = IGNORED_KEYS,
    curve: Curve = "all",
    ceiling: float | None = None,
    points: int = CURVE_POINTS,
) -> Observations:
    """Tidy observations of a metric over runs.

    Args:
        runs: The runs, as `tracker.runs` gives them.
        history_frame: Histories of the metric and of `metrics_to_read`, as `tracker.history` gives.
        metric: The metric to forecast.
        mode: "min" when lower is better (values must be above 0), "max" when higher is.
        axes: Names, `name=source` texts or `Axis`; None detects them (see `detect`), and keeps only
            ends of finished runs where the learning rate falls along the runs (see `ends`).
        group_by: Keys that tell groups apart; None finds groups (see `grouping`), [] makes one.
        ignored: Patterns of keys that neither split groups nor become axes.
        curve: Every row of a run (but see `axes`), its last one, or its best one.
        ceiling: The best value there can be when `mode` is "max"; 1 for fractions.
        points: Observations per run; longer curves are put into log-spaced buckets.

    Raises:
        NotFound: No run logged the metric.
        AxisError: An axis cannot be found, or is the same everywhere; or there is no usable one.
        DataError: Nothing that could be fitted is left; the message says what was there.

    Examples:
        >>> from unsl_tracking.runs import MemoryTracker
        >>> tracker = MemoryTracker()
        >>> for params in (1e6, 1e7, 1e8):
        ...     run = tracker.new_run("ladder", params={"params": params, "optimizer": "adam"})
        ...     tracker.log(run, "loss", [(40 * params**-0.2, 100, 0)])
        ...     tracker.finish(run)
        >>> runs = tracker.runs("ladder")
        >>> seen = ut.observe(runs, tracker.history(runs, ["loss"]).frame, "loss")
        >>> [axis.name for axis in seen.axes], len(seen.groups)
        (['params'], 1)
    """
    runs = _checked(runs, metric, mode, curve)
    named = as_axes(axes) if axes is not None else ()
    losses = Losses(runs)
    check_history(history_frame)
    histories = by_metric(history_frame)
    rows = clean_rows(runs, histories, metric, losses, mode=mode, ceiling=ceiling)
    table = Table(reduce_rows(rows, curve, mode), histories, metric)
    if curve == "all" and named and not any(table.axis(axis).along for axis in named):
        if len(table.rows) > np.unique(table.rows.run).size:
            losses.notes.append("No axis varies along a run, so only its last row is used")
            rows = without_unfinished(rows, losses)
        table = Table(reduce_rows(rows, "last", mode), histories, metric)
    if len(table.rows) == 1:
        raise DataError(
            f"`{metric}` must be there at several points: on several runs, or along a run",
            got=f"one row, of run {runs[int(table.rows.run[0])].id}",
            next_step="Log it along the run, or read more runs.",
        )
    detections = detect_axes(table, ignored, named=named)
    chosen = named or tuple(each.axis for each in detections if each.chosen)
    if not chosen:
        raise AxisError(
            "There must be a number that varies by a factor of two between runs or along a run",
            got=f"none of {len(detections)} candidates",
            next_step=_explain.candidates(detections),
        )
    rows, columns = _on_axes(table, chosen, losses)
    _check_varies(rows, chosen, columns, detections, losses)
    groups, keys = _group(rows, chosen, columns, detections, table, ignored, group_by)
    curves = _frame(rows, chosen, columns, groups, metric, points)
    decays: tuple[Decay, ...] = ()
    along = [axis.name for axis in chosen if curve == "all" and table.axis(axis).along]
    if along:
        told = signs(rows.runs, peaks_of(histories))
        lengths = told_lengths(rows.runs, ignored)
        decays = find_decays(rows, columns, groups, told, lengths, asked=bool(named))
        note_left_out(rows, groups, decays, losses)
        fixed = [axis.name for axis in chosen if axis.name not in along]
        planned = [each.name for each in detections if each.planned]
        losses.notes += notes_on_decays(decays, len(groups), fixed, along, planned)
    return Observations(
        only_ends(curves, decays), curves, metric, mode, chosen, detections, groups, keys,
        tuple(losses.dropped), (*losses.notes, *_explain.notes_on_groups(groups, keys, chosen)),
        find_plans(table, chosen, ignored), decays,
    )  # fmt: skip


def _checked(runs: Iterable[Run], metric: str, mode: str, curve: str) -> tuple[Run, ...]:
    runs = tuple({run.id: run for run in runs}.values())
    if not runs:
        raise DataError("There must be runs", got="an empty experiment", next_step="Log some.")
    if metric in RESERVED | {"step"}:
        raise DataError(
            f"A metric to forecast may not be called {', '.join(sorted(RESERVED | {'step'}))}",
            got=metric,
        )
    for name, value, known in (
        ("mode", mode, ("min", "max")),
        ("curve", curve, ("all", "last", "best")),
    ):
        if value not in known:
            raise DataError(f"{name} must be one of {', '.join(known)}", got=value)
    return runs


def _on_axes(
    table: Table, axes: Sequence[Axis], losses: Losses
) -> tuple[Rows, dict[str, NDArray[np.float64]]]:
    """The rows that stand on every axis, and the axes' values for them."""
    if table.metric in {axis.name for axis in axes}:
        raise AxisError("The metric to forecast cannot be an axis", got=table.metric)
    columns = {axis.name: table.axis(axis) for axis in axes}
    keep = np.ones(len(table.rows), dtype=bool)
    for name, column in columns.items():
        for lost, reason in _off_axis(name, column, table.rows):
            losses.rows(table.rows.run, lost & keep, reason)
            keep &= ~lost
    if not keep.any():
        reasons = list(dict.fromkeys(each.reason for each in losses.dropped if each.rows))
        more = len(reasons) - _MOST_REASONS
        why = "; ".join(reasons[:_MOST_REASONS]) + (f" and {more} more" if more > 0 else "")
        raise AxisError(
            f"Some rows must have every axis ({', '.join(columns)})",
            got=why,
            next_step="Name other axes, or log these on all runs.",
        )
    values = {name: column.values[keep] for name, column in columns.items()}
    return table.rows.take(keep), values


def _off_axis(name: str, column: Column, rows: Rows) -> Iterable[tuple[NDArray[np.bool_], str]]:
    """Masks of rows without a usable value on this axis, each with its reason."""
    missing = ~np.isfinite(column.values)
    for index, reason in column.why.items():
        yield missing & (rows.run == index), f"axis `{name}`: {reason}"
    # Reasons above come first; these are for rows of runs that have the axis elsewhere.
    yield missing, f"axis `{name}`: no value at this step"
    low = ~missing & (column.values <= 0)
    yield low, f"axis `{name}`: the value is 0 or below, and the law needs its logarithm"


def _check_varies(
    rows: Rows,
    axes: Sequence[Axis],
    columns: Mapping[str, NDArray[np.float64]],
    detections: Sequence[Detection],
    losses: Losses,
) -> None:
    for axis in axes:
        values = columns[axis.name]
        low, high = float(values.min()), float(values.max())
        if low == high:
            raise AxisError(
                f"An axis must vary, and `{axis.name}` is the same on all {rows.run.size} rows",
                got=low,
                next_step="Leave it out. " + _explain.candidates(detections),
            )
        if high / LEAST_SPAN < low:
            losses.notes.append(
                f"`{axis.name}` varies only from {low:.4g} to {high:.4g}, less than a factor of two"
            )


def _group(
    rows: Rows,
    axes: Sequence[Axis],
    columns: Mapping[str, NDArray[np.float64]],
    detections: Sequence[Detection],
    table: Table,
    ignored: Sequence[str],
    group_by: Sequence[str] | None,
) -> tuple[tuple[Group, ...], tuple[KeyVerdict, ...]]:
    """Groups of the runs that still have rows."""
    present = np.unique(rows.run)
    runs = [rows.runs[index] for index in present]
    if group_by is not None:
        return group_by_keys(runs, [group_by] if isinstance(group_by, str) else group_by), ()
    along = tuple(axis.name for axis in axes if table.axis(axis).along)
    fixed = tuple(name for name in columns if name not in along)
    first, last = (np.searchsorted(rows.run, present, side=side) for side in ("left", "right"))
    done = np.array([run.status == "FINISHED" for run in runs])
    none = np.zeros((len(runs), 0))
    places = Places(
        np.column_stack([none, *(columns[name][first] for name in fixed)]),
        fixed,
        np.column_stack([none, *(np.where(done, columns[n][last - 1], np.nan) for n in along)]),
    )
    explained = {
        (place_of(each.source) or ("", each.source))[1]: each.reason
        for each in detections
        if each.explained
    }
    for axis in axes:
        expression = axis.expression()
        for name in expression.names if expression else [axis.source or axis.name]:
            key = (place_of(name) or ("", name))[1]
            explained[key] = f"part of the axis `{axis.name}`" if expression else IS_AXIS
    return group_runs(runs, places, ignored=ignored, explained=explained)


def _frame(
    rows: Rows,
    axes: Sequence[Axis],
    columns: Mapping[str, NDArray[np.float64]],
    groups: Sequence[Group],
    metric: str,
    points: int,
) -> pd.DataFrame:
    # Buckets are laid along the step; where steps start at 0 or below, along their order.
    step = rows.step.astype(np.float64)
    along = step - min(float(step.min()), 1.0) + 1.0
    run, means = thin_curves(
        rows.run, along, {metric: rows.value, "step": step}, columns, most=points
    )
    group_of = {run_id: group.label for group in groups for run_id in group.runs}
    order_of = {group.label: number for number, group in enumerate(groups)}
    ids = np.array([each.id for each in rows.runs], dtype=object)[run]
    frame = pd.DataFrame({"run_id": ids, "group": [group_of[each] for each in ids]}, dtype=object)
    for axis in axes:
        frame[axis.name] = means[axis.name]
    frame[metric] = means[metric]
    if "step" not in columns:
        frame["step"] = means["step"]
    frame["count"] = means["count"].astype(np.int64)
    order = np.lexsort((np.arange(len(frame)), run, frame["group"].map(order_of)))
    return frame.iloc[order].reset_index(drop=True)
