"""How well a law fits what was seen: residuals against scale, their scatter and their drift."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from unsl_tracking.forecast import FittedLaw
from unsl_tracking.report.document import Array

_MOST_ROWS = 300
"""Rows told and drawn one by one; of more, the last of each run, then evenly spread ones."""
_LARGEST = 1 / 3
"""Share of the units, by size, that a drift is looked for in: what a forecast starts from."""
_DRIFT_SE = 2.0
_LEAST_NOISE = 0.003  # no benchmark repeats to better than 0.3% (fit/component.py)


@dataclass(frozen=True, eq=False, slots=True)
class FitCheck:
    """Residuals of a law on its own data.

    `rows` has a row per observation shown: run (None where the law has none), the axes, size (the
    product of the scale axes), actual, fitted, residual (ln of actual over fitted; of the errors
    ceiling − value for a metric to maximise). `count` is how many observations there are in all.
    `scatter` is the robust standard deviation of all residuals, `drift` the mean residual of the
    largest third of the units (runs, or rows without runs) and `drift_se` its standard error.
    """

    rows: pd.DataFrame
    count: int
    scatter: float
    drift: float
    drift_se: float
    largest: int

    @property
    def drifts(self) -> bool:
        """Whether the largest runs lie off the law by more than their scatter explains."""
        return abs(self.drift) > _DRIFT_SE * self.drift_se

    def to_dict(self) -> dict[str, object]:
        """Strict JSON values."""
        rows = self.rows.astype(object).where(self.rows.notna(), None)
        return {
            "observations": self.count,
            "scatter": self.scatter,
            "drift": self.drift,
            "drift_se": self.drift_se,
            "largest": self.largest,
            "columns": [str(name) for name in rows.columns],
            "rows": [[_short(value) for value in row] for row in rows.to_numpy().tolist()],
        }


def fit_check(law: FittedLaw) -> FitCheck:
    """The residuals of a law on the rows that it was fitted to."""
    data = law.data
    fitted = np.atleast_1d(np.asarray(law.predict(data[list(law.axes)]).median, dtype=float))
    actual = data[law.value].to_numpy(dtype=float)
    size = sizes(law, data)
    residual = _log_ratio(actual, fitted, law.ceiling)
    run = data[law.run].astype(str) if law.run is not None else [None] * len(data)
    rows = data[list(law.axes)].reset_index(drop=True).astype(float)
    rows.insert(0, "run", list(run))
    rows = rows.assign(size=size, actual=actual, fitted=fitted, residual=residual)
    scatter = float(1.4826 * np.median(np.abs(residual)))
    drift, error, largest = _drift(rows)
    return FitCheck(_few(rows), len(rows), scatter, drift, error, largest)


def sizes(law: FittedLaw, frame: pd.DataFrame) -> Array:
    """The product of the scale axes (n,); of all axes where none is a scale."""
    scale = [a for a, is_scale in zip(law.axes, law.mixture.scale, strict=True) if is_scale]
    return np.asarray(frame[scale or list(law.axes)].astype(float).prod(axis=1), dtype=float)


def _log_ratio(actual: Array, fitted: Array, ceiling: float | None) -> Array:
    if ceiling is not None:
        actual, fitted = ceiling - actual, ceiling - fitted
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.log(actual / fitted)
    return np.where(np.isfinite(found), found, 0.0)


def _drift(rows: pd.DataFrame) -> tuple[float, float, int]:
    """Mean residual of the largest units, its standard error, and how many units that are."""
    units = rows[["run", "size", "residual"]]
    if rows["run"].notna().all():
        units = units.groupby("run", sort=True).agg({"size": "max", "residual": "mean"})
    units = units.sort_values("size", kind="stable")
    count = max(2, math.ceil(_LARGEST * len(units)))
    residual = units["residual"].to_numpy(dtype=float)
    # From one to the next in size: a law that is wrong by a little more each time does not hide
    # behind the spread that this causes.
    steps = np.abs(np.diff(residual))
    spread = max(1.4826 * float(np.median(steps)) / math.sqrt(2.0), _LEAST_NOISE)
    last = residual[-count:]
    return float(last.mean()), spread / math.sqrt(len(last)), len(last)


def _few(rows: pd.DataFrame) -> pd.DataFrame:
    """At most `_MOST_ROWS` rows, ordered by size: the last of each run first of all."""
    rows = rows.sort_values("size", kind="stable").reset_index(drop=True)
    if len(rows) <= _MOST_ROWS:
        return rows
    last = rows.index.to_numpy()
    if rows["run"].notna().all():
        last = rows.groupby("run", sort=False).tail(1).index.to_numpy()
    last = last[np.linspace(0, len(last) - 1, min(len(last), _MOST_ROWS)).astype(int)]
    others = rows.index.difference(last)
    spread = np.linspace(0, len(others) - 1, _MOST_ROWS - len(last)).astype(int)
    kept = np.union1d(last, others[spread].to_numpy()) if len(spread) else last
    return rows.loc[kept].reset_index(drop=True)


def _short(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    return value
