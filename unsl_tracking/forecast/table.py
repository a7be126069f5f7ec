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
from unsl_tracking.runs.names import family_of

Array = NDArray[np.float64]

FEWEST_POINTS = 5
SHORTEST_SPAN = float(np.log(2.0))  # e-folds: at least one axis must vary by a factor of two
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
    for name in [*names, value, *([run] if run else [])]:
        if name not in frame.columns:
            known = ", ".join(map(str, frame.columns))
            raise DataError(
                "every axis and the metric are columns of the table",
                got=name,
                next_step=f"It has: {known}.",
            )
    out = pd.DataFrame({n: _numbers(frame[n], n) for n in [*names, value]})
    if run:
        out[run] = frame[run].astype(str).to_numpy()
    if COUNT in frame.columns:
        out[COUNT] = _numbers(frame[COUNT], COUNT)
    usable = np.isfinite(out[[*names, value]].to_numpy()).all(axis=1)
    notes = []
    if not usable.all():
        missing = int((~usable).sum())
        text = f"{missing} of {len(out)} rows have no finite {value} or axis and are left out"
        notes.append(ForecastWarning("rows_left_out", text, value=float(missing)))
    out = out[usable].reset_index(drop=True)
    for name in names:
        if len(out) and out[name].min() <= 0.0:
            raise AxisError(
                f"every value of the axis {name} must be positive to be on a log scale",
                got=float(out[name].min()),
                next_step="Leave such rows out, or use an axis that starts above zero.",
            )
    return Table(out, tuple(notes))


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
    _enough(log_x, values, names, value)
    count = frame[COUNT].to_numpy(dtype=float) if COUNT in frame else np.ones(len(frame))
    return Points(
        axes=tuple(names),
        log_x=log_x,
        ln_y=scale.to_log(values),
        weight=count / count.mean(),
        scale=np.array([a.kind == "scale" and family_of(a.name) != "data" for a in axes])
        if any(family_of(a.name) == "progress" for a in axes)
        else np.array([a.kind == "scale" for a in axes]),
    )


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
    )


def query(points: pd.DataFrame | Mapping[str, Any], axes: Sequence[str]) -> pd.DataFrame:
    """The points to forecast at, one column per axis; scalars are repeated as needed.

    Raises:
        AxisError: an axis is missing, unknown, not a number or not positive.
    """
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
    columns = {a: np.atleast_1d(_numbers(pd.Series(np.atleast_1d(given[a])), a)) for a in axes}
    length = max(map(len, columns.values()))
    frame = pd.DataFrame({a: np.broadcast_to(c, (length,)) for a, c in columns.items()})
    for axis in axes:
        low = float(frame[axis].min())
        if not (low > 0.0 and np.isfinite(frame[axis]).all()):
            raise AxisError(f"{axis} must be positive and finite to forecast at", got=low)
    return frame


def _numbers(column: pd.Series, name: str) -> Array:
    try:
        return np.asarray(pd.to_numeric(column), dtype=float)
    except (ValueError, TypeError) as error:
        bad = pd.to_numeric(column, errors="coerce").isna() & column.notna()
        first = column[bad].iloc[0] if bad.any() else error
        raise DataError(
            f"{name} must hold numbers", got=first, next_step="Convert or leave out such rows."
        ) from error


def _enough(log_x: Array, values: Array, names: list[str], value: str) -> None:
    distinct = len(np.unique(log_x.round(9), axis=0)) if len(log_x) else 0
    spans = np.ptp(log_x, axis=0) if len(log_x) else np.zeros(len(names))
    known: dict[str, object] = {
        "points": len(log_x),
        "distinct_points": distinct,
        "factor": {n: float(np.exp(s)) for n, s in zip(names, spans, strict=True)},
        "best": float(values.min()) if len(values) else None,
    }
    if distinct < FEWEST_POINTS:
        raise TooLittleEvidence(
            f"a forecast of {value} needs at least {FEWEST_POINTS} points that differ",
            known=known,
            got=distinct,
            next_step="Log more checkpoints, or add runs at other scales.",
        )
    flat = [n for n, s in zip(names, spans, strict=True) if s <= 0.0]
    if flat:
        raise AxisError(
            "an axis must vary between the points",
            got=flat,
            next_step="Leave it out of axes, or add runs that vary it.",
        )
    if spans.max() < SHORTEST_SPAN:
        raise TooLittleEvidence(
            f"a forecast of {value} needs an axis that varies by a factor of two",
            known=known,
            got=round(float(np.exp(spans.max())), 3),
            next_step="Wait for later checkpoints, or add runs at other scales.",
        )
