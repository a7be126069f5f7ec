"""Batched Levenberg-Marquardt: many starts of robust MAP problems, one linear solve a step.

Minimises, for every row θ of a batch (B, p),

    cost(θ) = Σ_i w_i ρ(r_i / σ) + ½ Σ_j ((θ_j − μ_j)/τ_j)²      r_i = ln ŷ_i(θ) − ln y_i

with Huber's ρ (quadratic up to `HUBER` standard deviations, linear beyond). The steps solve
(JᵀWJ/σ² + diag(1/τ²) + λ s diag(1/τ²)) δ = −g with W the weights of iteratively reweighted least
squares and s the geometric mean of τ² times the diagonal of the first two terms: steps are bounded
in units of the prior. Marquardt's own scaling, that diagonal itself, needs several times the steps
in the curved valleys of broken laws. λ falls by 5 after a success and rises by 3 after a failure.
Rows that have converged leave the batch.

The rows of a batch may be starts of one problem or of several that share form and points but not
weights, noise or prior: a weight of zero hides a point. Fits of one form to many parts of a table
(windows, rolling origins) are small, so one batch of them all costs little more than one of them.

Plain NumPy: the batches are small (≤ 200 rows × a few hundred points), where an array-API layer for
accelerators costs more in dispatch than a GPU returns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unsl_tracking.law import Form, evaluate

Array = NDArray[np.float64]

HUBER = 1.345  # 95% efficiency at the normal distribution (Huber, Robust Statistics, 1981)
_FIRST_DAMPING = 1e-2
_DAMPING_RANGE = (1e-9, 1e9)
_FALL, _RISE = 5.0, 3.0
# Multiplications below which OpenBLAS works on the calling thread. Threads would gain little on
# matrices this small, and wait for each other for milliseconds where other work keeps cores busy.
_LARGEST_PRODUCT = 4 * 65536


@dataclass(frozen=True)
class Problem:
    """Data (n points, m axes) and a Gaussian prior (p parameters) for one form.

    `weight` multiplies each point's share of the cost, `sigma` is the residual standard deviation
    in ln y. Each is one for all rows of a batch or has a row per row of it: `weight` (n,) or
    (B, n), `sigma` a number, (n,) or (B, 1), `mean` and `sd` (p,) or (B, p).
    """

    form: Form
    log_x: Array
    centre: Array
    ln_y: Array
    weight: Array
    sigma: float | Array
    mean: Array
    sd: Array

    def rows(self, rows: NDArray[np.intp]) -> Problem:
        """The problem of these rows of the batch."""
        return replace(
            self,
            weight=_rows(self.weight, rows),
            sigma=_rows(self.sigma, rows),
            mean=_rows(self.mean, rows),
            sd=_rows(self.sd, rows),
        )


class Solution(NamedTuple):
    """Rows in the order of the starts. `steps` counts the linear solves."""

    theta: Array  # (B, p)
    cost: Array  # (B,)
    converged: NDArray[np.bool_]  # (B,)
    steps: int


def solve(problem: Problem, starts: Array, *, steps: int = 60, tolerance: float = 1e-7) -> Solution:
    """Run every start (B, p) until its cost falls by less than `tolerance`, or `steps` steps."""
    theta = np.array(starts, dtype=float)
    cost, gradient, hessian = _linearise(problem, theta)
    damping = np.full(len(theta), _FIRST_DAMPING)
    active = np.isfinite(cost)
    converged = np.zeros(len(theta), dtype=bool)
    taken = 0
    rows = np.flatnonzero(active)
    part = problem.rows(rows)
    while len(rows) and taken < steps:
        trial = theta[rows] + _step(part.sd, gradient[rows], hessian[rows], damping[rows])
        new_cost, new_gradient, new_hessian = _linearise(part, trial)
        better = new_cost < cost[rows]
        good, bad = rows[better], rows[~better]
        gain = cost[good] - new_cost[better]
        converged[good] = gain <= tolerance * (1.0 + new_cost[better])
        theta[good], cost[good] = trial[better], new_cost[better]
        gradient[good], hessian[good] = new_gradient[better], new_hessian[better]
        damping[good] = np.maximum(damping[good] / _FALL, _DAMPING_RANGE[0])
        damping[bad] *= _RISE
        converged[bad] = damping[bad] > _DAMPING_RANGE[1]
        left = ~converged[rows]
        if not left.all():
            rows = rows[left]
            part = problem.rows(rows)
        taken += 1
    return Solution(theta, cost, converged, taken)


def one_step(problem: Problem, theta: Array) -> tuple[Array, Array, Array]:
    """One step (B, p) from rows near their optimum; the cost (B,) and the Hessian before it."""
    cost, gradient, hessian = _linearise(problem, theta)
    damping = np.full(len(theta), _FIRST_DAMPING)
    return theta + _step(problem.sd, gradient, hessian, damping), cost, hessian


def cost_of(problem: Problem, theta: Array, ln_y: Array) -> Array:
    """The cost (B,) of parameters whose ln y (B, n) is known already; inf where it overflows."""
    with np.errstate(over="ignore", invalid="ignore"):
        size = np.abs((ln_y - problem.ln_y) / np.asarray(problem.sigma))
        quadratic = np.minimum(size, HUBER)
        cost = (problem.weight * quadratic * (size - 0.5 * quadratic)).sum(1)
        cost += 0.5 * (((theta - problem.mean) / problem.sd) ** 2).sum(1)
    return np.where(np.isfinite(cost), cost, np.inf)


def gauss_newton(problem: Problem, theta: Array) -> Array:
    """Gauss-Newton Hessian (B, p, p) of the cost, prior included."""
    return _linearise(problem, theta)[2]


def _rows(value: float | Array, rows: NDArray[np.intp]) -> Array:
    array = np.asarray(value, dtype=float)
    return array[rows] if array.ndim == 2 else array


def _linearise(problem: Problem, theta: Array) -> tuple[Array, Array, Array]:
    """Cost (B,), gradient (B, p) and Gauss-Newton Hessian (B, p, p)."""
    ln_y, jac = evaluate(problem.form, theta, problem.log_x, problem.centre)
    with np.errstate(over="ignore", invalid="ignore"):
        inverse_sigma = 1.0 / np.asarray(problem.sigma)
        residual = (ln_y - problem.ln_y) * inverse_sigma
        size = np.abs(residual)
        quadratic = np.minimum(size, HUBER)
        pull = (theta - problem.mean) / problem.sd
        cost = (problem.weight * quadratic * (size - 0.5 * quadratic)).sum(1)
        cost += 0.5 * (pull**2).sum(1)
        irls = problem.weight * (HUBER / np.maximum(size, HUBER)) * inverse_sigma
        across = jac.swapaxes(1, 2)
        gradient = np.matmul(across, (irls * residual)[..., None])[..., 0] + pull / problem.sd
        hessian = _products(across, jac * (irls * inverse_sigma)[..., None])
    p = theta.shape[1]
    hessian[:, range(p), range(p)] += 1.0 / problem.sd**2
    return np.where(np.isfinite(cost), cost, np.inf), gradient, hessian


def _products(left: Array, right: Array) -> Array:
    """left (B, p, n) @ right (B, n, p), a few points at a time so that BLAS starts no threads."""
    _, p, n = left.shape
    chunk = max(_LARGEST_PRODUCT // p**2, 1)
    total = np.matmul(left[:, :, :chunk], right[:, :chunk])
    for at in range(chunk, n, chunk):
        total += np.matmul(left[:, :, at : at + chunk], right[:, at : at + chunk])
    return np.asarray(total, dtype=float)


def _step(sd: Array, gradient: Array, hessian: Array, damping: Array) -> Array:
    p = gradient.shape[1]
    curvature = np.log(np.diagonal(hessian, axis1=1, axis2=2) * sd**2)  # never below 0: the prior's
    typical = np.exp(curvature.mean(axis=1))
    damped = hessian.copy()
    damped[:, range(p), range(p)] += (damping * typical)[:, None] / sd**2
    return np.asarray(-np.linalg.solve(damped, gradient[..., None])[..., 0], dtype=float)
