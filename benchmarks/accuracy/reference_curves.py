"""The published procedures for curves, written anew from their descriptions: how long they take.

`M4` of Alabdulmohsin et al. (arXiv 2209.06640, section 4 and its released settings): alternate
between non-negative least squares for (ln β, c, α) and steps on the limits (a, M).
`BNSL` of Caballero et al. (arXiv 2210.14891, appendix, and the released grid): evaluate a grid of
163,840 parameter vectors one by one, polish the best by `curve_fit`.

Both take seconds per curve, so they run only when asked for by name or by `--slow`. They stand for
the procedures' cost; released grids are made for the released examples, so take the accuracy of the
two laws from `M4` and `BNSL`.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeWarning, brute, curve_fit, nnls

from benchmarks.accuracy.tables import VALUE, Problem

Array = NDArray[np.float64]

_MARGIN = 1e-3  # of the limits from the observed values
_GRADIENT_ROUNDS, _GRADIENT_STEPS, _GRADIENT_RATE = 100, 1000, 1e-8
_NEWTON_STEPS, _NEWTON_RATE = 100, 0.1
_MOST_ROUNDS, _STOP = 10_000, 1e-10
_BISECTIONS = 60


@dataclass
class _M4:
    """(y − a)/(M − y)^α = β x^−c: low is a, high is M."""

    low: float
    high: float
    log_beta: float = 0.0
    c: float = 0.0
    alpha: float = 0.0

    def regress(self, log_x: Array, y: Array) -> None:
        design = np.stack([np.ones_like(y), -log_x, np.log(self.high - y)], axis=1)
        found, _ = nnls(design, np.log(y - self.low))
        self.log_beta, self.c, self.alpha = map(float, found)

    def move_limits(self, log_x: Array, y: Array, *, newton: bool) -> None:
        """Steps on a and M down ½ mean(r²), r the difference of the logs of both sides."""
        line = self.log_beta - self.c * log_x
        for _ in range(_NEWTON_STEPS if newton else _GRADIENT_STEPS):
            below, above = y - self.low, self.high - y
            r = np.log(below) - self.alpha * np.log(above) - line
            down = np.array([-np.mean(r / below), -self.alpha * np.mean(r / above)])
            if newton:
                bend = np.array(
                    [
                        np.mean((1.0 - r) / below**2),
                        self.alpha * np.mean((self.alpha + r) / above**2),
                    ]
                )
                step = _NEWTON_RATE * down / np.where(np.abs(bend) > 1e-5, bend, np.inf)
            else:
                step = _GRADIENT_RATE * down
            self.low = float(np.clip(self.low - step[0], 0.0, y.min() - _MARGIN))
            self.high = max(float(self.high - step[1]), y.max() + _MARGIN)

    def predict(self, log_x: Array) -> Array:
        """y (n,) by bisection between the limits."""
        line = self.log_beta - self.c * log_x
        low, high = np.full_like(line, self.low), np.full_like(line, self.high)
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            left = np.log(np.maximum(middle - self.low, 1e-300))
            left -= self.alpha * np.log(np.maximum(self.high - middle, 1e-300))
            low, high = np.where(left < line, middle, low), np.where(left < line, high, middle)
        return np.asarray(0.5 * (low + high))


def m4(problem: Problem) -> Array | None:
    """ln of M4's forecast (n,)."""
    if len(problem.axes) != 1:
        return None
    log_x = problem.log_x(problem.train)[:, 0]
    y = problem.train[VALUE].to_numpy(dtype=float)
    law = _M4(low=max(y.min() - _MARGIN, 0.0), high=max(1.0, y.max() + _MARGIN))
    for k in range(_MOST_ROUNDS):
        before = law.log_beta
        law.regress(log_x, y)
        law.move_limits(log_x, y, newton=k >= _GRADIENT_ROUNDS)
        if k > _GRADIENT_ROUNDS + 1 and abs(np.exp(law.log_beta) - np.exp(before)) < _STOP:
            break
    return np.asarray(np.log(law.predict(problem.log_x(problem.test)[:, 0])), dtype=float)


def bnsl(problem: Problem) -> Array | None:
    """ln of the forecast (n,) of a power law with one break. x is measured from the smallest."""
    if len(problem.axes) != 1:
        return None
    log_x = problem.log_x(problem.train)[:, 0]
    x, ahead = np.exp(log_x - log_x.min()), np.exp(problem.log_x(problem.test)[:, 0] - log_x.min())
    y = problem.train[VALUE].to_numpy(dtype=float)
    target = np.log1p(y)

    def at(p: Array) -> float:
        a, b, c0, c1, d1, f1 = p
        value = _broken(x, a, 1.25**b - 0.9, c0, c1, 1.25**d1 - 0.9, f1)
        return float(np.mean((np.log1p(value) - target) ** 2))

    grid = (
        slice(0.0, 1.0, 0.1),
        slice(0.0, 40.0, 2.5),
        slice(0.0, 1.0, 0.25),
        slice(0.0, 1.0, 0.25),
        slice(0.0, 40.0, 2.5),
        slice(0.0, 1.0, 0.25),
    )
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", OptimizeWarning)  # about a covariance that nobody asks for
        a, b, c0, c1, d1, f1 = np.asarray(brute(at, grid, finish=None))
        begin = (a, 1.25**b - 0.9, c0, c1, 1.25**d1 - 0.9, f1)
        try:
            found, _ = curve_fit(_log_broken, x, target, p0=begin, maxfev=100_000)
        except RuntimeError:  # no convergence: the grid's best is the answer
            found = np.array(begin)
        forecast = _broken(ahead, *found)
    return np.asarray(np.log(np.maximum(np.nan_to_num(forecast), 1e-6)), dtype=float)


def _broken(x: Array, a: float, b: float, c0: float, c1: float, d1: float, f1: float) -> Array:
    return np.asarray(a + b * x**-c0 * (1.0 + (x / d1) ** (1.0 / f1)) ** (-c1 * f1))


def _log_broken(x: Array, a: float, b: float, c0: float, c1: float, d1: float, f1: float) -> Array:
    return np.asarray(np.log1p(np.maximum(_broken(x, a, b, c0, c1, d1, f1), -0.999)))
