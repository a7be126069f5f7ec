"""Baselines that share nothing with unsl_tracking's solver, to show that ours are no straw men."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares, minimize
from scipy.special import expit, logsumexp

from benchmarks.accuracy.tables import COMPANION, VALUE, Problem

Array = NDArray[np.float64]

# Hoffmann et al. (arXiv 2203.15556, section D.2): the grid of starts and Huber's delta.
_EXPONENTS = (0.0, 0.5, 1.0, 1.5, 2.0)
_LOG_SCALES = (0.0, 5.0, 10.0, 15.0, 20.0, 25.0)
_LOG_LIMITS = (-1.0, -0.5, 0.0, 0.5, 1.0)
_DELTA = 1e-3
_GRID = 4500  # starts whose objective is evaluated: all of them on two axes
_STEPS = 1000  # never reached on measurements; ends a crawl along a flat valley
_POLISHED = 40  # of them that L-BFGS-B minimises from: those with the lowest objective


def last_value(problem: Problem) -> Array:
    """The value at the largest point seen, for ever."""
    last = int(np.argmax(problem.log_size(problem.train)))
    return np.full(len(problem.test), np.log(problem.train[VALUE].iloc[last]))


def chinchilla(problem: Problem) -> Array | None:
    """E + Σ_j A_j x_j^-α_j by Hoffmann et al.'s approach 3, on any number of axes above one."""
    if len(problem.axes) < 2 or problem.scale != problem.axes:
        return None
    x, ln_y = problem.log_x(problem.train), np.log(problem.train[VALUE].to_numpy(dtype=float))
    starts = _starts(x.shape[1])
    order = np.argsort(_screen(starts, x, ln_y), kind="stable")
    fits = [
        minimize(
            _objective, s, args=(x, ln_y), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}
        )
        for s in starts[order[:_POLISHED]]
    ]
    best = min(fits, key=lambda f: float(f.fun))
    return _log_law(np.asarray(best.x), problem.log_x(problem.test))[0]


def _starts(axes: int) -> Array:
    """Grid of (e, a_1, α_1, a_2, α_2, …), thinned at random beyond `_GRID` points."""
    per_axis = list(product(_LOG_SCALES, _EXPONENTS))
    total = len(_LOG_LIMITS) * len(per_axis) ** axes
    rng = np.random.default_rng(0)
    kept = np.arange(total) if total <= _GRID else rng.choice(total, _GRID, replace=False)
    shape = (len(_LOG_LIMITS), *[len(per_axis)] * axes)
    index = np.stack(np.unravel_index(kept, shape), axis=1)
    terms = np.array(per_axis)[index[:, 1:]].reshape(len(kept), -1)
    return np.concatenate([np.array(_LOG_LIMITS)[index[:, :1]], terms], axis=1)


def _log_law(theta: Array, x: Array) -> tuple[Array, Array]:
    """ln of the law (n,) and its Jacobian (n, p)."""
    terms = np.concatenate([np.full((len(x), 1), theta[0]), theta[1::2] - theta[2::2] * x], axis=1)
    total = logsumexp(terms, axis=1)
    share = np.exp(terms - total[:, None])
    jac = np.empty((len(x), len(theta)))
    jac[:, 0], jac[:, 1::2], jac[:, 2::2] = share[:, 0], share[:, 1:], -share[:, 1:] * x
    return total, jac


def _screen(starts: Array, x: Array, ln_y: Array) -> Array:
    """Huber's loss (s,) of many starts at once."""
    total = np.broadcast_to(starts[:, :1], (len(starts), len(x)))
    for j in range(x.shape[1]):
        total = np.logaddexp(
            total, starts[:, 1 + 2 * j, None] - starts[:, 2 + 2 * j, None] * x[:, j]
        )
    size = np.abs(total - ln_y)
    inside = np.minimum(size, _DELTA)
    return np.asarray((inside * (size - 0.5 * inside)).sum(axis=1), dtype=float)


def _objective(theta: Array, x: Array, ln_y: Array) -> tuple[float, Array]:
    """Huber's loss of the residuals of ln y, and its gradient."""
    total, jac = _log_law(theta, x)
    residual = total - ln_y
    inside = np.clip(residual, -_DELTA, _DELTA)
    # Not a matrix product: threads of BLAS cost more than these few numbers.
    return float((inside * (residual - 0.5 * inside)).sum()), (inside[:, None] * jac).sum(axis=0)


def sigmoid_of_loss(problem: Problem) -> Array | None:
    """Two steps: the companion loss by Chinchilla's law, the error as a sigmoid of that loss.

    error = low + (high − low) σ(k (loss − middle)), least squares on the training part, as in the
    downstream forecasts of arXiv 2407.21783 (section 3.2.1).
    """
    if COMPANION not in problem.train or len(problem.axes) < 2:
        return None
    loss = problem.train[COMPANION].to_numpy(dtype=float)
    error = problem.train[VALUE].to_numpy(dtype=float)
    as_value = {VALUE: problem.train[COMPANION]}
    of_loss = chinchilla(
        Problem(
            problem.source,
            problem.domain,
            problem.name,
            problem.axes,
            problem.train.assign(**as_value),
            problem.test,
        )
    )
    if of_loss is None:
        return None
    return _sigmoid(_fit_sigmoid(loss, error), np.exp(of_loss))


def _sigmoid(theta: Array, loss: Array) -> Array:
    """ln of the error (n,), theta = (low, span, ln k, middle)."""
    low, span, ln_k, middle = theta
    error = low + span * expit(np.exp(ln_k) * (loss - middle))
    return np.asarray(np.log(np.maximum(error, 1e-6)), dtype=float)


def _fit_sigmoid(loss: Array, error: Array) -> Array:
    starts = [
        np.array([0.5 * error.min(), error.max(), np.log(k), m])
        for k, m in product((0.5, 1.5, 4.0), np.quantile(loss, [0.0, 0.25, 0.5, 0.75]))
    ]
    low, high = np.array([0.0, 0.0, -4.0, 0.0]), np.array([1.0, 1.0, 4.0, 12.0])

    def residuals(theta: Array) -> Array:
        return np.asarray(np.exp(_sigmoid(theta, loss)) - error, dtype=float)

    begin = [np.clip(s, low + 1e-6, high - 1e-6) for s in starts]
    fits = [least_squares(residuals, s, bounds=(low, high)) for s in begin]
    return np.asarray(min(fits, key=lambda f: float(f.cost)).x, dtype=float)
