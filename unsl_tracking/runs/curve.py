"""A curve of any length in a few hundred log-spaced buckets.

Bucket `i` of level `L` holds the steps with `floor(16 ln(step) / 2^L) = i`: 37 buckets a decade at
level 0, half as many at each next level. A curve starts at level 0 and moves up a level whenever
it has more than `max_buckets` buckets, so it needs bounded memory and its buckets depend on which
steps were seen, not on their order or on how they were dealt out: streaming, batch and merged
curves agree (up to rounding in the means). A million steps take 190 buckets.

What happens to a step that is logged again:

* the last `window` distinct steps (by arrival) are kept as they are; logging one of them again
  replaces its value;
* so does logging the step of a bucket that holds nothing else (early and sparse steps);
* an older step that shares its bucket with others is counted as one more observation: the bucket's
  mean then lies between the old value and the new.

Steps of 0 or below and values that are not finite have no place on a log-log curve; they are
counted in `skipped`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from unsl_tracking.errors import DataError

RESOLUTION: Final = 16.0  # buckets per factor e at level 0
MAX_BUCKETS: Final = 200
WINDOW: Final = 256  # steps kept as they are
SCHEMA: Final = "unsl.curve/1"

_Bucket = tuple[int, float, float, float]
"""count, mean value, sum of squared deviations from it, mean of ln(step)"""


def bucket_of(log_step: NDArray[np.float64], level: int) -> NDArray[np.int64]:
    """Bucket numbers of steps, given as natural logs, at a level."""
    return np.floor(log_step * RESOLUTION).astype(np.int64) >> level


class CurveBuckets:
    """Streaming summary of one curve: count, mean and variance of the value per bucket."""

    def __init__(self, *, max_buckets: int = MAX_BUCKETS, window: int = WINDOW) -> None:
        if max_buckets < 8 or window < 0:
            raise DataError(
                "A curve needs 8 buckets or more and no negative window",
                got=(max_buckets, window),
            )
        self.max_buckets = max_buckets
        self.window = window
        self.skipped = 0
        self._level = 0
        self._buckets: dict[int, _Bucket] = {}
        self._recent: dict[float, float] = {}  # step -> value, oldest arrival first

    def __len__(self) -> int:
        """Number of observations held; with `skipped` and replaced ones, all that were added."""
        return len(self._recent) + sum(bucket[0] for bucket in self._buckets.values())

    def add(self, step: float, value: float) -> None:
        """Add one observation; costs the same at the millionth step as at the first."""
        if not (step > 0 and math.isfinite(step) and math.isfinite(value)):
            self.skipped += 1
            return
        step, value = float(step), float(value)
        if self._replace_alone(step, value):
            return
        self._recent.pop(step, None)
        self._recent[step] = value
        if len(self._recent) > self.window:
            oldest = next(iter(self._recent))
            self._fold_one(oldest, self._recent.pop(oldest))

    def add_many(self, steps: ArrayLike, values: ArrayLike) -> None:
        """Add observations, shape (n,) each, in order of arrival."""
        step = np.asarray(steps, dtype=np.float64).ravel()
        value = np.asarray(values, dtype=np.float64).ravel()
        if step.shape != value.shape:
            raise DataError("There must be one value per step", got=f"{step.size} and {value.size}")
        fit = (step > 0) & np.isfinite(step) & np.isfinite(value)
        self.skipped += int(step.size - fit.sum())
        step, value = step[fit], value[fit]
        if step.size <= self.window or np.unique(step).size < step.size or self._may_hold(step):
            for one_step, one_value in zip(step.tolist(), value.tolist(), strict=True):
                self.add(one_step, one_value)
            return
        # Nothing to replace, so all but the last `window` steps are folded at once.
        split = step.size - self.window
        for one_step in list(self._recent):
            self._fold_one(one_step, self._recent.pop(one_step))
        self._fold_many(step[:split], value[:split])
        self._recent = dict(zip(step[split:].tolist(), value[split:].tolist(), strict=True))

    def merge(self, other: CurveBuckets) -> CurveBuckets:
        """A new curve with the observations of both; the steps of `other` are taken as later."""
        result = self.copy()
        result._fold(other._buckets, other._level)
        result.skipped += other.skipped
        for step, value in other._recent.items():
            result.add(step, value)
        return result

    def copy(self) -> CurveBuckets:
        """An independent curve with the same observations."""
        result = CurveBuckets(max_buckets=self.max_buckets, window=self.window)
        result.skipped, result._level = self.skipped, self._level
        result._buckets, result._recent = dict(self._buckets), dict(self._recent)
        return result

    def to_frame(self) -> pd.DataFrame:
        """One row per bucket, by step.

        Columns: `step` (geometric mean of the steps), `value` (mean), `variance` (of the values,
        divided by count − 1; NaN for one value), `count`, `log_step` (mean natural log).
        """
        return pd.DataFrame(self.columns())

    def columns(self) -> dict[str, NDArray[Any]]:
        """What `to_frame` holds, as arrays."""
        whole = self.copy()
        if whole._recent:
            whole._fold_many(np.array(list(whole._recent)), np.array(list(whole._recent.values())))
        buckets = [whole._buckets[index] for index in sorted(whole._buckets)]
        table = np.array(buckets, dtype=np.float64).reshape(len(buckets), 4)
        count, mean, squares, log_step = table.T
        several = count > 1
        variance = np.where(several, squares / np.where(several, count - 1, 1), np.nan)
        return {
            "step": np.exp(log_step),
            "value": mean,
            "variance": variance,
            "count": count.astype(np.int64),
            "log_step": log_step,
        }

    def to_state(self) -> dict[str, Any]:
        """Everything, as JSON-able values."""
        return {
            "schema": SCHEMA,
            "max_buckets": self.max_buckets,
            "window": self.window,
            "skipped": self.skipped,
            "level": self._level,
            "buckets": [[index, *bucket] for index, bucket in self._buckets.items()],
            "recent": [[step, value] for step, value in self._recent.items()],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> CurveBuckets:
        """The curve that `to_state` described. Raises `DataError` for anything else."""
        if state.get("schema") != SCHEMA:
            raise DataError(f"The state of a curve must say {SCHEMA}", got=state.get("schema"))
        try:
            result = cls(max_buckets=int(state["max_buckets"]), window=int(state["window"]))
            result.skipped, result._level = int(state["skipped"]), int(state["level"])
            for index, count, mean, squares, log_step in state["buckets"]:
                bucket = (int(count), float(mean), float(squares), float(log_step))
                result._buckets[int(index)] = bucket
            result._recent = {float(step): float(value) for step, value in state["recent"]}
        except (KeyError, TypeError, ValueError) as error:
            raise DataError("The state of a curve must be complete", got=repr(error)) from error
        return result

    def _may_hold(self, step: NDArray[np.float64]) -> bool:
        """False when none of these steps can have been added before."""
        highest = max((bucket[3] for bucket in self._buckets.values()), default=-math.inf)
        lowest = float(step.min())
        # One bucket's width more, because `highest` is the mean of its bucket.
        width = (1 << self._level) / RESOLUTION
        return math.log(lowest) <= highest + width or lowest <= max(self._recent, default=0.0)

    def _replace_alone(self, step: float, value: float) -> bool:
        """Replace the value of a bucket that holds this step and nothing else."""
        if step in self._recent or not self._buckets:
            return False
        log_step = math.log(step)
        index = math.floor(log_step * RESOLUTION) >> self._level
        count, _, _, at = self._buckets.get(index, (0, 0.0, 0.0, 0.0))
        if count != 1 or not math.isclose(at, log_step, rel_tol=1e-15, abs_tol=1e-15):
            return False
        self._buckets[index] = (1, value, 0.0, at)
        return True

    def _fold_one(self, step: float, value: float) -> None:
        log_step = math.log(step)
        index = math.floor(log_step * RESOLUTION) >> self._level
        self._fold({index: (1, value, 0.0, log_step)}, self._level)

    def _fold_many(self, step: NDArray[np.float64], value: NDArray[np.float64]) -> None:
        log_step = np.log(step)
        index, place = np.unique(bucket_of(log_step, self._level), return_inverse=True)
        count = np.bincount(place)
        mean = np.bincount(place, value) / count
        squares = np.bincount(place, (value - mean[place]) ** 2)
        at = np.bincount(place, log_step) / count
        columns = (index.tolist(), count.tolist(), mean.tolist(), squares.tolist(), at.tolist())
        self._fold({each[0]: each[1:] for each in zip(*columns, strict=True)}, self._level)

    def _fold(self, buckets: Mapping[int, _Bucket], level: int) -> None:
        """Add buckets of a level to ours, at the coarser of both levels or what room there is."""
        if level > self._level:
            self._coarsen(level)
        for index, bucket in buckets.items():
            index >>= self._level - level
            mine = self._buckets.get(index)
            self._buckets[index] = bucket if mine is None else _joined(mine, bucket)
        while len(self._buckets) > self.max_buckets:
            self._coarsen(self._level + 1)

    def _coarsen(self, level: int) -> None:
        shift, old = level - self._level, self._buckets
        self._level, self._buckets = level, {}
        for index, bucket in old.items():
            index >>= shift
            mine = self._buckets.get(index)
            self._buckets[index] = bucket if mine is None else _joined(mine, bucket)


def _joined(one: _Bucket, two: _Bucket) -> _Bucket:
    """Moments of both together (Chan, Golub, LeVeque 1979)."""
    count = one[0] + two[0]
    share = two[0] / count
    apart = two[1] - one[1]
    return (
        count,
        one[1] + apart * share,
        one[2] + two[2] + apart * apart * one[0] * share,
        one[3] + (two[3] - one[3]) * share,
    )
