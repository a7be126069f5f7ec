"""Value and analytic Jacobian of ln y for many parameter vectors at once, without overflow.

Shapes and symbols:

    theta   (B, p)  parameter vectors of one form (`Form.parameters` gives the order)
    log_x   (n, m)  ln of the axes, one row per point, columns in the order of `Form.axes`
    centre  (m,)    mean of log_x over the training points; z = log_x − centre
    ln_y    (B, n)  natural log of the metric
    jac     (B, n, p)  d ln_y / d theta

Every layer is combined in log space (sums by logaddexp, the ceiling by reciprocals), so that the
derivative of ln y by the log of each term is that term's share: a number between 0 and 1. Nothing
is exponentiated that can be large, hence nothing overflows for parameters and axes of any sign
between 1e-30 and 1e30.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unsl_tracking.law.form import (
    BrokenPowerLaw,
    Ceiling,
    Form,
    ImplicitSigmoid,
    Limit,
    RepeatedData,
    RepeatedTokens,
    Term,
)
from unsl_tracking.law.implicit import implicit_sigmoid
from unsl_tracking.law.jacobian import empty_jacobian
from unsl_tracking.law.repeated import repeated_data, repeated_tokens

Array = NDArray[np.float64]

# exp(±60) spans 1e±26: a transition narrower or wider than this is a step or a straight line.
_LOG_SHARPNESS_BOUND = 60.0


def evaluate(form: Form, theta: Array, log_x: Array, centre: Array) -> tuple[Array, Array]:
    """ln y (B, n) and its Jacobian (B, n, p) for parameters (B, p) at points (n, m)."""
    with np.errstate(under="ignore"):
        logs, jac = _terms(form, theta, log_x, centre)
        ln_y, shares = _combine(form, logs)
        for where, share in zip(form.slices, shares, strict=True):
            jac[..., where] *= share[..., None]
    return ln_y, jac


def log_value(form: Form, theta: Array, log_x: Array, centre: Array) -> Array:
    """ln y (B, n) alone."""
    return evaluate(form, theta, log_x, centre)[0]


def term_logs(form: Form, theta: Array, log_x: Array, centre: Array) -> list[Array]:
    """ln of every term (B, n), in the order of `form.terms`: what each contributes."""
    with np.errstate(under="ignore"):
        return _terms(form, theta, log_x, centre)[0]


def _combine(form: Form, logs: list[Array]) -> tuple[Array, list[Array]]:
    """Layers R → Q → top. Returns ln y and, for each term, d ln y / d ln term (B, n)."""
    ceiling = next((i for i, t in enumerate(form.terms) if isinstance(t, Ceiling)), None)
    top = [i for i, t in enumerate(form.terms) if _is_top(t)]
    summed = [i for i in range(len(logs)) if i != ceiling and i not in top]

    shares: list[Array] = [np.empty(0)] * len(logs)
    ln_q, r_shares = _log_sum([logs[i] for i in summed])
    if ceiling is not None:
        # 1/Q = 1/R + 1/M, so Q/R and Q/M are the shares and sum to one.
        minus, (by_r, by_m) = _log_sum([-ln_q, -logs[ceiling]])
        ln_q = -minus
        r_shares = [share * by_r for share in r_shares]
        shares[ceiling] = by_m
    ln_y, (q_share, *top_shares) = _log_sum([ln_q, *(logs[i] for i in top)])
    for i, share in zip(summed, r_shares, strict=True):
        shares[i] = share * q_share
    if ceiling is not None:
        shares[ceiling] = shares[ceiling] * q_share
    for i, share in zip(top, top_shares, strict=True):
        shares[i] = share
    return ln_y, shares


def _is_top(term: Term) -> bool:
    return isinstance(term, Limit) or (isinstance(term, BrokenPowerLaw) and term.layer == "overfit")


def _log_sum(logs: list[Array]) -> tuple[Array, list[Array]]:
    """ln Σ exp(logs) and each one's share of the sum."""
    if len(logs) == 1:
        return logs[0], [np.ones_like(logs[0])]
    highest = np.maximum(logs[0], logs[1])
    for log in logs[2:]:
        np.maximum(highest, log, out=highest)
    shares = [np.exp(log - highest) for log in logs]
    total = shares[0] + shares[1]
    for share in shares[2:]:
        total += share
    for share in shares:
        share /= total
    highest += np.log(total)
    return highest, shares


