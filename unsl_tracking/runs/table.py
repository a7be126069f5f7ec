"""Numbers beside the rows of a metric: params, config, tags, other metrics, the step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unsl_tracking.errors import AxisError
from unsl_tracking.runs.axes import Axis, Place, place_of
from unsl_tracking.runs.expression import near_names
from unsl_tracking.runs.numbers import read_number
from unsl_tracking.runs.rows import Losses, Rows, one_row_a_step, read_rows
from unsl_tracking.runs.run import Run

_WHERE = {"param": "params", "config": "config", "tag": "tags"}


@dataclass(frozen=True, slots=True)
class Column:
    """Numbers (n,) for the rows of a table, NaN where there is none.

    `why` says, by index of the run, why it has no number; rows of other runs may still be NaN
    when a metric was not logged around their step. `along` is true when it can vary within a run.
    """

    values: NDArray[np.float64]
    why: Mapping[int, str] = field(default_factory=dict)
    along: bool = False


class Table:
    """The rows of the metric to forecast, and every number that can be put beside them."""

    def __init__(self, rows: Rows, histories: Mapping[str, pd.DataFrame], metric: str) -> None:
        """`histories` holds the history of each metric by its name, see `by_metric`."""
        self.rows = rows
        self.metric = metric
        self._histories = histories
        self._columns: dict[tuple[Place, str], Column] = {}
        self._axes: dict[Axis, Column] = {}

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs that `rows.run` counts through."""
        return self.rows.runs

    def sample(self, most: int) -> Table:
        """The same with at most `most` rows of every run, evenly spread, ends included."""
        starts = self.rows.starts()
        picks = [
            np.unique(np.linspace(first, after - 1, most).astype(np.intp))
            for first, after in pairwise(starts)
            if after > first
        ]
        index = np.concatenate(picks) if picks else np.zeros(0, dtype=np.intp)
        return Table(self.rows.take(index), self._histories, self.metric)

    def keys(self, place: Place) -> list[str]:
        """Keys of a place, in the order in which the runs bring them."""
        if place == "step":
            return [""]
        if place == "metric":
            return sorted(set(self._histories) - {self.metric})
        return list(dict.fromkeys(key for run in self.runs for key in getattr(run, _WHERE[place])))

    def axis(self, axis: Axis) -> Column:
        """Numbers of an axis. Raises `AxisError` when no run has such a thing."""
        if axis not in self._axes:
            self._axes[axis] = self._axis(axis)
        return self._axes[axis]

    def _axis(self, axis: Axis) -> Column:
        expression = axis.expression()
        if expression is None:
            return self.column(*self.find(axis.source or axis.name))
        parts = {name: self.column(*self.find(name)) for name in expression.names}
        values = expression({name: part.values for name, part in parts.items()})
        why: dict[int, str] = {}
        for part in parts.values():
            why = {**part.why, **why}
        along = any(part.along for part in parts.values())
        return Column(np.broadcast_to(values, (len(self.rows),)), why, along)

    def find(self, name: str) -> tuple[Place, str]:
        """Where a name stands: `param:lr` there, `lr` in the first place that has it."""
        told = place_of(name)
        if told is not None:
            self._check_known(*told)
            return told
        for place in ("param", "config", "tag", "metric"):
            if name in self.keys(place):
                return place, name
        if name == "step":
            return "step", ""
        raise AxisError(
            "An axis must be a param, config value, tag or metric of the runs, or `step`",
            got=name,
            next_step=near_names(name, self.known()) + _how_to_read(name, self.runs),
        )

    def known(self) -> list[str]:
        """Every name that has a number on some run, `step` last."""
        names: dict[str, None] = {}
        for place in ("param", "config", "tag"):
            for key in self.keys(place):
                values = (getattr(run, _WHERE[place]).get(key) for run in self.runs)
                if any(read_number(value) is not None for value in values):
                    names[key] = None
        return [*names, *self.keys("metric"), "step"]

    def column(self, place: Place, key: str) -> Column:
        """Numbers of one key of one place."""
        known = self._columns.get((place, key))
        if known is None:
            if place == "step":
                known = Column(self.rows.step.astype(np.float64), along=True)
            elif place == "metric":
                known = self._from_metric(key)
            else:
                known = self._from_runs(place, key)
            self._columns[place, key] = known
        return known

    def _check_known(self, place: Place, key: str) -> None:
        if key not in self.keys(place):
            raise AxisError(
                f"A {place} of an axis must be there on some run",
                got=key,
                next_step=near_names(key, self.keys(place))
                + (_how_to_read(key, self.runs) if place == "metric" else ""),
            )

    def _from_runs(self, place: Place, key: str) -> Column:
        numbers = np.full(len(self.runs), np.nan)
        why = {}
        for index, run in enumerate(self.runs):
            values: Mapping[str, object] = getattr(run, _WHERE[place])
            number = read_number(values.get(key))
            if number is not None:
                numbers[index] = number
            elif key in values:
                why[index] = f"{place} `{key}` is {_short(values[key])}, which is no number"
            else:
                why[index] = f"{place} `{key}` is missing"
        return Column(numbers[self.rows.run], why)

    def _from_metric(self, key: str) -> Column:
        """Values of another metric at the steps of this one, linear between its own steps.

        Up to one of its own steps beyond its ends the line is drawn on: the last evaluation often
        comes a little after the last training log. A metric with one row counts for the whole run.
        """
        rows = read_rows(self.runs, self._histories[key])
        rows = one_row_a_step(rows.take(np.isfinite(rows.value)), Losses(self.runs))
        by_time = self.rows.by_time or rows.by_time
        mine = (self.rows.timestamp if by_time else self.rows.step).astype(np.float64)
        other = (rows.timestamp if by_time else rows.step).astype(np.float64)
        values = np.full(len(self.rows), np.nan)
        why = {}
        along = False
        starts, their = self.rows.starts(), rows.starts()
        for index in range(len(self.runs)):
            at = slice(starts[index], starts[index + 1])
            x, y = (
                other[their[index] : their[index + 1]],
                rows.value[their[index] : their[index + 1]],
            )
            if not x.size:
                why[index] = f"metric `{key}` is missing"
            elif x.size == 1:
                values[at] = y[0]
            else:
                order = np.argsort(x, kind="stable")
                values[at] = _on_the_line(mine[at], x[order], y[order])
                along = True
        return Column(values, why, along)


def by_metric(history: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """A history frame cut up by metric, rows in their order."""
    return {str(name): part for name, part in history.groupby("metric", sort=False)}


def _on_the_line(
    at: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.float64]:
    """y(at), linear between points, one typical step of x beyond its ends, NaN further out."""
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is no value there
        return _drawn(at, x, y)


def _drawn(
    at: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.float64]:
    result = np.interp(at, x, y)
    step = float(np.median(np.diff(x)))
    for end, beside in ((-1, -2), (0, 1)):
        sign = 1.0 if end else -1.0
        beyond = sign * (at - x[end])
        out = beyond > 0
        run = x[end] - x[beside]
        slope = (y[end] - y[beside]) / run if run else 0.0
        result[out] = np.where(beyond <= step, y[end] + slope * (at - x[end]), np.nan)[out]
    return result


def _how_to_read(name: str, runs: Sequence[Run]) -> str:
    if any(name in run.metrics for run in runs):
        return f" `{name}` is a metric whose history was not read: add it to the metrics to read."
    return ""


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "…"
