"""The rows of one metric, cleaned, with an account of every row that was left out.

In this order, per run:

1. Identical rows are one row.
2. Where every run with several rows has them all at step 0 (loggers that know no steps do that),
   their order in time is the step, counted from 1.
3. Of several rows at one step the latest by timestamp counts: a run that resumed from a checkpoint
   logs steps again, and so does one that corrects itself. Rows beyond the point of resumption
   that were not logged again stay: they are measurements of the same recipe. Among equal
   timestamps the row that comes last in the frame counts.
4. Values that are no number, not finite, or that the law cannot take (see `mode`) are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unsl_tracking.errors import DataError, NotFound
from unsl_tracking.runs.expression import near_names
from unsl_tracking.runs.run import Run, empty_history

Mode = Literal["min", "max"]
_NEEDED: Final = ("run_id", "metric", "step", "value")


@dataclass(frozen=True, slots=True)
class Dropped:
    """Rows of a run that were left out, and why. `rows` is 0 for a run that had none to give."""

    run_id: str
    reason: str
    rows: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one metric by run and step. All arrays have shape (n,).

    `run` is the index into `runs`; `step` counts from 1 in order of time when `by_time` is true.
    """

    runs: tuple[Run, ...]
    run: NDArray[np.intp]
    step: NDArray[np.int64]
    timestamp: NDArray[np.int64]
    value: NDArray[np.float64]
    by_time: bool = False

    def __len__(self) -> int:
        return int(self.run.size)

    def take(self, keep: NDArray[np.bool_] | NDArray[np.intp]) -> Rows:
        """The rows that a mask or an index array picks."""
        if keep.dtype == bool and keep.all():
            return self
        return Rows(
            self.runs,
            self.run[keep],
            self.step[keep],
            self.timestamp[keep],
            self.value[keep],
            self.by_time,
        )

    def starts(self) -> NDArray[np.intp]:
        """Position of the first row of every run in `runs`, and the number of rows at the end."""
        return np.searchsorted(self.run, np.arange(len(self.runs) + 1))