def _terms(form: Form, theta: Array, log_x: Array, centre: Array) -> tuple[list[Array], Array]:
    """ln of every term (B, n), and their Jacobians (B, n, q) side by side in one (B, n, p)."""
    z = log_x - centre
    jac = empty_jacobian((len(theta), len(z)), theta.shape[1])
    logs = [
        _term(form, term, theta[:, where], z, centre, jac[..., where])
        for term, where in zip(form.terms, form.slices, strict=True)
    ]
    return logs, jac


def _term(form: Form, term: Term, theta: Array, z: Array, centre: Array, jac: Array) -> Array:
    """ln of one term (B, n); its Jacobian by its own parameters theta (B, q) goes into `jac`."""
    columns = [form.axes.index(axis) for axis in term.axes]
    z = z[:, columns]
    match term:
        case BrokenPowerLaw():
            return _broken_power_law(term, theta, z, jac)
        case Ceiling():
            jac[..., 0] = 1.0
            jac[..., 1:] = -z
            return np.asarray(theta[:, :1] - theta[:, 1:] @ z.T, dtype=float)
        case Limit():
            jac[...] = 1.0
            return np.broadcast_to(theta, (len(theta), len(z)))
        case RepeatedTokens():
            # unique tokens must be measured from the centre of tokens: their ratio matters.
            shift = centre[columns[0]] - centre[columns[1]]
            return repeated_tokens(theta, z[:, 0], z[:, 1] - shift, jac)
        case RepeatedData():
            shift = centre[columns[1]] - centre[columns[2]]
            # unique tokens must be measured from the centre of tokens: their ratio matters.
            return repeated_data(theta, z[:, 0], z[:, 1], z[:, 2] - shift, jac)
        case ImplicitSigmoid():
            return implicit_sigmoid(theta, z[:, 0], jac)


def _broken_power_law(term: BrokenPowerLaw, theta: Array, z: Array, jac: Array) -> Array:
    """See `BrokenPowerLaw`; parameters in the order of `BrokenPowerLaw.parameters`."""
    m = len(term.axes)
    ln_k: Array = theta[:, :1] - theta[:, 1 : 1 + m] @ z.T
    jac[..., 0] = 1.0
    jac[..., 1 : 1 + m] = -z
    at = 1 + m
    for _ in range(term.breaks):
        at = _add_break(ln_k, jac, theta, z, at)
    if term.saturating:
        # slope change −α with sharpness 1: (1/x + γ)^α, flat beyond the break.
        soft, slope, _ = _softplus(z.T - theta[:, at : at + 1])
        alpha = theta[:, 1:2]
        ln_k += alpha * soft
        jac[..., 1] += soft
        jac[..., at] = -alpha * slope
    return ln_k


def _add_break(ln_k: Array, jac: Array, theta: Array, z: Array, at: int) -> int:
    """Subtract γ f softplus(u/f) with u = w·z − δ, in place; where the next break starts."""
    m = z.shape[1]
    directed = m > 1
    projected = theta[:, at : at + m] @ z.T if directed else z.T
    d = at + m if directed else at
    delta, gamma, ln_f = (theta[:, d + i : d + i + 1] for i in range(3))
    f = np.exp(np.clip(ln_f, -_LOG_SHARPNESS_BOUND, _LOG_SHARPNESS_BOUND))
    soft, slope, entropy = _softplus((projected - delta) / f)
    soft *= f
    slope *= gamma
    ln_k -= gamma * soft
    jac[..., d] = slope
    if directed:
        np.negative(slope, out=slope)
        for j in range(m):  # the points of one parameter are neighbours, those of one axis too
            np.multiply(slope, z[:, j], out=jac[..., at + j])
    np.negative(soft, out=jac[..., d + 1])
    inside = np.abs(ln_f) < _LOG_SHARPNESS_BOUND
    # d/d ln f of f·softplus(u/f) = f·(softplus(v) − v·sigmoid(v)): the entropy of the sigmoid.
    np.multiply(entropy, np.where(inside, -gamma * f, 0.0), out=jac[..., d + 2])
    return d + 3


def _softplus(v: Array) -> tuple[Array, Array, Array]:
    """softplus, its derivative (the sigmoid), and the entropy softplus(v) − v·sigmoid(v).

    The entropy is even in v; written in |v| nothing large cancels.
    """
    size = np.abs(v)
    small = np.exp(-size)
    rest = np.log1p(small)
    total = 1.0 + small
    slope = np.where(v >= 0, 1.0, small) / total
    entropy = rest + size * small / total
    return np.maximum(v, 0.0) + rest, slope, entropy
