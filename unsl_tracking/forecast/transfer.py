"""The end of a run from the ends of its siblings, seen at the same place.

Where siblings went through the same schedule, ln y at the end is nearly a straight line in ln y at
the place that the run has reached; no law of the curve between is needed. The slope is drawn
towards 1 with the weight of one sibling, the width comes from leaving each sibling out, and a run
unlike the others gets a wider forecast the farther it lies outside of what they did.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unsl_tracking.forecast.cautions import ForecastWarning
from unsl_tracking.forecast.forecast import Forecast
from unsl_tracking.forecast.metric_scale import MetricScale
from unsl_tracking.forecast.predictive import Predictive

Array = NDArray[np.float64]
FEWEST_SIBLINGS: Final = 6
REACHED: Final = 0.98  # of the horizon: such a sibling has ended
_WINDOW: Final = 1.1  # values within this factor before a place are averaged
_NARROWEST: Final = 1e-3  # ln y


class Curve(NamedTuple):
    """One curve by place: `at` and `ln_y`, shape (n,)."""

    at: Array
    ln_y: Array

    def level(self, place: float) -> float:
        """The mean of ln y just before a place; interpolated where nothing was logged there."""
        near = (self.at <= place) & (self.at > place / _WINDOW)
        if near.any():
            return float(self.ln_y[near].mean())
        return float(np.interp(math.log(place), np.log(self.at), self.ln_y))


def transfer(
    own: Curve, siblings: Sequence[Curve], end: pd.DataFrame, scale: MetricScale, value: str
) -> Forecast | None:
    """The forecast of `own` at `end` (one row, its first column the place along the curve).

    None where fewer than `FEWEST_SIBLINGS` siblings passed the run's place and reached the end.
    """
    place, last = float(own.at[-1]), float(end.to_numpy(dtype=float)[0, 0])
    usable = [s for s in siblings if s.at[-1] >= REACHED * last and s.at[0] <= place]
    if len(usable) < FEWEST_SIBLINGS or place >= last:
        return None
    here = np.array([s.level(place) for s in usable])
    there = np.array([s.level(last) for s in usable])
    mean, sd = _line(here, there, own.level(place))
    one = np.ones(1)
    predictive = Predictive(one, np.array([[mean]]), np.array([[sd]]))
    text = f"taken from where {len(usable)} finished siblings went from here"
    notes = (ForecastWarning("from_siblings", text, value=float(len(usable))),)
    return Forecast(end, value, predictive, scale, notes, single=True)


def _line(x: Array, y: Array, at: float) -> tuple[float, float]:
    """Mean and standard deviation of a new y at `at`, from a line through (x, y)."""
    n = len(x)
    centre = x - x.mean()
    spread = float(centre @ centre)
    pull = spread / n
    slope = (float(centre @ (y - y.mean())) + pull) / (spread + pull) if spread > 0.0 else 1.0
    leverage = 1.0 / n + (centre**2 / (spread + pull) if spread > 0.0 else 0.0 * centre)
    left_out = (y - y.mean() - slope * centre) / (1.0 - np.minimum(leverage, 0.9))
    # Few siblings know their own scatter badly: the variance of Student's t.
    sd = math.sqrt(float(left_out @ left_out) / (n - 2) * (n - 1) / (n - 3))
    away = at - float(x.mean())
    outside = away**2 / (spread + pull) if spread > 0.0 else (away / _NARROWEST) ** 2 / n
    beyond = max(at - float(x.max()), float(x.min()) - at, 0.0)
    sd = math.hypot(sd * math.sqrt(1.0 + outside), 0.5 * beyond, _NARROWEST)
    return float(y.mean()) + slope * away, sd
