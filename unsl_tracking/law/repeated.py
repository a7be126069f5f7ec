"""Muennighoff et al., "Scaling Data-Constrained Language Models" (arXiv 2305.16264, eqs. 5-7).

    A/N'^α + B/D'^β        D' = U·(1 + R_D*·(1 − exp(−(D/U − 1)/R_D*)))
                           N' = U_N·(1 + R_N*·(1 − exp(−(N/U_N − 1)/R_N*)))

U is the number of unique tokens, U_N = min(N, N_opt(U)) the parameters that are compute-optimal for
U tokens seen once. With compute ∝ N·D, minimising A/N^α + B/D^β at fixed compute gives
α A N^−α = β B D^−β, hence ln N_opt = (ln αA − ln βB + β ln U)/α. The formula does not depend on the
units of N and D, so it holds for centred logs as it stands.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_LOG_BOUND = 60.0
_SMALLEST_EXPONENT = 1e-12


def repeated_tokens(theta: Array, d: Array, u: Array, jac: Array) -> Array:
    """ln of the data bottleneck (B, k), theta = (ln B, β, ln R_D*); fills `jac` (B, k, 3)."""
    ln_b, beta, ln_rd = (theta[:, i : i + 1] for i in range(3))
    effective, by_rd = _effective_tokens(ln_rd, d, u)
    ln_k = ln_b - beta * effective
    jac[..., 0] = 1.0
    jac[..., 1] = -effective
    jac[..., 2] = -beta * by_rd
    return np.asarray(ln_k, dtype=float)


def repeated_data(theta: Array, n: Array, d: Array, u: Array, jac: Array) -> Array:
    """ln of the two bottlenecks' sum (B, k); fills the Jacobian `jac` (B, k, 6).

    theta = (ln A, α, ln B, β, ln R_D*, ln R_N*); n, d, u (k,) are ln N, ln D, ln U, of which d and
    u are measured from the same origin.
    """
    ln_a, alpha, ln_b, beta, ln_rd, ln_rn = (theta[:, i : i + 1] for i in range(6))
    effective_d, d_rd = _effective_tokens(ln_rd, d, u)

    # N_opt is defined for positive exponents only; a negative one means "no limit from data".
    a = np.maximum(alpha, _SMALLEST_EXPONENT)
    b = np.maximum(beta, _SMALLEST_EXPONENT)
    optimal = (np.log(a) + ln_a - np.log(b) - ln_b + b * u) / a
    excess = n - optimal
    over = excess > 0.0
    grown, n_rn, n_ex = _saturate(np.where(over, excess, 0.0), ln_rn)
    effective_n = np.where(over, optimal + grown, n)
    by_optimal = np.where(over, 1.0 - n_ex, 0.0)

    first = ln_a - alpha * effective_n
    second = ln_b - beta * effective_d
    total = np.logaddexp(first, second)
    p, q = np.exp(first - total), np.exp(second - total)
    free_a, free_b = alpha > _SMALLEST_EXPONENT, beta > _SMALLEST_EXPONENT
    pull = -p * alpha * by_optimal  # d ln(sum) / d ln N_opt
    jac[..., 0] = p + pull / a
    jac[..., 1] = -p * effective_n + pull * np.where(free_a, (1.0 / a - optimal) / a, 0.0)
    jac[..., 2] = q - pull / a
    jac[..., 3] = -q * effective_d + pull * np.where(free_b, (u - 1.0 / b) / a, 0.0)
    jac[..., 4] = -q * beta * d_rd
    jac[..., 5] = -p * alpha * np.where(over, n_rn, 0.0)
    return np.asarray(total, dtype=float)


def _effective_tokens(ln_rd: Array, d: Array, u: Array) -> tuple[Array, Array]:
    """ln D' (B, k) and its derivative by ln R_D*."""
    gained, by_rd, _ = _saturate(np.maximum(d - u, 0.0) + 0.0 * ln_rd, ln_rd)
    return np.minimum(d, u) + gained, by_rd


def _saturate(excess: Array, ln_r: Array) -> tuple[Array, Array, Array]:
    """s = ln(1 + R(1 − exp(−(e^excess − 1)/R))) and its derivatives by ln R and by excess ≥ 0."""
    inside = np.abs(ln_r) < _LOG_BOUND
    r = np.exp(np.clip(ln_r, -_LOG_BOUND, _LOG_BOUND))
    capped = np.minimum(excess, _LOG_BOUND)
    repeats = np.expm1(capped)
    v = np.minimum(repeats / r, 700.0)
    gained = -np.expm1(-v)  # 1 − e^−v
    worth = 1.0 + r * gained
    # For v → 0 the bracket 1 − e^−v − v e^−v cancels; its series is v²/2 − v³/3 + v⁴/8 − …
    series = v * v * (0.5 - v * (1.0 / 3.0 - v / 8.0))
    bracket = np.where(v < 1e-3, series, gained - v * np.exp(-v))
    by_r = np.where(inside, r * bracket / worth, 0.0)
    by_excess = np.where(excess < _LOG_BOUND, np.exp(-v) * np.exp(capped) / worth, 0.0)
    return np.log(worth), by_r, by_excess
