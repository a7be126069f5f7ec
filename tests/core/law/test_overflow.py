"""Nothing overflows or turns into NaN for parameters and axes between 1e-30 and 1e30."""

from __future__ import annotations

from decimal import Decimal, localcontext
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings

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


@pytest.mark.parametrize("warp", [1e-30, -1e-30, 1.0, -1.0, 20.0, -20.0, 1e30, -1e30])
def test_the_implicit_sigmoid_solves_its_equation_for_any_warp(warp: float) -> None:
    form = zoo.implicit("x")
    z = np.linspace(-60, 60, 25)[:, None]
    theta = np.array([[0.3, 0.4, -1.0, 0.7, warp]])
    ln_y, _ = evaluate(form, theta, z, np.zeros(1))
    assert (np.diff(ln_y[0]) <= 0).all(), "M4 falls along its axis"
    floor, top = np.exp(-1.0), np.exp(-1.0) + np.exp(0.7)
    y = np.exp(ln_y[0])
    assert (y >= floor * (1 - 1e-15)).all()
    assert (y <= top * (1 + 1e-15)).all()
