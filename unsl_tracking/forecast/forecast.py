"""A forecast: the distribution of the metric at one or more points, in the metric's own units."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from unsl_tracking.errors import DataError
from unsl_tracking.forecast.cautions import ForecastWarning
from unsl_tracking.forecast.metric_scale import MetricScale
from unsl_tracking.forecast.predictive import Predictive

Array = NDArray[np.float64]
LEVELS = (0.5, 0.8, 0.95)


class Forecast:
    """What a law expects at `points` (a frame with one column per axis).

    Results are numbers when the forecast was asked for one point given as numbers, arrays (n,)
    otherwise. Intervals are of a new observation: they include the noise of a single run.

    Examples:
        >>> forecast = law.predict({"params": 7e9, "tokens": 1.4e11})
        >>> low, high = forecast.interval(0.8)
        >>> low < forecast.median < high
        True
        >>> round(forecast.cdf(high) - forecast.cdf(low), 6)
        0.8
        >>> forecast.prob_better_than(low) < 0.11
        True
        >>> forecast.quantile([0.1, 0.5, 0.9]).shape
        (3,)
        >>> forecast.sample(1000, seed=0).shape
        (1000,)

        Several points at once:

        >>> several = law.predict({"params": [1e9, 7e9], "tokens": [2e10, 1.4e11]})
        >>> several.median.shape
        (2,)
        >>> list(several.to_frame())[:4]
        ['params', 'tokens', 'median', 'lo50']
    """

    def __init__(
        self,
        points: pd.DataFrame,
        value: str,
        predictive: Predictive,
        scale: MetricScale,
        warnings: tuple[ForecastWarning, ...],
        *,
        single: bool,
    ) -> None:
        self.points = points
        self.value = value
        self.warnings = warnings
        self._predictive = predictive
        self._scale = scale
        self._single = single

    def pooled(self, other: Forecast) -> Forecast:
        """Half of each, for two sources of which neither is known to be the right one.

        `other` is of the same metric at the same points, which may name more axes here.
        """
        return Forecast(
            self.points,
            self.value,
            self._predictive.pooled(other._predictive),
            self._scale,
            (*self.warnings, *other.warnings),
            single=self._single,
        )

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        low, high = self.interval(0.8)
        if self._single:
            return f"Forecast({self.value} = {self.median:.5g}, 80%: {low:.5g} to {high:.5g})"
        return f"Forecast({self.value} at {len(self)} points)"

    @property
    def mode(self) -> str:
        """Either "min" (lower is better) or "max"."""
        return self._scale.mode

    @property
    def median(self) -> Any:
        """The value that is as likely to be exceeded as not."""
        return self.quantile(0.5)

    def quantile(self, q: ArrayLike) -> Any:
        """The metric's quantiles: a number or (n,) for one q, (len(q),) or (len(q), n) for several.

        Raises:
            DataError: a q outside (0, 1), or more than a list of them.
        """
        levels = _as_floats(q, "quantiles")
        if levels.size == 0 or levels.ndim > 1 or not ((levels > 0.0) & (levels < 1.0)).all():
            raise DataError("quantiles lie strictly between 0 and 1", got=q)
        inner = self._scale.level(np.atleast_1d(levels))
        found = self._scale.from_log(np.stack([self._predictive.quantile(p) for p in inner]))
        found = found[:, 0] if self._single else found
        return self._plain(found[0] if levels.ndim == 0 else found)

    def interval(self, level: float = 0.8) -> tuple[Any, Any]:
        """The central interval that holds the outcome with probability `level`, (low, high)."""
        if np.ndim(level) or not 0.0 < float(_as_floats(level, "an interval's level")) < 1.0:
            raise DataError("an interval's level is one number between 0 and 1", got=level)
        low, high = self.quantile([0.5 - 0.5 * level, 0.5 + 0.5 * level])
        return self._plain(low), self._plain(high)

    def cdf(self, value: ArrayLike) -> Any:
        """P(metric ≤ value); value is one number, or one per point.

        Raises:
            DataError: text, NaN, or another number of values.
        """
        values = _as_floats(value, "values to compare with")
        if values.shape not in ((), (1,), (len(self),)) or np.isnan(values).any():
            rule = f"one value is compared with, or one for each of the {len(self)} points"
            raise DataError(rule, got=value)
        values = np.broadcast_to(values, (len(self),))
        if self._scale.mode == "min":
            below = self._below_log(values)
        else:
            below = 1.0 - self._below_log(values)
        return self._plain(below[0] if self._single else below)

    def prob_better_than(self, target: ArrayLike) -> Any:
        """P(the metric ends better than the target): below it for "min", above it for "max"."""
        below = np.asarray(self.cdf(target))
        return self._plain(below if self._scale.mode == "min" else 1.0 - below)

    def expected_gain(self, value: float) -> Any:
        """E[max(ln(e / E), 0)]: by how much, in ln of the error, it is expected to beat a value.

        The error is the metric itself for "min", and the ceiling minus it for "max". Infinite for
        a value that everything beats, 0 for one that nothing can beat.
        """
        error = value if self._scale.ceiling is None else self._scale.ceiling - value
        if not 0.0 < error < np.inf:
            found = np.full(len(self), np.inf if error > 0.0 else 0.0)
        else:
            found = self._predictive.expected_below(float(np.log(error)))
        return self._plain(found[0] if self._single else found)

    def sample(self, n: int, seed: int = 0) -> Array:
        """Draws (n,) for one point, (n, points) for several; the same for the same seed."""
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0:
            raise DataError("the number of draws is an integer ≥ 0", got=n)
        draws = self._scale.from_log(self._predictive.sample(n, np.random.default_rng(seed)))
        return draws[:, 0] if self._single else draws

    def spread_by(self, factor: float) -> Forecast:
        """The same medians, with intervals of ln error (y, or ceiling − y) `factor` times as wide.

        Raises:
            DataError: the factor is not a positive number.
        """
        if not 0.0 < float(factor) < np.inf:
            raise DataError("the factor on a forecast's width is a positive number", got=factor)
        return Forecast(
            self.points,
            self.value,
            self._predictive.spread_by(float(factor)),
            self._scale,
            self.warnings,
            single=self._single,
        )

    def to_frame(self) -> pd.DataFrame:
        """Axes, median and the bounds of the 50, 80 and 95% intervals, one row per point."""
        frame = self.points.copy()
        quantiles = {"median": 0.5}
        for level in LEVELS:
            quantiles[f"lo{level * 100:.0f}"] = 0.5 - 0.5 * level
            quantiles[f"hi{level * 100:.0f}"] = 0.5 + 0.5 * level
        for name, q in quantiles.items():
            frame[name] = np.atleast_1d(self.quantile(q))
        return frame

    def to_dict(self) -> dict[str, object]:
        """JSON-able: metric, points with their intervals, warnings."""
        return {
            "metric": self.value,
            "mode": self.mode,
            "points": self.to_frame().to_dict(orient="records"),
            "warnings": [w.to_dict() for w in self.warnings],
        }

    def _below_log(self, values: Array) -> Array:
        """P(error ≤ the error at these values); errors that cannot be have probability 0 or 1."""
        error = values if self._scale.ceiling is None else self._scale.ceiling - values
        with np.errstate(divide="ignore", invalid="ignore"):
            ln_error = np.log(np.maximum(error, 0.0))
        known = self._predictive.cdf(np.where(np.isfinite(ln_error), ln_error, 0.0))
        return np.where(error <= 0.0, 0.0, np.where(np.isposinf(error), 1.0, known))

    def _plain(self, found: Any) -> Any:
        return float(found) if np.ndim(found) == 0 else np.asarray(found)


def _as_floats(value: object, what: str) -> Array:
    try:
        return np.asarray(value, dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} are numbers", got=value) from error
