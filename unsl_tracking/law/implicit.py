"""M4 of Alabdulmohsin et al. (arXiv 2209.06640, table 1): (y − a)/(M − y)^α = β x^−c, solved for y.

Written with y = (a + M e^t)/(1 + e^t), i.e. y − a = (M − a) σ(t) and M − y = (M − a) σ(−t), the
equation becomes

    g(t) = ln σ(t) − α ln σ(−t) = b − c z − ln(M − a)        b = ln β + α ln(M − a)

The parameter is b rather than ln β: it is what ln(y − a) would be at the centre without the
ceiling, so it moves with the unit of the metric as every other ln of a term does, whatever α.

As g increases, with g' between min(1, α) and max(1, α), Newton's method from either asymptote
(t for t → −∞, α t for t → ∞) converges without a safeguard. Derivatives follow from the implicit
function theorem. To keep M > a whatever the parameters, M is measured from a: M = a + e^{ln_M}.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_NEWTON_STEPS = 60
_TOLERANCE = 1e-14
_LOG_WARP_BOUND = 20.0


def implicit_sigmoid(theta: Array, z: Array, jac: Array) -> Array:
    """ln y (B, n) for theta = (b, c, ln a, ln(M − a), ln α), z (n,); fills `jac` (B, n, 5)."""
    beta, c, ln_a, ln_span, ln_warp = (theta[:, i : i + 1] for i in range(5))
    warp = np.exp(np.clip(ln_warp, -_LOG_WARP_BOUND, _LOG_WARP_BOUND))
    inside = np.abs(ln_warp) < _LOG_WARP_BOUND
    target = beta - c * z - ln_span
    t = _solve(target, warp)

    ln_up, ln_down = _log_sigmoid(t), _log_sigmoid(-t)  # ln σ(t), ln σ(−t)
    slope = np.exp(ln_down) + warp * np.exp(ln_up)  # g'(t)
    # y = a + span·σ(t): shares of the two parts in y, and d ln σ(t)/dt = σ(−t).
    ln_y = np.logaddexp(ln_a, ln_span + ln_up)
    share = np.exp(ln_span + ln_up - ln_y)
    by_target = share * np.exp(ln_down) / slope
    jac[..., 0] = by_target
    jac[..., 1] = -by_target * z
    jac[..., 2] = np.exp(ln_a - ln_y)
    jac[..., 3] = share - by_target
    jac[..., 4] = np.where(inside, by_target * warp * ln_down, 0.0)
    return np.asarray(ln_y, dtype=float)


def _solve(target: Array, warp: Array) -> Array:
    t = np.where(target < 0.0, target, target / warp)
    for _ in range(_NEWTON_STEPS):
        value = _log_sigmoid(t) - warp * _log_sigmoid(-t) - target
        step = value / (_sigmoid(-t) + warp * _sigmoid(t))
        t = t - step
        if np.all(np.abs(step) <= _TOLERANCE * (1.0 + np.abs(t))):
            break
    return t


def _log_sigmoid(t: Array) -> Array:
    return np.minimum(t, 0.0) - np.log1p(np.exp(-np.abs(t)))


def _sigmoid(t: Array) -> Array:
    return np.exp(_log_sigmoid(t))
