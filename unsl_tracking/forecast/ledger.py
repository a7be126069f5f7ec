"""The rows of a law as arrays that take in a few more rows in microseconds.

What `table.merge` and `thin.thin` do to a whole table, done to the rows that change: a new row of a
short curve is appended, one of a long curve joins its bucket or opens the next. What would change
more than that (a correction, a curve that becomes long, buckets that become wider) is refused, and
the caller takes the long way.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unsl_tracking.fit import Points
from unsl_tracking.forecast.metric_scale import MetricScale
from unsl_tracking.forecast.table import COUNT, evidence
from unsl_tracking.forecast.thin import LONGEST, bucket_width
from unsl_tracking.runs.constants import keep_constants

Array = NDArray[np.float64]
MOST_ROWS: Final = 64  # at once; more are taken in faster together


@dataclass(frozen=True)
class Buckets:
    """The grid of a long curve: the column along it, its width in ln x, the first and last ln x."""

    along: int
    width: float
    first: float
    last: float

    def label(self, log_x: Array) -> int:
        """Of the bucket that holds a row."""
        return int(np.floor(log_x[self.along] / self.width))

    def widened(self, log_x: Array) -> Buckets | None:
        """The grid after a row; None where its buckets would be wider."""
        first, last = min(self.first, log_x[self.along]), max(self.last, log_x[self.along])
        if bucket_width(last - first) != self.width:
            return None
        return Buckets(self.along, self.width, float(first), float(last))


@dataclass(frozen=True)
class Ledger:
    """n rows: x (n, m) on the axes, the metric, how many observations each stands for, its run.

    `places` says where a key is: (axes, run) of a row, (bucket, run) in a long curve. `lengths`
    counts the rows of runs that are not long.
    """

    x: Array
    value: Array
    count: Array
    runs: list[str]
    places: dict[Hashable, int]
    lengths: dict[str, int]
    buckets: dict[str, Buckets]
    curves: bool = True  # whether rows of one run are a curve, which may become long

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame,
        axes: Sequence[str],
        value: str,
        run: str | None,
        long: frozenset[str],
    ) -> Ledger:
        """The ledger of a table that was cleaned and thinned."""
        x = frame[list(axes)].to_numpy(dtype=float)
        count = frame[COUNT].to_numpy(dtype=float) if COUNT in frame else np.ones(len(frame))
        runs = [""] * len(frame) if run is None else frame[run].tolist()
        buckets = {name: _grid(x[_rows_of(runs, name)]) for name in long}
        curves = run is not None or len(axes) == 1
        ledger = cls(x, frame[value].to_numpy(dtype=float), count, runs, {}, {}, buckets, curves)
        for place, name in enumerate(runs):
            ledger.places[ledger._key(x[place], name)] = place
            if name not in buckets:
                ledger.lengths[name] = ledger.lengths.get(name, 0) + 1
        return ledger

    def __len__(self) -> int:
        return len(self.value)

    @property
    def evidence(self) -> float:
        """How much all rows say together."""
        return float(evidence(self.count).sum())

    def add(
        self, x: Array, value: Array, count: Array, runs: Sequence[str]
    ) -> tuple[Ledger, list[int]] | None:
        """The ledger with these rows as well, and the places that they changed.

        None where they change more than that.
        """
        if len(value) > MOST_ROWS:
            return None
        places, lengths, buckets = dict(self.places), dict(self.lengths), dict(self.buckets)
        grown = Ledger(
            np.concatenate([self.x, x]),
            np.concatenate([self.value, value]),
            np.concatenate([self.count, count]),
            [*self.runs, *runs],
            places,
            lengths,
            buckets,
            self.curves,
        )
        n, changed = len(self), set()
        for row, name in enumerate(runs):
            place = grown._take(n, len(self) + row, name)
            if place is None:
                return None
            changed.add(place)
            n = max(n, place + 1)
        kept = replace(
            grown, x=grown.x[:n], value=grown.value[:n], count=grown.count[:n], runs=grown.runs[:n]
        )
        return kept, sorted(changed)

    def _take(self, n: int, row: int, name: str) -> int | None:
        """Put row `row` of these arrays where it belongs, at most at place n; None if refused."""
        long = name in self.buckets
        if long:
            grid = self.buckets[name].widened(np.log(self.x[row]))
            if grid is None:
                return None
            self.buckets[name] = grid
        key = self._key(self.x[row], name)
        place = self.places.get(key)
        if place is None:
            if not long:
                self.lengths[name] = self.lengths.get(name, 0) + 1
                if self.curves and self.lengths[name] > LONGEST:
                    return None
            self.places[key] = n
            self.x[n], self.value[n], self.count[n] = self.x[row], self.value[row], self.count[row]
            self.runs[n] = name
            return n
        if not long or np.array_equal(self.x[place], self.x[row]):
            return None  # a correction
        self._average(place, row)
        return place

    def _average(self, place: int, row: int) -> None:
        total = self.count[place] + self.count[row]
        share = self.count[row] / total
        logs = (1.0 - share) * np.log(self.x[place]) + share * np.log(self.x[row])
        self.x[place] = keep_constants(np.exp(logs), self.x[place], self.x[row])
        self.value[place] += share * (self.value[row] - self.value[place])
        self.count[place] = total

    def _key(self, x: Array, name: str) -> Hashable:
        if name in self.buckets:
            return self.buckets[name].label(np.log(x)), name
        return (*x.tolist(), name)

    def points(self, axes: Sequence[str], scale: MetricScale, scaling: NDArray[np.bool_]) -> Points:
        """What a law is fitted to; `scaling` marks the axes along which one scales up."""
        weight = evidence(self.count)
        return Points(
            tuple(axes), np.log(self.x), scale.to_log(self.value), weight / weight.mean(), scaling
        )

    def frame(self, axes: Sequence[str], value: str, run: str | None) -> pd.DataFrame:
        """The table; with a column of counts where a row stands for more than one observation."""
        table = pd.DataFrame(dict(zip(axes, self.x.T, strict=True)) | {value: self.value})
        if run is not None:
            table[run] = np.array(self.runs, dtype=object)
        if (self.count != 1.0).any():
            table[COUNT] = self.count
        return table


def _rows_of(runs: Sequence[str], name: str) -> NDArray[np.bool_]:
    return np.array([run == name for run in runs], dtype=bool)


def _grid(x: Array) -> Buckets:
    logs = np.log(x)
    along = int(np.argmax(np.ptp(logs, axis=0)))
    first, last = float(logs[:, along].min()), float(logs[:, along].max())
    return Buckets(along, bucket_width(last - first), first, last)
