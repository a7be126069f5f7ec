"""Many curves at once, thinned out to log-spaced buckets (the grid of `curve`)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from unsl_tracking.runs.constants import keep_constants
from unsl_tracking.runs.curve import bucket_of

_Floats = NDArray[np.float64]


def thin_curves(
    run: NDArray[np.intp],
    step: _Floats,
    means: Mapping[str, _Floats],
    log_means: Mapping[str, _Floats],
    *,
    most: int,
) -> tuple[NDArray[np.intp], dict[str, _Floats]]:
    """Bucket every run that has more than `most` rows; shorter ones stay as they are.

    The last row of a run stands alone: where a run ended must be known to the digit.

    All arrays have shape (n,), ordered by run and step, `step` above 0. Returned are the run of
    every bucket, and per bucket: the means of the columns in `means`, the geometric means of those
    in `log_means`, and `count`, the number of rows.
    """
    rows_of = np.bincount(run) if run.size else np.zeros(0, dtype=np.intp)
    long = (rows_of[run] > most) & (np.diff(run, append=-1) == 0)
    edge = np.ones(run.size, dtype=bool)  # short curves and last rows: a bucket per row
    if long.any():
        # Rows are ordered by run and step, so that a bucket is a stretch of rows.
        edge[long] = _starts(run[long], _buckets(run[long], np.log(step[long]), most - 1))
    first = np.flatnonzero(edge)
    count = np.diff(first, append=run.size).astype(np.float64)
    # Shares are summed, because the sum itself may not fit into a float.
    share = np.repeat(1 / count, np.diff(first, append=run.size))
    result = {name: _sums(column * share, first) for name, column in means.items()}
    for name, column in log_means.items():
        mean = np.exp(_sums(np.log(column) * share, first))
        result[name] = keep_constants(mean, *_ends(column, first))
    result["count"] = count
    return run[first], result


def _buckets(run: NDArray[np.intp], log_step: _Floats, most: int) -> NDArray[np.int64]:
    """Bucket numbers at, for every run, the finest level with at most `most` buckets."""
    level = np.zeros(int(run.max()) + 1, dtype=np.int64)
    finest = bucket_of(log_step, 0)
    while True:
        bucket = finest >> level[run]
        too_many = np.bincount(run[_starts(run, bucket)], minlength=level.size) > most
        if not too_many.any():
            return bucket
        level[too_many] += 1


def _starts(run: NDArray[np.intp], bucket: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mask of the rows at which a bucket begins."""
    starts: NDArray[np.bool_] = np.diff(run, prepend=-1) != 0
    starts |= np.diff(bucket, prepend=0) != 0
    return starts


def _ends(column: _Floats, first: NDArray[np.intp]) -> tuple[_Floats, _Floats]:
    """The least and the largest value of every bucket."""
    if not first.size:
        return column[:0], column[:0]
    return np.minimum.reduceat(column, first), np.maximum.reduceat(column, first)


def _sums(column: _Floats, first: NDArray[np.intp]) -> _Floats:
    return np.add.reduceat(column, first) if first.size else column[:0]
