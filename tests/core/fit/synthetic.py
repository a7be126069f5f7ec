"""Points and tables whose law is known, for the tests of the fit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unsl_tracking.fit import Points
from unsl_tracking.fit.prior import DataSummary, prior
from unsl_tracking.law import Form, log_value

Array = NDArray[np.float64]


def sizes(n: int, axes: int, seed: int = 0) -> Array:
    """log_x (n, axes): evenly spread on one axis, a random cloud over 8 e-folds on several."""
    if axes == 1:
        return np.linspace(0.0, 8.0, n)[:, None]
    return np.random.default_rng(seed).uniform(0.0, 8.0, (n, axes))


def points(log_x: Array, ln_y: Array, axes: tuple[str, ...] | None = None) -> Points:
    """Equal weights; every axis is a scale axis."""
    n, m = log_x.shape
    names = axes or ("params", "tokens", "unique")[:m]
    return Points(names, log_x, ln_y, np.ones(n), np.ones(m, dtype=bool))


def drawn_from(form: Form, theta: Array, n: int = 60, noise: float = 0.0, seed: int = 0) -> Points:
    """Points of the form at theta (p,)."""
    log_x = sizes(n, len(form.axes), seed)
    ln_y = log_value(form, theta[None], log_x, log_x.mean(axis=0))[0]
    ln_y = ln_y + noise * np.random.default_rng(seed + 1).normal(size=n)
    return points(log_x, ln_y, form.axes)


def typical(form: Form, seed: int = 0) -> Array:
    """A parameter vector that the prior finds likely, with terms of comparable size."""
    summary = DataSummary(lowest=0.0, highest=1.0, middle=0.5, z_range=(-4.0, 4.0))
    mean, sd = prior(form, summary)
    theta = mean + 0.3 * sd * np.random.default_rng(seed).normal(size=len(mean))
    for j, parameter in enumerate(form.parameters):
        if parameter.kind in ("exponent", "slope_change"):
            theta[j] = abs(theta[j]) + 0.1
        if parameter.kind == "rising_exponent":
            theta[j] = -abs(theta[j]) - 0.1
    return theta
