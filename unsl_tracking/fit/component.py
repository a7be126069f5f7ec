"""One form fitted to one set of points: MAP parameters, their covariance, the residual noise.

The noise level and the parameters are estimated in turn (two rounds): a robust scale of the
residuals, then Levenberg-Marquardt at that scale. The covariance is Laplace's, the inverse of the
Gauss-Newton Hessian of the negative log posterior, widened where residuals of neighbouring points
resemble each other: with lag-one autocorrelation r, n points are worth n(1 − r)/(1 + r) of them
(Bartlett 1946, for a first-order autoregression).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unsl_tracking.fit.levenberg_marquardt import Problem, Solution, gauss_newton, solve
from unsl_tracking.fit.points import Points
from unsl_tracking.fit.prior import DataSummary, PriorSettings, prior, starts
from unsl_tracking.law import Form, evaluate

Array = NDArray[np.float64]

_ROUNDS = 2
_KEPT = 4  # starts that go on to the next round
_FIRST_SIGMA = 0.1  # of the spread of ln y, until there are residuals
_PRIOR_SIGMA, _PRIOR_COUNT = 0.003, 1.0  # no benchmark repeats to better than 0.3%
_CLIP = 2.5  # robust standard deviations beyond which a residual says nothing about the noise
_MAD = 0.6745  # median absolute deviation of a standard normal
_MAX_AUTOCORRELATION = 0.9
_FEWEST_FOR_AUTOCORRELATION = 8


@dataclass(frozen=True)
class Component:
    """A fitted form. theta (p,), covariance (p, p) of theta, sigma of the residuals in ln y."""

    form: Form
    theta: Array
    covariance: Array
    sigma: float
    centre: Array
    prior_sd: Array
    cost: float
    converged: bool

    def predict(self, log_x: Array) -> tuple[Array, Array]:
        """Mean (n,) and variance (n,) of ln y without noise, by the delta method."""
        ln_y, jac = evaluate(self.form, self.theta[None], log_x, self.centre)
        with np.errstate(under="ignore"):
            variance = np.einsum("np,pq,nq->n", jac[0], self.covariance, jac[0])
        return ln_y[0], np.maximum(variance, 0.0)

    @property
    def unidentified(self) -> list[str]:
        """Names of parameters that the data left where the prior put them."""
        posterior_sd = np.sqrt(np.diag(self.covariance))
        loose = posterior_sd > 0.9 * self.prior_sd
        return [p.name for p, is_loose in zip(self.form.parameters, loose, strict=True) if is_loose]


def fit_component(
    form: Form,
    points: Points,
    *,
    centre: Array | None = None,
    seed: int = 0,
    n_starts: int = 16,
    warm: Array | None = None,
    settings: PriorSettings | None = None,
) -> Component:
    """Fit one form to the points.

    Args:
        form: over the same axes as the points.
        points: at least one.
        centre: where z is zero; the mean of the points where absent.
        seed: of the starts drawn from the prior.
        n_starts: how many.
        warm: parameter vectors (k, p) to start from as well.
        settings: hyperparameters of the prior.
    """
    centre = points.centre if centre is None else centre
    mean, sd = prior(form, DataSummary.of(points.log_x - centre, points.ln_y), settings)
    begin = starts(mean, sd, n_starts, np.random.default_rng(seed))
    if warm is not None:
        begin = np.concatenate([warm, begin])
    sigma = max(_FIRST_SIGMA * float(np.std(points.ln_y)), _PRIOR_SIGMA)
    problem = Problem(form, points.log_x, centre, points.ln_y, points.weight, sigma, mean, sd)
    found = solve(problem, begin, steps=50)
    for _ in range(_ROUNDS):
        sigma = _noise(_residuals(problem, found), points.weight)
        problem = problem.with_sigma(sigma)
        found = solve(problem, found.theta[:_KEPT], steps=30)
    residuals = _residuals(problem, found)
    hessian = gauss_newton(problem, found.theta[:1])[0]
    return Component(
        form=form,
        theta=found.theta[0],
        covariance=_covariance(hessian, sd, _inflation(residuals, points)),
        sigma=sigma,
        centre=centre,
        prior_sd=sd,
        cost=float(found.cost[0]),
        converged=bool(found.converged[0]),
    )


def _residuals(problem: Problem, found: Solution) -> Array:
    ln_y, _ = evaluate(problem.form, found.theta[:1], problem.log_x, problem.centre)
    residuals: Array = ln_y[0] - problem.ln_y
    return residuals


def _noise(residuals: Array, weight: Array) -> float:
    """Standard deviation of the residuals of a point of weight 1, outliers clipped."""
    size = np.abs(residuals) * np.sqrt(weight)
    clip = _CLIP * float(np.median(size)) / _MAD + 1e-12
    total = float((np.minimum(size, clip) ** 2).sum()) + _PRIOR_COUNT * _PRIOR_SIGMA**2
    return float(np.sqrt(total / (len(size) + _PRIOR_COUNT)))


def _inflation(residuals: Array, points: Points) -> float:
    """How many times fewer independent points there are than points."""
    if len(points) < _FEWEST_FOR_AUTOCORRELATION:
        return 1.0
    ordered = residuals[np.argsort(points.size, kind="stable")]
    ordered = ordered - ordered.mean()
    total = float((ordered**2).sum())
    r = float((ordered[1:] * ordered[:-1]).sum()) / total if total > 0.0 else 0.0
    r = min(max(r, 0.0), _MAX_AUTOCORRELATION)
    return (1.0 + r) / (1.0 - r)


def _covariance(hessian: Array, prior_sd: Array, inflation: float) -> Array:
    """Inverse of the Hessian whose data part counts 1/inflation as much."""
    precision = np.diag(1.0 / prior_sd**2)
    return np.asarray(np.linalg.inv((hessian - precision) / inflation + precision), dtype=float)
