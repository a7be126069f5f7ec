"""Recorded curves as pools: the runs of one task, to be trained one after another in a replay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unsl_tracking import DataError

Array = NDArray[np.float64]
# Metrics that rise, by the last part of their name, and the best value that each can take.
RISING: Final[Mapping[str, float]] = {
    "accuracy": 1.0,
    "ssim": 1.0,
    "mean_average_precision": 1.0,
    "bleu": 100.0,
}
PER_MILLE: Final = 1000  # places when a run is seen by the fraction of its own budget
_KEYS: Final = ("dataset", "group", "run", "metric", "value", "step", "seconds", "n_steps")


@dataclass(frozen=True)
class Recorded:
    """One run: `at` (n,) the places of its evaluations, whole numbers; `values` (n,), may be NaN.

    A run costs `at[-1] / horizon` when it is trained to its end.
    """

    name: str
    at: Array
    values: Array
    settings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Pool:
    """The runs of one task. `horizon` is the place where a whole run ends."""

    name: str
    runs: tuple[Recorded, ...]
    horizon: int
    mode: Literal["min", "max"] = "min"
    ceiling: float | None = None

    def losses(self, values: Array) -> Array:
        """Values with a sign that makes lower better; what is not finite is worst of all."""
        signed = values if self.mode == "min" else -values
        return np.where(np.isfinite(signed), signed, np.inf)

    def finals(self) -> Array:
        """Where each run ends, lower better, shape (runs,)."""
        return np.array([self.losses(run.values)[-1] for run in self.runs])

    def span(self, setting: str) -> tuple[float, float]:
        """The smallest and the largest value of a setting."""
        told = [run.settings[setting] for run in self.runs if setting in run.settings]
        return min(told), max(told)

    def bests(self) -> Array:
        """The best that each run shows anywhere, lower better, shape (runs,)."""
        return np.array([self.losses(run.values).min() for run in self.runs])


def read_pools(path: Path, *, by_fraction: bool = False, fewest: int = 8) -> list[Pool]:
    """One pool for every group (and dataset, metric) of a tidy table, in order of appearance.

    The table has `dataset, group, run, step, metric, value`; other numeric columns in which runs
    differ are settings. `by_fraction` sees each run by the share of its own last step, in per
    mille, whole numbers from 1. Groups with fewer than `fewest` runs are left out.

    Raises:
        DataError: no such file.
    """
    if not path.is_file():
        raise DataError(
            "the table of curves must exist",
            got=str(path),
            next_step="Name its folder with --data DIR or UNSL_BENCH_DATA=DIR.",
        )
    table = pd.read_csv(path)
    keys = ["dataset", "group", "metric"]
    pools = []
    for (dataset, group, metric), rows in table.groupby(keys, sort=False):
        runs = tuple(_runs(rows, by_fraction))
        if len(runs) < fewest:
            continue
        ceiling = RISING.get(str(metric).rsplit("/", 1)[-1])
        horizon = PER_MILLE if by_fraction else int(rows["step"].max())
        mode: Literal["min", "max"] = "min" if ceiling is None else "max"
        pools.append(Pool(f"{dataset} {group}", runs, horizon, mode, ceiling))
    return pools


def _runs(rows: pd.DataFrame, by_fraction: bool) -> Iterator[Recorded]:
    settings = [c for c in rows.select_dtypes("number") if c not in _KEYS and rows[c].nunique() > 1]
    for name, own in rows.sort_values("step", kind="stable").groupby("run", sort=False):
        at = own["step"].to_numpy(dtype=float)
        if by_fraction:
            at = _whole(PER_MILLE * at / at[-1])
        told = {str(c): float(own[c].iloc[0]) for c in settings if np.isfinite(own[c].iloc[0])}
        yield Recorded(str(name), at, own["value"].to_numpy(dtype=float), told)


def _whole(at: Array) -> Array:
    """Whole numbers from 1, each above the one before, the last one kept."""
    result = np.maximum(np.rint(at), 1.0)
    for i in range(1, len(result)):
        result[i] = max(result[i], result[i - 1] + 1.0)
    return result
