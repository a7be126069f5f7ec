"""One metric of one run: its rows, and what to remember of them for reading on later."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unsl_tracking.runs.run import Run


class Rows(NamedTuple):
    """The rows of one series in MLflow's order: by timestamp, then step, then stored value.

    `value` is as logged, ±inf included. All three have shape (n,).
    """

    timestamp: NDArray[np.int64]
    step: NDArray[np.int64]
    value: NDArray[np.float64]


class Mark(NamedTuple):
    """A series as it was read: how many rows, the last of them, and what its run was like.

    Rows are unique in MLflow and never taken away. So when row number `rows` is still `last`, no
    row has been put in before it, and those after it are exactly the new ones.
    """

    rows: int
    last: tuple[int, int, float]
    listed: tuple[int | None, float | None]
    ended: bool
    at: float


def rows_of(
    timestamp: Sequence[int], step: Sequence[int], value: Sequence[float] | NDArray[np.float64]
) -> Rows:
    """Rows in any order, put in MLflow's, with the infinities restored."""
    times, steps = np.asarray(timestamp, dtype=np.int64), np.asarray(step, dtype=np.int64)
    values = np.asarray(value, dtype=np.float64)
    stored = np.where(np.isnan(values), 0.0, values)  # MLflow keeps NaN as 0 with a flag
    order = np.lexsort((stored, steps, times))
    largest = sys.float_info.max
    restored = np.where(np.abs(values) == largest, np.copysign(np.inf, values), values)
    return Rows(times[order], steps[order], restored[order])


def mark_of(rows: Rows, run: Run, metric: str, *, before: Mark | None = None) -> Mark:
    """The mark after reading `rows`: all of a series, or the tail that begins at `before.last`."""
    count = len(rows.step) + (before.rows - 1 if before else 0)
    last = (
        (int(rows.timestamp[-1]), int(rows.step[-1]), float(rows.value[-1]))
        if len(rows.step)
        else (0, 0, float("nan"))
    )
    return Mark(count, last, listed(run, metric), run.finished, time.monotonic())


def listed(run: Run, metric: str) -> tuple[int | None, float | None]:
    """Step and value of the metric as the run was listed; NaN becomes None, to compare equal."""
    value = run.metrics.get(metric)
    return run.metric_steps.get(metric), None if value is None or np.isnan(value) else value


def continues(rows: Rows, mark: Mark) -> bool:
    """True when `rows`, read from number `mark.rows` on, begin with the row that was last there."""
    if not len(rows.step):
        return False
    first = (int(rows.timestamp[0]), int(rows.step[0]), float(rows.value[0]))
    return first[:2] == mark.last[:2] and (
        first[2] == mark.last[2] or bool(np.isnan(first[2]) and np.isnan(mark.last[2]))
    )


def without_first(rows: Rows) -> Rows:
    """The rows after the first."""
    return Rows(rows.timestamp[1:], rows.step[1:], rows.value[1:])
