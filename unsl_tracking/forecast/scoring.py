"""Proper scores of a predictive distribution against what came out; everything in ln y.

Symbols: y (n,) the ln of what came out; weight (k,), mean and sd (k, n) of a mixture of normals.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtr

from unsl_tracking.forecast.predictive import Predictive

Array = NDArray[np.float64]

_HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)


def log_score(predictive: Predictive, y: Array) -> Array:
    """Log density of ln y (n,): higher is better."""
    standard = (y - predictive.mean) / predictive.sd
    each = -0.5 * standard**2 - np.log(predictive.sd) - _HALF_LOG_2PI
    weight = predictive.weight[:, None]
    with np.errstate(under="ignore"):
        return np.asarray(logsumexp(each, axis=0, b=np.broadcast_to(weight, each.shape)))


def crps(predictive: Predictive, y: Array) -> Array:
    """Continuous ranked probability score of ln y (n,): lower is better.

    E|X − y| − ½ E|X − X'|, in closed form for mixtures of normals (Grimit et al. 2006, eq. 5).
    """
    weight, mean, sd = predictive.weight, predictive.mean, predictive.sd
    first = weight @ _mean_size(y - mean, sd)
    apart = mean[:, None] - mean[None]
    together = np.sqrt(sd[:, None] ** 2 + sd[None] ** 2)
    second = np.einsum("i,j,ijn->n", weight, weight, _mean_size(apart, together))
    return np.asarray(first - 0.5 * second, dtype=float)


def _mean_size(mean: Array, sd: Array) -> Array:
    """E|X| of normals."""
    z = mean / sd
    with np.errstate(under="ignore"):
        density = np.exp(-0.5 * z**2 - _HALF_LOG_2PI)
        return np.asarray(2.0 * sd * density + mean * (2.0 * ndtr(z) - 1.0), dtype=float)
