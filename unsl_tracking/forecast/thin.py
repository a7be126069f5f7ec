"""Long curves as log-spaced buckets, so that a million rows cost what two hundred do.

A power law is told apart by factors of scale, not by steps: rows of one run that lie within a small
factor of each other on its axis are averaged. Bucket edges lie on a grid of powers of two in ln x
that does not depend on the data, and a longer curve gets buckets that are unions of the old ones.
So rows that arrive one by one end in the same buckets as rows that arrive together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]

BUCKETS: Final = 200  # of one run at the most
LONGEST: Final = 300  # rows of one run that are left as they are
COUNT: Final = "count"


def thin(frame: pd.DataFrame, axes: Sequence[str], value: str, run: str | None) -> pd.DataFrame:
    """The frame with every curve of more than `LONGEST` rows averaged into `BUCKETS` buckets.

    A curve is a run, or the whole frame where there is one axis and no run column; other tables
    come back as they are. Averages of `value` are weighed by `count`, of axes they are geometric.
    """
    if run is None:
        return _curve(frame, axes, value) if len(axes) == 1 and len(frame) > LONGEST else frame
    sizes = frame.groupby(run, sort=False)[run].transform("size")
    if not (sizes > LONGEST).any():
        return frame
    parts = [
        _curve(rows, axes, value) if len(rows) > LONGEST else rows
        for _, rows in frame.groupby(run, sort=False)
    ]
    return pd.concat(parts, ignore_index=True)


def _curve(rows: pd.DataFrame, axes: Sequence[str], value: str) -> pd.DataFrame:
    logs = np.log(rows[list(axes)].to_numpy(dtype=float))
    spans = np.ptp(logs, axis=0)
    along = int(np.argmax(spans))
    if spans[along] <= 0.0:
        return rows
    width = 2.0 ** np.ceil(np.log2(spans[along] / (BUCKETS - 1)))
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
        out[axis] = np.exp(mean(logs[:, j]))
    out[value] = mean(rows[value].to_numpy(dtype=float))
    out[COUNT] = total
    return out
