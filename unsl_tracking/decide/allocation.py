"""What `allocate` answers: the split of a budget, how sure it is, and what is nearly as good."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import pandas as pd

from unsl_tracking.forecast import Forecast, ForecastWarning

SCHEMA: Final = "unsl_tracking/allocation"
SCHEMA_VERSION: Final = 1
LEVEL: Final = 0.8
"""Of the intervals of the best values, over posterior draws."""


@dataclass(frozen=True, slots=True)
class AxisChoice:
    """One axis of the allocation, in its own unit.

    `role`: "split" (chosen by the budget), "hyper" (a setting with a best value) or "fixed".
    `low`, `high`: the 80% interval of the best value over posterior draws; NaN where fixed.
    `near_low`, `near_high`: where the same budget loses at most the tolerance; NaN unless "split".
    `exponent`: d ln(best value) / d ln(budget) at this budget; NaN where it has none.
    `at_bound`: the best value is as far as one looked, so the true one may lie beyond.
    """

    axis: str
    role: Literal["split", "hyper", "fixed"]
    value: float
    low: float = math.nan
    high: float = math.nan
    near_low: float = math.nan
    near_high: float = math.nan
    exponent: float = math.nan
    at_bound: bool = False


@dataclass(frozen=True, slots=True)
class Allocation:
    """The split of a budget that a law forecasts to end best.

    `choices`: one per axis of the law. `cost`: what the split costs in all, at most `budget`, and
    `inference_cost` the part of it after training (0 where no lifetime was asked for).
    `forecast`: of the metric at the split, one point.
    `curve`: the iso-cost curve, a row per value of the first split axis, the other axes at their
    best: the axes, `cost`, `median` (of the metric), `excess` (forecast ln error above the best),
    `near` (excess at most `tolerance`), `overhead` (cost of reaching the best value from there, as
    a multiple of `cost`; NaN where it is out of reach) and, for each axis `a` that it takes to get
    there, `a_to_match`. Rows come by rising value of the axis.
    `draws`: the best values under each posterior draw, a row per draw, a column per free axis.
    """

    metric: str
    mode: str
    budget: float
    cost_expression: str
    inference_expression: str | None
    cost: float
    inference_cost: float
    choices: tuple[AxisChoice, ...]
    forecast: Forecast
    curve: pd.DataFrame
    draws: pd.DataFrame
    tolerance: float
    warnings: tuple[ForecastWarning, ...] = ()

    @property
    def point(self) -> dict[str, float]:
        """The split, by axis: what `FittedLaw.predict` takes."""
        return {choice.axis: choice.value for choice in self.choices}

    @property
    def exponents(self) -> dict[str, float]:
        """d ln(best value) / d ln(budget), by split axis."""
        return {c.axis: c.exponent for c in self.choices if c.role == "split"}

    def __getitem__(self, axis: str) -> AxisChoice:
        return {choice.axis: choice for choice in self.choices}[axis]

    def interval(self, level: float = LEVEL) -> dict[str, tuple[float, float]]:
        """The central interval of the best value of every free axis, over posterior draws."""
        ends = self.draws.quantile([0.5 - 0.5 * level, 0.5 + 0.5 * level])
        return {str(a): (float(ends[a].iloc[0]), float(ends[a].iloc[1])) for a in self.draws}

    def to_frame(self) -> pd.DataFrame:
        """A row per axis: axis, role, value, low, high, near_low, near_high, exponent, at_bound."""
        return pd.DataFrame([_fields(choice) for choice in self.choices])

    def to_dict(self) -> dict[str, object]:
        """Everything but the draws as strict JSON values; what does not exist is None."""
        return {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "metric": self.metric,
            "mode": self.mode,
            "budget": self.budget,
            "cost": {
                "expression": self.cost_expression,
                "inference_expression": self.inference_expression,
                "total": self.cost,
                "inference": self.inference_cost,
            },
            "level": LEVEL,
            "tolerance": self.tolerance,
            "axes": [_finite(_fields(choice)) for choice in self.choices],
            "forecast": self.forecast.to_dict(),
            "curve": [_finite(row) for row in self.curve.to_dict(orient="records")],
            "warnings": [warning.to_dict() for warning in self.warnings],
        }


def _fields(choice: AxisChoice) -> dict[str, Any]:
    return {name: getattr(choice, name) for name in AxisChoice.__slots__}


def _finite(row: Mapping[Any, Any]) -> dict[str, object]:
    """NaN and infinities as None: strict JSON has neither."""
    return {
        str(name): None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }
