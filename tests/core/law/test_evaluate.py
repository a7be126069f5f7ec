"""Value and Jacobian against the law written out naively, for named and random forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from unsl_tracking.law import Form, evaluate, log_value
from unsl_tracking.law.evaluate import term_logs

from . import naive
from .forms import NAMED, any_form, composed_forms, name_of, ordinary, seeds


def _agrees_with_the_naive_law(form: Form, seed: int) -> None:
    theta, log_x, centre = ordinary(form, seed)
    ln_y, jac = evaluate(form, theta, log_x, centre)
    for b, one in enumerate(theta):
        expected = np.log(naive.value(form, one, log_x, centre).real)
        np.testing.assert_allclose(ln_y[b], expected, rtol=1e-10, atol=1e-10)
        slopes = naive.complex_step(form, one, log_x, centre)
        np.testing.assert_allclose(jac[b], slopes, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("form", NAMED, ids=name_of)
def test_value_and_jacobian_of_every_named_form_agree_with_the_naive_law(
    form: Form, seed: int
) -> None:
    _agrees_with_the_naive_law(form, seed)


@settings(max_examples=60)
@given(form=composed_forms(), seed=seeds)
def test_value_and_jacobian_of_any_composition_agree_with_the_naive_law(
    form: Form, seed: int
) -> None:
    _agrees_with_the_naive_law(form, seed)


@pytest.mark.parametrize("form", NAMED, ids=name_of)
def test_jacobian_agrees_with_central_differences_of_the_value(form: Form) -> None:
    theta, log_x, centre = ordinary(form, seed=11, batch=1)
    _, jac = evaluate(form, theta, log_x, centre)
    h = 1e-5 * np.eye(theta.shape[1])
    above, below = (log_value(form, theta + step, log_x, centre) for step in (h, -h))
    np.testing.assert_allclose(jac[0].T, (above - below) / 2e-5, rtol=1e-6, atol=1e-7)


@settings(max_examples=40)
@given(form=any_form, seed=seeds)
def test_a_batch_equals_its_parameter_vectors_one_by_one(form: Form, seed: int) -> None:
    theta, log_x, centre = ordinary(form, seed, batch=4)
    ln_y, jac = evaluate(form, theta, log_x, centre)
    assert ln_y.shape == (4, len(log_x))
    assert jac.shape == (4, len(log_x), len(form.parameters))
    for b in range(4):
        alone, alone_jac = evaluate(form, theta[b : b + 1], log_x, centre)
        np.testing.assert_allclose(alone[0], ln_y[b], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(alone_jac[0], jac[b], rtol=1e-11, atol=1e-11)


@settings(max_examples=40)
@given(form=any_form, seed=seeds)
def test_each_point_is_evaluated_on_its_own_whatever_the_order(form: Form, seed: int) -> None:
    theta, log_x, centre = ordinary(form, seed, points=6)
    ln_y, jac = evaluate(form, theta, log_x, centre)
    order = np.random.default_rng(seed).permutation(6)
    shuffled, shuffled_jac = evaluate(form, theta, log_x[order], centre)
    np.testing.assert_allclose(shuffled, ln_y[:, order], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(shuffled_jac, jac[:, order], rtol=1e-11, atol=1e-11)
    first, _ = evaluate(form, theta, log_x[:1], centre)
    np.testing.assert_allclose(first, ln_y[:, :1], rtol=1e-12, atol=1e-12)


@settings(max_examples=30)
@given(form=composed_forms(), seed=seeds)
def test_the_order_of_the_terms_does_not_change_the_law(form: Form, seed: int) -> None:
    theta, log_x, centre = ordinary(form, seed)
    reversed_form = Form(form.name, form.axes, form.terms[::-1])
    reversed_theta = np.concatenate([theta[:, s] for s in form.slices[::-1]], axis=1)
    np.testing.assert_allclose(
        log_value(reversed_form, reversed_theta, log_x, centre),
        log_value(form, theta, log_x, centre),
        rtol=1e-12,
        atol=1e-12,
    )


def test_evaluating_changes_none_of_its_arguments() -> None:
    for form in NAMED:
        given_arrays = ordinary(form, seed=3)
        before = [each.copy() for each in given_arrays]
        for each in given_arrays:
            each.setflags(write=False)
        evaluate(form, *given_arrays)
        for was, still in zip(before, given_arrays, strict=True):
            np.testing.assert_array_equal(was, still)


def test_term_logs_are_the_parts_that_the_value_is_made_of() -> None:
    form = next(f for f in NAMED if f.name == "moving ceiling")
    theta, log_x, centre = ordinary(form, seed=5)
    trend, ceiling, limit = map(np.exp, term_logs(form, theta, log_x, centre))
    y = limit + 1 / (1 / trend + 1 / ceiling)
    np.testing.assert_allclose(np.exp(log_value(form, theta, log_x, centre)), y, rtol=1e-12)


def test_the_value_alone_equals_the_value_that_comes_with_the_jacobian() -> None:
    for form in NAMED:
        arrays = ordinary(form, seed=8)
        np.testing.assert_array_equal(log_value(form, *arrays), evaluate(form, *arrays)[0])
