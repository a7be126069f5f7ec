"""Nothing overflows or turns into NaN for parameters and axes between 1e-30 and 1e30."""

from __future__ import annotations

from decimal import Decimal, localcontext
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import log_expit

from unsl_tracking.law import Ceiling, Form, Limit, evaluate, log_value, zoo

from .forms import NAMED, any_form, extreme, name_of, ordinary, seeds

_XS = [1e-30, 1e-3, 1.0, 2.0, 1e30]


def _is_finite_and_within_its_limits(form: Form, seed: int) -> None:
    theta, log_x, centre = extreme(form, seed)
    with np.errstate(all="raise", under="ignore"):
        ln_y, jac = evaluate(form, theta, log_x, centre)
    assert np.isfinite(ln_y).all()
    assert np.isfinite(jac).all()
    for term, where in zip(form.terms, form.slices, strict=True):
        if isinstance(term, Limit):
            assert (ln_y >= theta[:, where]).all(), "y fell below the irreducible limit"
        if isinstance(term, Limit | Ceiling):
            share = jac[..., where][..., 0]
            assert ((share >= 0) & (share <= 1)).all(), "a part is larger than the whole"


@pytest.mark.parametrize("form", NAMED, ids=name_of)
def test_every_named_form_is_finite_at_the_edges(form: Form) -> None:
    for seed in range(20):
        _is_finite_and_within_its_limits(form, seed)


@settings(max_examples=60)
@given(form=any_form, seed=seeds)
def test_any_form_is_finite_at_the_edges(form: Form, seed: int) -> None:
    _is_finite_and_within_its_limits(form, seed)


@settings(max_examples=40)
@given(form=any_form, seed=seeds)
def test_ordinary_parameters_stay_finite_on_axes_from_1e_minus_30_to_1e30(
    form: Form, seed: int
) -> None:
    theta, _, _ = ordinary(form, seed)
    _, log_x, centre = extreme(form, seed)
    with np.errstate(all="raise", under="ignore"):
        ln_y, jac = evaluate(form, theta, log_x, centre)
    assert np.isfinite(ln_y).all()
    assert np.isfinite(jac).all()


@pytest.mark.parametrize("sharpness", [1e-30, 1e-12, 1e-3, 1.0, 1e3, 1e6])
def test_a_break_of_any_sharpness_has_the_right_slopes_far_from_it(sharpness: float) -> None:
    form = zoo.bnsl("x", 1, limit=False)
    theta = np.array([[0.0, 0.3, 0.0, 0.5, np.log(sharpness)]])
    far = 50.0 * max(sharpness, 1.0)
    below, above = (
        np.diff(log_value(form, theta, z, np.zeros(1))[0])[0]
        for z in (np.array([[-far - 1.0], [-far]]), np.array([[far], [far + 1.0]]))
    )
    assert below == pytest.approx(-0.3, rel=1e-3)
    assert above == pytest.approx(-0.8, rel=1e-3)


@pytest.mark.parametrize(
    ("x", "exponent", "change", "sharpness"),
    list(product(_XS, [0.5, 40.0, -900.0], [0.7, -300.0], [1e-3, 0.5, 30.0])),
)
def test_value_is_right_where_floats_of_the_published_formula_would_overflow(
    x: float, exponent: float, change: float, sharpness: float
) -> None:
    form = zoo.bnsl("x", 1)
    ln_b, ln_d, ln_a = 3.0, 1.0, -4.0
    theta = np.array([[ln_b, exponent, ln_d, change, np.log(sharpness), ln_a]])
    ours = log_value(form, theta, np.array([[np.log(x)]]), np.zeros(1))[0, 0]

    with localcontext(prec=60):
        ln_x, f = Decimal(float(np.log(x))), Decimal(float(np.exp(np.log(sharpness))))
        k = (Decimal(ln_b) - Decimal(exponent) * ln_x).exp()
        k *= (1 + ((ln_x - Decimal(ln_d)) / f).exp()) ** (-Decimal(change) * f)
        expected = float((Decimal(ln_a).exp() + k).ln())
    assert ours == pytest.approx(expected, rel=1e-12, abs=1e-12)


_M4 = {"beta": 0.3, "c": 0.4, "ln_a": -1.0, "ln_span": 0.0}


def _m4(ln_warp: float, z: NDArray[np.float64]) -> NDArray[np.float64]:
    ln_y, jac = evaluate(
        zoo.implicit("x"), np.array([[*_M4.values(), ln_warp]]), z[:, None], np.zeros(1)
    )
    assert np.isfinite(jac).all()
    return np.asarray(ln_y[0])


@pytest.mark.parametrize("ln_warp", [-20.0, -8.0, 0.0, 1e-30, 8.0, 20.0])
def test_the_implicit_sigmoid_solves_its_equation_for_any_warp(ln_warp: float) -> None:
    warp, z = np.exp(ln_warp), np.linspace(-60, 60, 25)

    def miss(t: float, at: float) -> float:  # (y − a)/(M − y)^α = b x^-c at y = a + span σ(t)
        up, down = _M4["ln_span"] + log_expit(t), _M4["ln_span"] + log_expit(-t)
        return float(up - warp * down - _M4["beta"] + _M4["c"] * at)

    roots = np.array([brentq(miss, -1e3, 1e13, args=(at,), xtol=1e-13, maxiter=500) for at in z])
    expected = np.logaddexp(_M4["ln_a"], _M4["ln_span"] + log_expit(roots))
    np.testing.assert_allclose(_m4(ln_warp, z), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("ln_warp", [-1e30, -30.0, 0.0, 30.0, 1e30])
def test_the_implicit_sigmoid_falls_from_its_ceiling_to_its_limit(ln_warp: float) -> None:
    ln_y = _m4(ln_warp, np.linspace(-60, 60, 25))
    assert (np.diff(ln_y) <= 0).all()
    assert (ln_y >= _M4["ln_a"]).all()
    assert (ln_y <= np.logaddexp(_M4["ln_a"], _M4["ln_span"]) + 1e-15).all()
