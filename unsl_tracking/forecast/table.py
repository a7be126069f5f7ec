"""From a tidy table to the points of a fit: every rule that a row must meet is checked here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unsl_tracking.errors import AxisError, DataError, TooLittleEvidence
from unsl_tracking.fit import Points, Roles
from unsl_tracking.forecast.cautions import ForecastWarning
from unsl_tracking.forecast.metric_scale import MetricScale
from unsl_tracking.runs.axes import Axis
from unsl_tracking.runs.names import counts_steps, family_of

Array = NDArray[np.float64]

FEWEST_POINTS = 5
SHORTEST_SPAN = float(np.log(2.0))  # e-folds: at least one axis must vary by a factor of two
_SHARED = 10.0  # observations in a bucket beyond which more of them add little
COUNT = "count"  # optional column: how many raw observations a row stands for


@dataclass(frozen=True)
class Table:
    """Rows that a law can use, with what was left out and why."""

    frame: pd.DataFrame
    notes: tuple[ForecastWarning, ...]


def clean(frame: pd.DataFrame, axes: Sequence[Axis], value: str, run: str | None = None) -> Table:
    """Keep the columns that matter as numbers; leave out rows that say nothing, and say so.

    Raises:
        DataError: not a frame, or a missing column, or text where numbers belong.
        AxisError: an axis has a value that is not positive.
    """
    if not isinstance(frame, pd.DataFrame):
        raise DataError("observations come as a pandas DataFrame", got=type(frame).__name__)
    names = [a.name for a in axes]
    columns = [*names, value, *([run] if run is not None else [])]
    if len(set(map(str, columns))) < len(columns):
        raise DataError("the axes, the metric and the run are different columns", got=columns)
    for name in columns:
        if not isinstance(name, str) or name not in frame.columns:
            known = ", ".join(map(str, frame.columns))
            raise DataError(
                "every axis and the metric are columns of the table",
                got=name,
                next_step=f"It has: {known}.",
            )
        if (frame.columns == name).sum() > 1:
            raise DataError("every column that is used has a name of its own", got=name)
    out = pd.DataFrame({n: _numbers(frame[n], n) for n in [*names, value]})
    if run is not None:
        out[run] = _runs(frame[run], run)
    if COUNT in frame.columns and COUNT != value:
        out[COUNT] = _counts(frame[COUNT])
    usable: NDArray[np.bool_] = np.isfinite(out[[*names, value]].to_numpy()).all(axis=1)
    notes = []
    if not usable.all():
        missing = int((~usable).sum())
        text = f"{missing} of {len(out)} rows have no finite {value} or axis and are left out"
        notes.append(ForecastWarning("rows_left_out", text, value=float(missing)))
    out = out[usable].reset_index(drop=True)
    if run is not None and (again := out.duplicated([*names, run], keep="last")).any():
        text = f"{int(again.sum())} rows were logged again by the same run; the last one counts"
        notes.append(ForecastWarning("rows_corrected", text, value=float(again.sum())))
        out = out[~again].reset_index(drop=True)
    for name in names:
        if len(out) and out[name].min() <= 0.0:
            raise AxisError(
                f"every value of the axis {name} must be positive to be on a log scale",
                got=float(out[name].min()),
                next_step="Leave such rows out, or use an axis that starts above zero.",
            )
    return Table(out, tuple(notes))


def merge(known: pd.DataFrame, rows: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Known rows and new ones; a new row replaces the known ones with the same keys."""
    if not len(rows):
        return known
    index = pd.MultiIndex.from_frame
    corrected = index(known[list(keys)]).isin(index(rows[list(keys)]))
    merged = pd.concat([known[~corrected], rows], ignore_index=True)
    if COUNT in merged and COUNT not in (set(known) & set(rows)):
        merged[COUNT] = merged[COUNT].fillna(1.0)
    return merged


def to_points(frame: pd.DataFrame, axes: Sequence[Axis], value: str, scale: MetricScale) -> Points:
    """Logs of a cleaned table.

    Raises:
        TooLittleEvidence: fewer than `FEWEST_POINTS` distinct points, or no axis that varies by a
            factor of two; `known` says what there is.
        AxisError: an axis has one value only.
    """
    names = [a.name for a in axes]
    log_x = np.log(frame[names].to_numpy(dtype=float))
    values = frame[value].to_numpy(dtype=float)
    _enough(log_x, values, names, value, scale)
    counted = COUNT in frame and value != COUNT
    count = frame[COUNT].to_numpy(dtype=float) if counted else np.ones(len(frame))
    count = evidence(count)
    order = np.lexsort((count, values, *log_x.T))  # sums do not depend on the order of the rows
    log_x, values, count = log_x[order], values[order], count[order]
    return Points(
        axes=tuple(names),
        log_x=log_x,
        ln_y=scale.to_log(values),
        weight=count / count.mean(),
        scale=np.array([a.kind == "scale" and family_of(a.name) != "data" for a in axes])
        if any(family_of(a.name) == "progress" for a in axes)
        else np.array([a.kind == "scale" for a in axes]),
    )


def evidence(count: Array) -> Array:
    """How much rows say that stand for so many observations each.

    Neighbouring observations share what no law explains: many of them do not average it out.
    """
    return count / (1.0 + count / _SHARED)


