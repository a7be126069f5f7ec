"""One form fitted to one set of points: MAP parameters, their covariance, the residual noise.

The noise level and the parameters are estimated in turn: Levenberg-Marquardt at a guessed scale, a
robust scale of the residuals, and again. Every round goes on with fewer starts and takes more care:
most starts show within a few steps that they lead nowhere. The covariance is Laplace's, the inverse
of the Gauss-Newton Hessian of the negative log posterior, widened where residuals of neighbouring
points resemble each other: with lag-one autocorrelation r, n points are worth n(1 − r)/(1 + r) of
them (Bartlett 1946, for a first-order autoregression).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unsl_tracking.fit.levenberg_marquardt import Problem, gauss_newton, solve
from unsl_tracking.fit.points import Mask, Points
from unsl_tracking.fit.prior import DataSummary, PriorSettings, prior, starts
from unsl_tracking.law import Form, evaluate, log_value

Array = NDArray[np.float64]


class _Round(NamedTuple):
    """How many steps the solver may take, when it stops, how many starts go on."""

    steps: int
    tolerance: float
    kept: int


# The last rounds let noise and parameters settle, so that a fit that starts from its own result
# stays there.
_ROUNDS = (
    _Round(12, 1e-3, 6),
    _Round(20, 1e-5, 3),
    _Round(50, 1e-7, 1),
    _Round(30, 1e-7, 1),
    _Round(30, 1e-7, 1),
)
_FIRST_ROUND_POINTS = 200  # as many tell a good start from a bad one
_BATCHED_POINTS = 250  # above, hidden points cost more than fitting the parts together saves
_FIRST_SIGMA = 0.1  # of the spread of ln y, until there are residuals
_PRIOR_SIGMA, _PRIOR_COUNT = 0.003, 1.0  # no benchmark repeats to better than 0.3%
_CLIP = 2.5  # robust standard deviations beyond which a residual says nothing about the noise
_MAD = 0.6745  # median absolute deviation of a standard normal
_LOOSE = 0.7  # of the prior's standard deviation: half of its variance is left
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
        """Names of parameters that the data left about as open as the prior did."""
        posterior_sd = np.sqrt(np.diag(self.covariance))
        loose = posterior_sd > _LOOSE * self.prior_sd
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
        warm: parameter vectors (w, p) to start from as well.
        settings: hyperparameters of the prior.
    """
    centre = points.centre if centre is None else centre
    seen = np.ones((1, len(points)), dtype=bool)
    warm = None if warm is None else warm[None]
    return _fit_together(form, points, seen, centre, seed, n_starts, warm, settings)[0]


def fit_components(
    form: Form,
    points: Points,
    seen: Mask,
    *,
    centre: Array,
    seed: int = 0,
    n_starts: int = 16,
    warm: Array | None = None,
    settings: PriorSettings | None = None,
) -> list[Component]:
    """Fit one form to several parts of the points, each as if the rest were not there.

    `seen` (k, n) marks the points of each part, at least one; `warm` is (k, w, p). The other
    arguments are those of `fit_component`, which gives the same results one by one, slower.
    """
    if len(points) <= _BATCHED_POINTS:
        return _fit_together(form, points, seen, centre, seed, n_starts, warm, settings)
    return [
        fit_component(
            form,
            points[part],
            centre=centre,
            seed=seed,
            n_starts=n_starts,
            warm=None if warm is None else warm[k],
            settings=settings,
        )
        for k, part in enumerate(seen)
    ]


