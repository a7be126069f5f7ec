"""What `next_runs` answers: runs in the order in which to train them, and what each would tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

from unsl_tracking.errors import DataError
from unsl_tracking.forecast import Forecast, ForecastWarning

SCHEMA: Final = "unsl_tracking/next-runs"
SCHEMA_VERSION: Final = 1
LEVEL: Final = 0.8
"""Of the expected intervals."""


@dataclass(frozen=True, slots=True)
class NextRuns:
    """Runs to train next, the most telling per unit of cost first.

    `target`: the scale to forecast. `now`: the forecast there, before any of the runs.
    `runs`: a row per run: the axes (and whatever else candidates carried), `cost`, `total_cost` (of
    all runs so far), `gain` (share of the variance of ln y at the target that this run removes, of
    what was left before it), `width` (expected width of the 80% interval as a multiple of now's).
    `expected`: what the forecast at the target would be after each run if its median stayed where
    it is; where it will move to is what the runs are for.
    """

    metric: str
    mode: str
    target: Mapping[str, float]
    cost_expression: str | None
    now: Forecast
    runs: pd.DataFrame
    expected: tuple[Forecast, ...]
    warnings: tuple[ForecastWarning, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.runs)

    @property
    def total_cost(self) -> float:
        """Of all the runs; 0 where there are none."""
        return float(self.runs["cost"].sum())

    def deciding(self, value: float, confidence: float) -> int | None:
        """How many of the runs it takes until the forecast would be sure whether it beats `value`.

        Sure means P(better than value) ≥ confidence or ≤ 1 − confidence, the median staying where
        it is. 0 when it is sure already, None when not even all of them are enough.

        Raises:
            DataError: the confidence does not lie between 0.5 and 1.
        """
        if not 0.5 < confidence < 1.0:
            raise DataError("confidence lies between 0.5 and 1", got=confidence)
        for count, forecast in enumerate((self.now, *self.expected)):
            chance = float(forecast.prob_better_than(value))
            if max(chance, 1.0 - chance) >= confidence:
                return count
        return None

    def to_frame(self) -> pd.DataFrame:
        """`runs` with the expected interval after each of them, as `lo80` and `hi80`."""
        ends = [forecast.interval(LEVEL) for forecast in self.expected]
        return self.runs.assign(lo80=[low for low, _ in ends], hi80=[high for _, high in ends])

    def to_dict(self) -> dict[str, object]:
        """Strict JSON values."""
        return {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "metric": self.metric,
            "mode": self.mode,
            "target": dict(self.target),
            "cost_expression": self.cost_expression,
            "now": self.now.to_dict(),
            "runs": [_plain(row) for row in self.to_frame().to_dict(orient="records")],
            "total_cost": self.total_cost,
            "warnings": [warning.to_dict() for warning in self.warnings],
        }


def _plain(row: Mapping[Any, Any]) -> dict[str, object]:
    return {str(name): _value(value) for name, value in row.items()}


def _value(value: Any) -> object:
    """A JSON value: numbers as they are, NaN as None, anything else as text."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, bool | int) or value is None else str(value)
