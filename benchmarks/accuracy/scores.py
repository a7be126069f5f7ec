"""Figures of one forecast against what happened; everything in ln y.

Symbols: y (n,) the truth's ln, w (k,), mean and sd (k, n) of a mixture of normals, u (n,) the
probability integral transform F(y). A central interval of level L holds y exactly where
|2u − 1| ≤ L, so coverage at every level follows from u.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtr

from unsl_tracking import DataError
from unsl_tracking.forecast.predictive import Predictive

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)  # of the mean squared calibration error
REPORTED = (0.5, 0.8, 0.95)
_LONGEST = 50.0  # e-folds above the median beyond which an interval is just useless
_HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)


def rmsle(forecast: Array, truth: Array) -> float:
    """Root mean square of ln ŷ − ln y."""
    return float(np.sqrt(np.mean((forecast - truth) ** 2)))


def log_score(p: Predictive, y: Array) -> Array:
    """Log density of ln y (n,): higher is better."""
    standard = (y - p.mean) / p.sd
    with np.errstate(divide="ignore"):
        each = np.log(p.weight)[:, None] - 0.5 * standard**2 - np.log(p.sd) - _HALF_LOG_2PI
    return np.asarray(logsumexp(each, axis=0), dtype=float)


def crps(p: Predictive, y: Array) -> Array:
    """Continuous ranked probability score of ln y (n,): lower is better.

    E|X − y| − ½ E|X − X'| in closed form for mixtures of normals (Grimit et al. 2006, eq. 5).
    """
    w = p.weight
    first = (w[:, None] * _mean_size(y - p.mean, p.sd)).sum(axis=0)
    apart = p.mean[:, None] - p.mean[None]
    together = np.sqrt(p.sd[:, None] ** 2 + p.sd[None] ** 2)
    pairs = (w[:, None] * w[None])[..., None]
    return np.asarray(first - 0.5 * (pairs * _mean_size(apart, together)).sum(axis=(0, 1)))


def _mean_size(mean: Array, sd: Array) -> Array:
    """E|X| of normals."""
    z = mean / sd
    with np.errstate(under="ignore"):
        density = np.exp(-0.5 * z**2 - _HALF_LOG_2PI)
    return np.asarray(2.0 * sd * density + mean * (2.0 * ndtr(z) - 1.0), dtype=float)


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
