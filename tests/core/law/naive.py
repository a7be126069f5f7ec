"""The law written out term by term in plain units, with none of the care that the library takes.

It is the second opinion of these tests: sums are sums, powers are powers, so it overflows early,
but it is short enough to be compared with the published formulas by eye. Every step is analytic
and works on complex numbers, so that `complex_step` gives derivatives without cancellation.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from unsl_tracking.law import (
    BrokenPowerLaw,
    Ceiling,
    Form,
    ImplicitSigmoid,
    Limit,
    RepeatedData,
    RepeatedTokens,
)

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]


def vector(form: Form, values: Mapping[str, float]) -> Array:
    """A parameter vector (1, p) by name; every name must be given, and none besides."""
    names = [p.name for p in form.parameters]
    assert set(values) == set(names), set(values) ^ set(names)
    return np.array([[values[name] for name in names]])


def value(form: Form, theta: NDArray[np.number], log_x: Array, centre: Array) -> Complex:
    """y (n,) for one parameter vector (p,)."""
    columns = dict(zip(form.axes, np.exp(log_x - centre).T, strict=True))
    zero = np.zeros(len(log_x), dtype=complex)
    summed, overfit, limit, one_over_ceiling = zero, zero, zero, zero
    for term, where in zip(form.terms, form.slices, strict=True):
        own = list(theta[where].astype(complex))
        xs = [columns[axis] for axis in term.axes]
        match term:
            case ImplicitSigmoid():
                return implicit(own, xs[0])
            case RepeatedTokens(axes=(d, u)):
                unit = np.exp(centre[form.axes.index(u)] - centre[form.axes.index(d)])
                seen, unique = xs[0], np.minimum(xs[0].real, xs[1].real * unit)
                r = np.exp(own[2])
                worth = unique * (1 + r * (1 - np.exp(-(seen / unique - 1) / r)))
                summed = summed + np.exp(own[0]) * worth ** -own[1]
            case RepeatedData(axes=(_, d, u)):
                # Tokens and unique tokens are compared, so both are counted in the same unit.
                unit = np.exp(centre[form.axes.index(u)] - centre[form.axes.index(d)])
                summed = summed + repeated(own, xs[0], xs[1], xs[2] * unit)
            case Limit():
                limit = zero + np.exp(own[0])
            case Ceiling():
                one_over_ceiling = zero + 1 / (np.exp(own[0]) * _powers(xs, own[1:]))
            case BrokenPowerLaw(layer="overfit"):
                overfit = overfit + broken(term, own, xs)
            case BrokenPowerLaw():
                summed = summed + broken(term, own, xs)
    y = limit + 1 / (1 / summed + one_over_ceiling) + overfit
    return np.asarray(y, dtype=np.complex128)


def broken(term: BrokenPowerLaw, own: list[complex], xs: list[Array]) -> Complex:
    """b Π x_j^-α_j Π_k (1 + (Π x_j^w_kj / d_k)^(1/f_k))^(-γ_k f_k), and M3 where it saturates."""
    m, rest = len(xs), list(own)
    log_b, alphas = rest.pop(0), [rest.pop(0) for _ in range(m)]
    k = np.exp(log_b) * _powers(xs, alphas)
    for _ in range(term.breaks):
        w = [rest.pop(0) for _ in range(m)] if m > 1 else [1 + 0j]
        log_d, gamma, log_f = rest.pop(0), rest.pop(0), rest.pop(0)
        f = np.exp(log_f)
        crossed = _powers(xs, [-each for each in w]) / np.exp(log_d)
        k = k * (1 + crossed ** (1 / f)) ** (-gamma * f)
    if term.saturating:
        k = np.exp(log_b) * (1 / xs[0] + np.exp(-rest.pop(0))) ** alphas[0]
    assert not rest
    return np.asarray(k)


def repeated(own: list[complex], n: Array, d: Array, u: Array) -> Complex:
    """Muennighoff et al., with the compute-optimal parameters found by way of the compute C."""
    a, b = np.exp(own[0]), np.exp(own[2])
    alpha, beta, r_d, r_n = own[1], own[3], np.exp(own[4]), np.exp(own[5])
    # Hoffmann et al., eq. 4: N_opt = G (C/6)^(β/(α+β)) and D_opt = (C/6)^(α/(α+β)) / G.
    g = (alpha * a / (beta * b)) ** (1 / (alpha + beta))
    sixth_of_compute = (g * u) ** ((alpha + beta) / alpha)
    optimal = g * sixth_of_compute ** (beta / (alpha + beta))
    u_n = np.where(n < optimal.real, n, optimal)
    u_d = np.where(d < u, d, u)
    n_effective = u_n + u_n * r_n * (1 - np.exp(-(n / u_n - 1) / r_n))
    d_effective = u_d + u_d * r_d * (1 - np.exp(-(d / u_d - 1) / r_d))
    return np.asarray(a / n_effective**alpha + b / d_effective**beta)


def implicit(own: list[complex], x: Array) -> Complex:
    """M4 by root finding in y: (y − a)/((M − y)/(M − a))^α = b x^-c, with M = a + e^ln_M."""
    return np.array([_implicit_at(own, float(each)) for each in x])


def _implicit_at(own: list[complex], x: float) -> complex:
    log_b, c = own[0], own[1]
    a, span, alpha = np.exp(own[2]), np.exp(own[3]), np.exp(own[4])

    def miss(up: complex) -> complex:  # up = y − a
        down = np.log(span - up) - np.log(span)
        return complex(np.log(up) - alpha * down - log_b + c * np.log(x))

    edge = 1e-12 * span.real
    real = brentq(lambda up: miss(up).real, edge, span.real - edge, xtol=1e-300, rtol=1e-15)
    up = complex(real)
    for _ in range(3):  # carries the imaginary part of the parameters over to the root
        up -= miss(up) / (1 / up + alpha / (span - up))
    return complex(a + up)


def complex_step(form: Form, theta: Array, log_x: Array, centre: Array) -> Array:
    """d ln y / d theta (n, p) for one parameter vector, exact to rounding: Im f(θ + ih) / h."""
    h = 1e-30
    columns = []
    for i in range(len(theta)):
        moved = theta.astype(complex)
        moved[i] += 1j * h
        columns.append(np.log(value(form, moved, log_x, centre)).imag / h)
    return np.stack(columns, axis=1)


def _powers(xs: list[Array], exponents: list[complex]) -> Complex:
    """Π x_j^-exponent_j."""
    product = np.ones(1, dtype=complex)
    for x, exponent in zip(xs, exponents, strict=True):
        product = product * x.astype(complex) ** (-exponent)
    return np.asarray(product)