def _fit_together(
    form: Form,
    points: Points,
    seen: Mask,
    centre: Array,
    seed: int,
    n_starts: int,
    warm: Array | None,
    settings: PriorSettings | None,
) -> list[Component]:
    priors = [
        prior(form, DataSummary.of(points.log_x[part] - centre, points.ln_y[part]), settings)
        for part in seen
    ]
    theta = np.stack([starts(*p, n_starts, np.random.default_rng(seed)) for p in priors])
    if warm is not None:
        theta = np.concatenate([warm, theta], axis=1)
    mean, sd = (np.stack(each) for each in zip(*priors, strict=True))
    spread = np.array([float(np.std(points.ln_y[part])) for part in seen])
    sigma = np.maximum(_FIRST_SIGMA * spread, _PRIOR_SIGMA)
    weight = points.weight * seen
    problem = Problem(form, points.log_x, centre, points.ln_y, weight, sigma, mean, sd)
    for number, each in enumerate(_ROUNDS):
        posed = replace(problem, sigma=sigma[:, None])
        posed = _thinned(posed, points) if number == 0 else posed
        theta, cost, converged = _one_round(posed, theta, each)
        residuals = log_value(form, theta[:, 0], points.log_x, centre) - points.ln_y
        if number < len(_ROUNDS) - 1:
            sigma = np.array(
                [noise_of(r[s], points.weight[s]) for r, s in zip(residuals, seen, strict=True)]
            )
    hessians = gauss_newton(replace(problem, sigma=sigma[:, None]), theta[:, 0])
    return [
        Component(
            form=form,
            theta=theta[k, 0],
            covariance=covariance_of(
                hessians[k], sd[k], inflation_of(residuals[k][s], points.size[s])
            ),
            sigma=float(sigma[k]),
            centre=centre,
            prior_sd=sd[k],
            cost=float(cost[k, 0]),
            converged=bool(converged[k, 0]),
        )
        for k, s in enumerate(seen)
    ]


def _one_round(
    problem: Problem, theta: Array, each: _Round
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Solve from starts (k, s, p); of each of the k problems the best `kept`, lowest cost first."""
    k, s, p = theta.shape
    owner = np.repeat(np.arange(k), s)
    found = solve(
        problem.rows(owner), theta.reshape(-1, p), steps=each.steps, tolerance=each.tolerance
    )
    cost = found.cost.reshape(k, s)
    best = np.argsort(cost, axis=1, kind="stable")[:, : each.kept]
    take = (np.arange(k)[:, None], best)
    return found.theta.reshape(k, s, p)[take], cost[take], found.converged.reshape(k, s)[take]


def _thinned(problem: Problem, points: Points) -> Problem:
    """The problem on some points only, evenly spread over the sizes."""
    if len(points) <= _FIRST_ROUND_POINTS:
        return problem
    order = np.lexsort((*points.log_x.T, points.ln_y, points.size))
    chosen = order[np.linspace(0, len(order) - 1, _FIRST_ROUND_POINTS).astype(int)]
    return replace(
        problem,
        log_x=problem.log_x[chosen],
        ln_y=problem.ln_y[chosen],
        weight=problem.weight[:, chosen],
    )


def noise_of(residuals: Array, weight: Array) -> float:
    """Standard deviation of the residuals of a point of weight 1, outliers clipped."""
    size = np.abs(residuals) * np.sqrt(weight)
    clip = _CLIP * float(np.median(size)) / _MAD + 1e-12
    total = float((np.minimum(size, clip) ** 2).sum()) + _PRIOR_COUNT * _PRIOR_SIGMA**2
    return float(np.sqrt(total / (len(size) + _PRIOR_COUNT)))


def inflation_of(residuals: Array, size: Array) -> float:
    """How many times fewer independent points there are than points."""
    if len(size) < _FEWEST_FOR_AUTOCORRELATION:
        return 1.0
    ordered = residuals[np.argsort(size, kind="stable")]
    ordered = ordered - ordered.mean()
    total = float((ordered**2).sum())
    r = float((ordered[1:] * ordered[:-1]).sum()) / total if total > 0.0 else 0.0
    r = min(max(r, 0.0), _MAX_AUTOCORRELATION)
    return (1.0 + r) / (1.0 - r)


def covariance_of(hessian: Array, prior_sd: Array, inflation: float) -> Array:
    """Inverse of the Hessian whose data part counts 1/inflation as much."""
    units = prior_sd[:, None] * prior_sd  # in units of the prior nothing is badly conditioned
    identity = np.eye(len(prior_sd))
    precision = (hessian * units - identity) / inflation + identity
    covariance = np.linalg.inv(0.5 * (precision + precision.T))
    return np.asarray(0.5 * (covariance + covariance.T) * units, dtype=float)
