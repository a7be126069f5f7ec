"""One metric of one run: its rows, and what to remember of them for reading on later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unsl_tracking.runs import series
from unsl_tracking.runs.series import Key
from unsl_wandb.values import number


class Rows(NamedTuple):
    """Rows of one series by `_step`, which never repeats in a run. All have shape (n,).

    `at` is W&B's `_step`, `timestamp` milliseconds since 1970.
    """

    at: NDArray[np.int64]
    timestamp: NDArray[np.int64]
    value: NDArray[np.float64]

    def __len__(self) -> int:
        return int(self.at.size)


class Mark(NamedTuple):
    """How far a series was read.

    `lines` rows of the run were listed, and whether it had `ended`; the series had `rows`, the last
    of them at the `_step` `last` (-1 for none). `counter` is the metric that counted its steps, and
    `counted_to` the last row of that: its `_step` and its value.

    The counter stays what it was at the first reading. Its definition reaches the server some
    seconds after it was made, and is missing for as long when a run is resumed; counted
    differently, rows that were read before would come a second time.
    """

    lines: int
    ended: bool
    rows: int
    last: int
    counter: str | None
    counted_to: tuple[int, float] | None


def rows_of(found: Sequence[Mapping[str, Any]], metric: str) -> Rows:
    """The rows that have a number under the metric, each `_step` once, in order.

    Windows of steps may overlap at their edge, so a row may come twice.
    """
    kept: dict[int, tuple[float, float]] = {}
    for row in found:
        value, step = number(row.get(metric)), number(row.get("_step"))
        if value is not None and step is not None:
            kept[int(step)] = (number(row.get("_timestamp")) or 0.0, value)
    at = np.fromiter(kept, dtype=np.int64, count=len(kept))
    columns = np.array(list(kept.values()), dtype=np.float64).reshape(-1, 2)
    order = np.argsort(at, kind="stable")
    timestamp = np.rint(columns[order, 0] * 1000).astype(np.int64)
    return Rows(at[order], timestamp, columns[order, 1])


def no_rows() -> Rows:
    """A series that has none."""
    return Rows(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float64))


def steps_of(rows: Rows, counter: Rows, before: float | None) -> NDArray[np.int64]:
    """The step of each row by the step metric, whose rows are `counter`.

    A row without a value of the step metric has that of the row before it, as in W&B's own
    `step_sync`; before the first one it is `before`, or 0. Where the step metric counts in
    fractions (`epoch`), or was not logged, `_step` is the step.
    """
    known = counter.value
    if not len(counter) and before is None:
        return rows.at
    everything = known if before is None else np.append(known, before)
    if not (np.isfinite(everything) & (np.rint(everything) == everything)).all():
        return rows.at
    if (np.abs(everything) >= 2.0**62).any():
        return rows.at
    place = np.searchsorted(counter.at, rows.at, side="right")
    padded = np.concatenate([[0.0 if before is None else before], known])
    return padded[place].astype(np.int64)


class Series(NamedTuple):
    """A series as it is handed out. All have shape (n,)."""

    step: NDArray[np.int64]
    timestamp: NDArray[np.int64]
    value: NDArray[np.float64]


def to_frame(parts: Mapping[Key, Series]) -> pd.DataFrame:
    """All series as one frame of `HISTORY_DTYPES`, ordered by run, metric, timestamp and step."""
    return series.to_frame({key: in_order(rows) for key, rows in parts.items()})


def in_order(rows: Series) -> Series:
    """By timestamp, then step."""
    order = np.lexsort((rows.step, rows.timestamp))
    return Series(rows.step[order], rows.timestamp[order], rows.value[order])
