"""Curves as a few points each, for what fits a law several times over.

A run of 500 rows says little more about a larger scale than a handful of its points do. Rows are
averaged over stretches of equal length in the log of the axis that the run trains along, in logs,
so that a power law stays what it is; the last row stays alone, for it says where the run ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unsl_tracking.runs.constants import keep_constants

_COUNT: Final = "count"


def coarse(
    frame: pd.DataFrame, axes: Sequence[str], metric: str, run: str, *, mode: str, points: int
) -> pd.DataFrame:
    """The frame with at most `points` ≥ 2 rows of every run, in the order of its runs.

    `count` says how many logged rows a row stands for. Metrics to maximise, which may be 0 or
    below, are averaged as they are. Runs with no more rows than that come back as they are.
    """
    parts = [
        rows if len(rows) <= points else _curve(rows, axes, metric, mode, points)
        for _, rows in frame.groupby(run, sort=False)
    ]
    return pd.concat(parts, ignore_index=True)


def _curve(
    rows: pd.DataFrame, axes: Sequence[str], metric: str, mode: str, points: int
) -> pd.DataFrame:
    logs = np.log(rows[list(axes)].to_numpy(dtype=float))
    along = int(np.argmax(np.ptp(logs, axis=0)))
    order = np.argsort(logs[:, along], kind="stable")
    rows, logs = rows.iloc[order], logs[order]
    stretch = _stretches(logs[:, along], points)
    first = np.flatnonzero(np.diff(stretch, prepend=-1))
    out = rows.iloc[first].reset_index(drop=True)
    values = rows[metric].to_numpy(dtype=float)
    for column, name in zip(logs.T, axes, strict=True):
        x = rows[name].to_numpy(dtype=float)
        low, high = np.minimum.reduceat(x, first), np.maximum.reduceat(x, first)
        out[name] = keep_constants(np.exp(_means(column, first)), low, high)
    out[metric] = np.exp(_means(np.log(values), first)) if mode == "min" else _means(values, first)
    out.loc[len(out) - 1, metric] = values[-1]  # to the digit where a run ended
    if _COUNT in rows:
        out[_COUNT] = np.add.reduceat(rows[_COUNT].to_numpy(dtype=float), first)
    return out


def _stretches(log_x: NDArray[np.float64], points: int) -> NDArray[np.int64]:
    """The stretch of every row (n,) of a curve by rising log_x; the last row has its own."""
    span = float(log_x[-1] - log_x[0])
    share = (log_x - log_x[0]) / span if span > 0.0 else np.zeros(len(log_x))
    stretch = np.minimum((share * (points - 1)).astype(np.int64), points - 2)
    stretch[-1] = points - 1
    return stretch


def _means(column: NDArray[np.float64], first: NDArray[np.intp]) -> NDArray[np.float64]:
    counts = np.diff(first, append=len(column))
    return np.asarray(np.add.reduceat(column, first) / counts, dtype=float)
