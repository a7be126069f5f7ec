"""Figures of one forecast against what happened; everything in ln y.

Symbols: y (n,) the truth's ln, w (k,), mean and sd (k, n) of a mixture of normals, u (n,) the
probability integral transform F(y). A central interval of level L holds y exactly where
|2u − 1| ≤ L, so coverage at every level follows from u. The proper scores, log score and
CRPS, are the library's own (unsl_tracking/forecast/scoring.py).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from unsl_tracking import DataError
from unsl_tracking.forecast.predictive import Predictive

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)  # of the mean squared calibration error
REPORTED = (0.5, 0.8, 0.95)
_LONGEST = 50.0  # e-folds above the median beyond which an interval is just useless


def rmsle(forecast: Array, truth: Array) -> float:
    """Root mean square of ln ŷ − ln y."""
    return float(np.sqrt(np.mean((forecast - truth) ** 2)))


def inside(u: Array, level: float) -> Mask:
    """Whether the central interval of this level holds the truth (n,)."""
    return np.asarray(np.abs(2.0 * u - 1.0) <= level, dtype=bool)


def calibration_error(coverage: Array) -> float:
    """Mean squared difference of coverage and level over `LEVELS`."""
    return float(np.mean((coverage - np.array(LEVELS)) ** 2))


def interval(p: Predictive, level: float) -> tuple[Array, Array]:
    """Bounds (n,) of ln y."""
    return p.quantile(0.5 - 0.5 * level), p.quantile(0.5 + 0.5 * level)


def relative_width(low: Array, middle: Array, high: Array) -> Array:
    """(high − low) / median of the metric itself (n,), from their logs."""
    above = np.exp(np.minimum(high - middle, _LONGEST))
    return np.asarray(above - np.exp(low - middle), dtype=float)


def check_is_normal_mixture(p: Predictive) -> None:
    """The closed forms above hold for mixtures of normals only: say so if that changed.

    Raises:
        DataError: the distribution's cdf is not that of its weights, means and deviations.
    """
    middle = (p.weight[:, None] * p.mean).sum(axis=0)
    normal = (p.weight[:, None] * ndtr((middle - p.mean) / p.sd)).sum(axis=0)
    if not np.allclose(p.cdf(middle), normal, atol=1e-6):
        raise DataError("log_score and crps are written for mixtures of normals", got=type(p))
