"""Long curves as log-spaced buckets, so that a million rows cost what two hundred do.

A power law is told apart by factors of scale, not by steps: rows of one run that lie within a small
factor of each other on its axis are averaged. Bucket edges lie on a grid of powers of two in ln x
that does not depend on the data, and a longer curve gets buckets that are unions of the old ones.
So rows that arrive one by one end in the same buckets as rows that arrive together, if a curve that
was long once is treated as long ever after: buckets followed by single rows are another curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unsl_tracking.runs.constants import keep_constants

Array = NDArray[np.float64]

BUCKETS: Final = 200  # of one run at the most
LONGEST: Final = 300  # rows of one run that are left as they are
COUNT: Final = "count"


def thin(
    frame: pd.DataFrame,
    axes: Sequence[str],
    value: str,
    run: str | None,
    long: frozenset[str] = frozenset(),
) -> pd.DataFrame:
    """The frame with every long curve averaged into `BUCKETS` buckets at the most.

    A curve is a run, or the whole frame where there is one axis and no run column; other tables
    come back as they are. Long are those of more than `LONGEST` rows and those named in `long`, as
    `long_curves` names them. Averages of `value` are weighed by `count`, of axes geometric.
    """
    long = long | long_curves(frame, axes, run)
    if not long:
        return frame
    if run is None:
        return _curve(frame, axes, value)
    parts = [
        _curve(rows, axes, value) if name in long else rows
        for name, rows in frame.groupby(run, sort=False)
    ]
    out = pd.concat(parts, ignore_index=True)
    out[COUNT] = out[COUNT].fillna(1.0)  # of the rows of curves that were left as they are
    return out


def long_curves(frame: pd.DataFrame, axes: Sequence[str], run: str | None) -> frozenset[str]:
    """The runs of more than `LONGEST` rows; the empty name where the frame is one curve."""
    if run is None:
        return frozenset({""} if len(axes) == 1 and len(frame) > LONGEST else ())
    sizes = frame[run].value_counts()
    return frozenset(str(name) for name in sizes[sizes > LONGEST].index)


def bucket_width(span: float) -> float:
    """Width in ln x of the buckets of a long curve that spans this much: a power of two."""
    return float(2.0 ** np.ceil(np.log2(span / (BUCKETS - 1))))


def _curve(rows: pd.DataFrame, axes: Sequence[str], value: str) -> pd.DataFrame:
    logs = np.log(rows[list(axes)].to_numpy(dtype=float))
    spans = np.ptp(logs, axis=0)
    along = int(np.argmax(spans))
    if spans[along] <= 0.0:
        return rows
    width = bucket_width(float(spans[along]))
    bucket = np.floor(logs[:, along] / width).astype(np.int64)
    count = rows[COUNT].to_numpy(dtype=float) if COUNT in rows else np.ones(len(rows))
    labels, place = np.unique(bucket, return_inverse=True)
    total = np.bincount(place, count)

    def mean(values: Array) -> Array:
        return np.asarray(np.bincount(place, count * values) / total)

    first = np.full(len(labels), len(rows))
    np.minimum.at(first, place, np.arange(len(rows)))
    out = rows.iloc[first].reset_index(drop=True)  # other columns as in the bucket's first row
    for j, axis in enumerate(axes):
        x = rows[axis].to_numpy(dtype=float)
        low, high = np.full(len(labels), np.inf), np.zeros(len(labels))
        np.minimum.at(low, place, x)
        np.maximum.at(high, place, x)
        out[axis] = keep_constants(np.exp(mean(logs[:, j])), low, high)
    out[value] = mean(rows[value].to_numpy(dtype=float))
    out[COUNT] = total
    return out