@dataclass(slots=True)
class Losses:
    """Collects what is left out while rows are cleaned and joined."""

    runs: tuple[Run, ...]
    dropped: list[Dropped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def rows(self, run: NDArray[np.intp], lost: NDArray[np.bool_], reason: str) -> None:
        """Note the rows in the mask `lost` under a reason, per run."""
        if not lost.any():
            return
        counts = np.bincount(run[lost], minlength=len(self.runs))
        for index in np.flatnonzero(counts):
            self.dropped.append(Dropped(self.runs[index].id, reason, int(counts[index])))


def check_history(history: pd.DataFrame) -> None:
    """Raise a `DataError` for a frame that is no history."""
    missing = [name for name in _NEEDED if name not in history]
    if missing:
        raise DataError(
            f"A history must have the columns {', '.join(_NEEDED)} (and timestamp, if known)",
            got=list(map(str, history.columns)),
            next_step="Take the frame of `tracker.history(runs, metrics)`.",
        )


def read_rows(runs: Sequence[Run], mine: pd.DataFrame | None) -> Rows:
    """One metric's rows of these runs as they stand, by run, timestamp and place in the frame."""
    if mine is None:
        mine = empty_history()
    place = pd.Index([each.id for each in runs], dtype=object)
    run = place.get_indexer(pd.Index(mine["run_id"], dtype=object))
    rows = Rows(
        tuple(runs),
        np.asarray(run, dtype=np.intp),
        _whole(mine, "step"),
        _whole(mine, "timestamp"),
        pd.to_numeric(mine["value"], errors="coerce").to_numpy(dtype=np.float64),
    )
    rows = rows.take(rows.run >= 0)
    return _ordered(rows, rows.timestamp)


def _whole(mine: pd.DataFrame, column: str) -> NDArray[np.int64]:
    """A column of whole numbers; zeros for timestamps that nobody kept."""
    if column not in mine:
        return np.zeros(len(mine), dtype=np.int64)
    if mine[column].dtype == np.int64:
        return mine[column].to_numpy()
    number = pd.to_numeric(mine[column], errors="coerce").to_numpy(dtype=np.float64)
    wrong = ~(np.abs(number) < 2.0**63) | (number != np.floor(number))
    if wrong.any():
        raise DataError(
            f"Every {column} of a history must be a whole number",
            got=mine[column].iloc[int(np.flatnonzero(wrong)[0])],
        )
    return number.astype(np.int64)


def clean_rows(
    runs: Sequence[Run],
    histories: Mapping[str, pd.DataFrame],
    metric: str,
    losses: Losses,
    *,
    mode: Mode = "min",
    ceiling: float | None = None,
) -> Rows:
    """Clean rows by run and step. Raises `NotFound` when no run logged the metric."""
    rows = read_rows(runs, histories.get(metric))
    if not len(rows):
        raise NotFound(
            "The metric must have been logged by a run that was read",
            got=metric,
            next_step=near_names(metric, known_metrics(runs, histories)),
        )
    for run in np.setdiff1d(np.arange(len(runs)), rows.run):
        losses.dropped.append(Dropped(runs[run].id, f"`{metric}` was never logged", 0))
    rows = one_row_a_step(rows, losses)
    keep = np.ones(len(rows), dtype=bool)
    for lost, reason in _unfit(rows.value, mode, ceiling):
        losses.rows(rows.run, lost, reason)
        keep &= ~lost
    if not keep.any():
        found = ", ".join(dict.fromkeys(each.reason for each in losses.dropped))
        raise DataError(
            f"`{metric}` must have values that a law can be fitted to",
            got=found,
            next_step='A metric that grows needs mode="max"; one below 0 must be shifted first.',
        )
    return rows.take(keep)


def one_row_a_step(rows: Rows, losses: Losses | None = None) -> Rows:
    """Rules 1 to 3 of the module's docstring; the result is ordered by run and step."""
    if _is_increasing(rows):  # nothing repeats: spare millions of rows the search
        return rows
    same = _repeats(rows, ["run", "step", "timestamp", "value"])
    if losses:
        losses.rows(rows.run, same, "the same row twice")
    rows = rows.take(~same)
    rows = _steps_from_time(rows)
    if rows.by_time and losses:
        losses.notes.append("All rows stand at step 0, so their order in time is taken as the step")
    again = _repeats(rows, ["run", "step"])
    if losses and again.any():
        losses.rows(rows.run, again, "logged again later at the same step")
        count = np.unique(rows.run[again]).size
        losses.notes.append(
            f"{count} run{'s' if count > 1 else ''} logged steps again (resumed from a checkpoint,"
            " or corrected); the later row counts"
        )
    rows = rows.take(~again)
    return _ordered(rows, rows.step)


def without_unfinished(rows: Rows, losses: Losses) -> Rows:
    """The rows without curves of runs that did not finish, where some did.

    For where only last rows count, and no axis says how far a run came: a run that crashed at 40%
    would stand at the tokens that it was planned to see.
    """
    finished = np.array([each.status == "FINISHED" for each in rows.runs], dtype=bool)
    curve = np.bincount(rows.run, minlength=len(rows.runs)) > 1
    if not (finished & curve).any():
        return rows
    lost = (curve & ~finished)[rows.run]
    losses.rows(
        rows.run,
        lost,
        "the run did not finish, and no axis says how far it came (one that grows along a run,"
        " such as step, would)",
    )
    return rows.take(~lost)


def reduce_rows(rows: Rows, curve: Literal["all", "last", "best"], mode: Mode) -> Rows:
    """All rows, or of every run its last row, or its best (the first of equals)."""
    if curve == "all":
        return rows
    if curve == "last":
        return rows.take(np.flatnonzero(np.diff(rows.run, append=-1)))
    sign = 1.0 if mode == "min" else -1.0
    order = np.lexsort((rows.step, sign * rows.value, rows.run))
    first = np.flatnonzero(np.diff(rows.run[order], prepend=-1))
    return rows.take(order[first])


def known_metrics(runs: Sequence[Run], histories: Iterable[str] = ()) -> list[str]:
    """Names of the metrics that the runs or the histories hold."""
    return sorted(set(histories).union(*(run.metrics for run in runs)))


def _is_increasing(rows: Rows) -> bool:
    """True when rows stand by run and step, every step once."""
    run = np.diff(rows.run)
    return bool(((run > 0) | ((run == 0) & (np.diff(rows.step) > 0))).all())


def _ordered(rows: Rows, by: NDArray[np.int64]) -> Rows:
    """Rows by run and then by a column, equals in the order they have."""
    run = np.diff(rows.run)
    if ((run > 0) | ((run == 0) & (np.diff(by) >= 0))).all():
        return rows
    return rows.take(np.lexsort((by, rows.run)))  # lexsort is stable


def _repeats(rows: Rows, columns: Sequence[str]) -> NDArray[np.bool_]:
    """Mask of rows for which a later row agrees in these columns."""
    frame = pd.DataFrame({name: getattr(rows, name) for name in columns})
    return frame.duplicated(keep="last").to_numpy()


def _steps_from_time(rows: Rows) -> Rows:
    starts = rows.starts()
    several = np.diff(starts) > 1
    if not several.any() or rows.step[several[rows.run]].any():
        return rows
    ordinal = np.arange(len(rows)) - starts[rows.run] + 1
    return Rows(rows.runs, rows.run, ordinal.astype(np.int64), rows.timestamp, rows.value, True)


def _unfit(
    value: NDArray[np.float64], mode: Mode, ceiling: float | None
) -> list[tuple[NDArray[np.bool_], str]]:
    """Masks of values that no law can take, each with its reason; they do not overlap."""
    finite = np.isfinite(value)
    result = [
        (np.isnan(value), "the value is NaN"),
        (np.isposinf(value), "the value is inf"),
        (np.isneginf(value), "the value is -inf"),
    ]
    if mode == "min":
        unfit = finite & (value <= 0)
        return [*result, (unfit, "the value is 0 or below, and the law needs its logarithm")]
    if ceiling is None and finite.any():
        low, high = value[finite].min(), value[finite].max()
        # A fraction, whose ceiling is 1. Of other metrics the fit asks for the ceiling.
        ceiling = 1.0 if low >= 0 and high <= 1 else None
    if ceiling is not None:
        unfit = finite & (value >= ceiling)
        return [*result, (unfit, f"the value is {ceiling:g} or above, the best there can be")]
    return result
