"""Laws that the data leave possible: draws from the posterior of a mixture.

A draw is one member, by its weight, with its parameters moved by a draw from their Laplace
covariance, to first order: ln y = f(x) + J(x)·δ, δ ~ N(0, C). That is the distribution whose
variance forecasts are made of. Evaluating the form at θ + δ instead would follow the Laplace normal
to where the data forbid it (a term that is absent may come back e² times as large).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unsl_tracking.fit import Component, Mixture
from unsl_tracking.law import evaluate

Array = NDArray[np.float64]


def mean_ln_y(mixture: Mixture, log_x: Array) -> Array:
    """The weighted mean of members (n,) at log_x (n, m): what a forecast is centred on."""
    return np.asarray(
        sum(m.weight * value_and_jacobian(m.component, log_x)[0] for m in mixture.members)
    )


def value_and_jacobian(component: Component, log_x: Array) -> tuple[Array, Array]:
    """ln y (n,) and d ln y / d θ (n, p) of one member at log_x (n, m)."""
    ln_y, jacobian = evaluate(component.form, component.theta[None], log_x, component.centre)
    return ln_y[0], jacobian[0]


def shares(mixture: Mixture, count: int) -> list[int]:
    """How many of `count` draws each member gets: in proportion to its weight, the rest by size."""
    exact = np.array([m.weight for m in mixture.members]) * count
    whole = np.floor(exact).astype(int)
    most = np.argsort(whole - exact, kind="stable")[: count - int(whole.sum())]
    whole[most] += 1
    return [int(n) for n in whole]


def curves(mixture: Mixture, log_x: Array, count: int, seed: int) -> list[Array]:
    """Draws of ln y at log_x (n, m): for each member the (k, n) that are its share of `count`."""
    rng = np.random.default_rng(seed)
    found = []
    for member, k in zip(mixture.members, shares(mixture, count), strict=True):
        ln_y, jacobian = value_and_jacobian(member.component, log_x)
        normal = rng.normal(size=(k, len(member.component.theta)))
        with np.errstate(under="ignore"):
            found.append(ln_y + normal @ root(member.component.covariance).T @ jacobian.T)
    return found


def root(covariance: Array) -> Array:
    """L (p, p) with L·Lᵀ = covariance, which may be singular: parameters may be known exactly."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)), dtype=float)