def roles_of(axes: Sequence[Axis], points: Points) -> Roles:
    """What each axis is to the law, by its kind and, for data that may be repeated, its name."""
    by_family = {family_of(a.name): a.name for a in axes if a.kind != "hyper"}
    seen, unique = by_family.get("progress"), by_family.get("data")
    repeated = None
    if seen and unique:
        repeats = points.log_x[:, points.axes.index(seen)]
        repeats = repeats - points.log_x[:, points.axes.index(unique)]
        # Steps and examples have other units: only a ratio of at least one can be epochs.
        repeated = (seen, unique) if repeats.min() > -1e-6 and repeats.max() > 0.1 else None
    return Roles(
        scale=tuple(a.name for a in axes if a.kind != "hyper"),
        hyper=tuple(a.name for a in axes if a.kind == "hyper"),
        repeated=repeated,
        unscheduled=len(axes) == 1 and counts_steps(axes[0].name),
    )


def query(points: pd.DataFrame | Mapping[str, Any], axes: Sequence[str]) -> pd.DataFrame:
    """The points to forecast at, one column per axis; scalars are repeated as needed.

    Raises:
        AxisError: an axis is missing, unknown, not a number or not positive.
    """
    if not isinstance(points, Mapping | pd.DataFrame):
        raise AxisError(
            "points to forecast at are a mapping or a DataFrame", got=type(points).__name__
        )
    given = points if isinstance(points, pd.DataFrame) else dict(points)
    missing = [a for a in axes if a not in given]
    if missing:
        raise AxisError(
            f"a forecast needs a value for each of {', '.join(axes)}",
            got=sorted(map(str, given)),
            next_step=f"Add {', '.join(missing)}.",
        )
    if isinstance(given, dict) and (unknown := [str(k) for k in given if k not in axes]):
        raise AxisError(f"a forecast is asked for on the axes {', '.join(axes)}", got=unknown)
    columns = {a: _column(given[a], a) for a in axes}
    lengths = {a: len(c) for a, c in columns.items()}
    length = max(lengths.values())
    if any(n not in (1, length) for n in lengths.values()):
        raise AxisError("the axes of a forecast have equally many values", got=lengths)
    if not length:
        raise AxisError("a forecast is asked for at one point at least", got=lengths)
    frame = pd.DataFrame({a: np.broadcast_to(c, (length,)) for a, c in columns.items()})
    for axis in axes:
        low = float(frame[axis].min())
        if not (low > 0.0 and np.isfinite(frame[axis]).all()):
            raise AxisError(f"{axis} must be positive and finite to forecast at", got=low)
    return frame


def _numbers(column: pd.Series, name: str) -> Array:
    if column.dtype.kind in "cmM" or isinstance(column.dtype, pd.PeriodDtype):
        raise DataError(
            f"{name} must hold numbers",
            got=str(column.dtype),
            next_step="Convert it to seconds, or to another number.",
        )
    try:
        return np.asarray(pd.to_numeric(column), dtype=float)
    except OverflowError as error:
        raise DataError(f"{name} must hold numbers up to 1e308", got=str(error)) from error
    except (ValueError, TypeError) as error:
        bad = pd.to_numeric(column, errors="coerce").isna() & column.notna()
        first = column[bad].iloc[0] if bad.any() else error
        raise DataError(
            f"{name} must hold numbers", got=first, next_step="Convert or leave out such rows."
        ) from error


def _column(values: Any, name: str) -> Array:
    array = np.atleast_1d(values)
    if array.ndim > 1:
        raise AxisError(f"{name} is a number or a list of numbers", got=array.shape)
    return _numbers(pd.Series(array), name)


def _counts(column: pd.Series) -> Array:
    """How many observations each row stands for; one where nothing is said."""
    counts = _numbers(column, COUNT)
    counts = np.where(np.isnan(counts), 1.0, counts)
    if not (np.isfinite(counts) & (counts > 0.0)).all():
        bad = counts[~(np.isfinite(counts) & (counts > 0.0))]
        raise DataError(
            f"{COUNT} says how many observations a row stands for: more than zero",
            got=float(bad[0]),
            next_step="Leave such rows out.",
        )
    return counts


def _runs(column: pd.Series, name: str) -> NDArray[np.object_]:
    if column.isna().any():
        raise DataError(
            f"every row says in {name} which run it is of",
            got=None,
            next_step="Name the run, or leave such rows out.",
        )
    return np.array([str(each) for each in column], dtype=object)


def _enough(log_x: Array, values: Array, names: list[str], value: str, scale: MetricScale) -> None:
    distinct = len(np.unique(log_x.round(9), axis=0)) if len(log_x) else 0
    spans = np.ptp(log_x, axis=0) if len(log_x) else np.zeros(len(names))
    known: dict[str, object] = {
        "points": len(log_x),
        "distinct_points": distinct,
        "factor": {n: float(np.exp(min(s, 700.0))) for n, s in zip(names, spans, strict=True)},
        "best": float(values.min() if scale.mode == "min" else values.max())
        if len(values)
        else None,
    }
    flat = [n for n, s in zip(names, spans, strict=True) if s <= 0.0]
    if flat and len(log_x) >= FEWEST_POINTS:
        raise AxisError(
            "an axis must vary between the points",
            got=flat,
            next_step="Leave it out of axes, or add runs that vary it.",
        )
    if distinct < FEWEST_POINTS:
        raise TooLittleEvidence(
            f"a forecast of {value} needs at least {FEWEST_POINTS} points that differ",
            known=known,
            got=distinct,
            next_step="Log more checkpoints, or add runs at other scales.",
        )
    if spans.max() < SHORTEST_SPAN:
        raise TooLittleEvidence(
            f"a forecast of {value} needs an axis that varies by a factor of two",
            known=known,
            got=round(float(np.exp(spans.max())), 3),
            next_step="Wait for later checkpoints, or add runs at other scales.",
        )
