"""One form fitted to points of that form: parameters, noise, covariance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from unsl_tracking.fit import fit_component
from unsl_tracking.fit.component import Component, fit_components
from unsl_tracking.fit.levenberg_marquardt import HUBER
from unsl_tracking.law import Form, log_value, zoo

from .synthetic import drawn_from, points, sizes, typical

Array = NDArray[np.float64]
AXES = ("params", "tokens")


def vector(form: Form, *values: float) -> Array:
    """Parameters in the order of the form."""
    assert len(values) == len(form.parameters), [p.name for p in form.parameters]
    return np.array(values)


# Parameters far enough from each other's influence that 60 points tell them apart.
KNOWN = [
    (zoo.power_law(["params"]), (0.5, 0.3)),
    (zoo.limited(["params"]), (0.5, 0.5, -0.5)),
    (zoo.chinchilla(AXES), (0.2, 0.5, 0.4, 0.35, -0.3)),
    (zoo.bnsl("params", 1, limit=False), (0.5, 0.15, 0.5, 0.45, -0.7)),
    (zoo.power_law(AXES), (0.5, 0.3, 0.2)),
]
ALL = [
    *(form for form, _ in KNOWN),
    zoo.saturating("params"),
    zoo.implicit("params"),
    zoo.bnsl("params", 1),
    zoo.bnsl("params", 2),
    zoo.unsl(AXES, breaks=0, ceiling=False, name="UNSL0"),
    zoo.unsl(AXES, breaks=1, ceiling=False, name="UNSL1"),
    zoo.unsl(AXES, breaks=1, name="UNSL1 with a ceiling"),
    zoo.muennighoff("params", "tokens", "unique"),
]


def name_of(form: Form) -> str:
    return form.name


def error_at(fit: Component, form: Form, theta: Array, log_x: Array, centre: Array) -> float:
    """Largest difference in ln y from the truth."""
    truth = log_value(form, theta[None], log_x, centre)[0]
    return float(np.abs(fit.predict(log_x)[0] - truth).max())


@pytest.mark.parametrize(("form", "values"), KNOWN, ids=lambda v: getattr(v, "name", ""))
def test_parameters_are_recovered_from_noiseless_points(
    form: Form, values: tuple[float, ...]
) -> None:
    theta = vector(form, *values)
    fit = fit_component(form, drawn_from(form, theta))
    np.testing.assert_allclose(fit.theta, theta, atol=0.03)


@pytest.mark.parametrize("form", ALL, ids=name_of)
def test_the_law_is_recovered_from_noiseless_points_of_every_main_form(form: Form) -> None:
    theta = typical(form)
    data = drawn_from(form, theta, n=80)
    fit = fit_component(form, data, n_starts=32)
    inside = sizes(50, len(form.axes), seed=9)
    assert error_at(fit, form, theta, inside, data.centre) < 0.02
    assert fit.sigma < 0.01


@pytest.mark.parametrize("form", ALL[:4], ids=name_of)
def test_one_outlier_moves_the_law_by_less_than_the_noise(form: Form) -> None:
    data = drawn_from(form, typical(form), noise=0.01)
    clean = fit_component(form, data)
    spoilt = data.ln_y.copy()
    spoilt[20] += 2.0
    dirty = fit_component(form, replace(data, ln_y=spoilt))
    assert np.abs(dirty.predict(data.log_x)[0] - clean.predict(data.log_x)[0]).max() < 0.01
    assert dirty.sigma < 0.02  # about 0.5 without clipping


def test_noise_is_estimated() -> None:
    form = zoo.limited(["params"])
    for noise in (0.01, 0.1):
        fit = fit_component(form, drawn_from(form, typical(form), n=200, noise=noise))
        assert fit.sigma == pytest.approx(noise, rel=0.25)


def test_covariance_says_how_far_fits_to_other_noise_land() -> None:
    form = zoo.power_law(["params"])
    fits = [
        fit_component(form, drawn_from(form, np.array([0.5, 0.3]), noise=0.05, seed=s))
        for s in range(40)
    ]
    scatter = np.std([f.theta for f in fits], axis=0)
    stated = np.sqrt(np.mean([np.diag(f.covariance) for f in fits], axis=0))
    np.testing.assert_allclose(stated, scatter, rtol=0.5)


def test_residuals_that_resemble_their_neighbours_widen_the_covariance() -> None:
    form = zoo.power_law(["params"])
    log_x = sizes(100, 1)
    wave = 0.05 * np.sin(np.arange(100) / 6.0)
    shuffled = np.random.default_rng(0).permutation(wave)
    smooth, rough = (
        fit_component(form, points(log_x, 1.0 - 0.3 * log_x[:, 0] + noise, form.axes))
        for noise in (wave, shuffled)
    )
    assert smooth.covariance[1, 1] > 2.0 * rough.covariance[1, 1]


def test_covariance_is_symmetric_and_positive_even_where_nothing_is_identified() -> None:
    form = zoo.bnsl("params", 2)
    fit = fit_component(form, points(sizes(6, 1), np.zeros(6), form.axes))
    np.testing.assert_allclose(fit.covariance, fit.covariance.T, rtol=1e-9, atol=1e-12)
    assert (np.linalg.eigvalsh(fit.covariance) > 0.0).all()
    assert fit.unidentified


def test_what_the_data_identify_is_not_reported_as_open() -> None:
    form = zoo.power_law(["params"])
    assert (
        fit_component(form, drawn_from(form, np.array([0.5, 0.3]), noise=0.01)).unidentified == []
    )


def test_a_point_of_weight_four_counts_as_four_points() -> None:
    form = zoo.power_law(["params"])
    data = drawn_from(form, np.array([0.5, 0.3]), n=12, noise=0.05)
    heavy = replace(data, weight=np.where(np.arange(12) < 6, 4.0, 1.0))
    again = np.repeat(np.arange(12), np.where(np.arange(12) < 6, 4, 1))
    repeated = points(data.log_x[again], data.ln_y[again], form.axes)
    by_weight, by_number = (
        fit_component(form, p, centre=data.centre).predict(data.log_x)[0] for p in (heavy, repeated)
    )
    # Not to the last digit: priors look at the median of the points, and the noise at their number.
    np.testing.assert_allclose(by_weight, by_number, atol=0.02)


@pytest.mark.parametrize("n", [60, 400])  # below and above the number that is fitted as one batch
def test_parts_fitted_together_are_as_if_fitted_one_by_one(n: int) -> None:
    form = zoo.bnsl("params", 1)
    data = drawn_from(form, typical(form), n=n, noise=0.01)
    order = np.arange(n)
    parts = np.stack([order >= 0, order < 0.7 * n, order >= 0.3 * n])
    together = fit_components(form, data, parts, centre=data.centre, n_starts=8)
    for part, fit in zip(parts, together, strict=True):
        alone = fit_component(form, data[part], centre=data.centre, n_starts=8)
        assert fit.sigma == pytest.approx(alone.sigma, rel=1e-3)
        expected = alone.predict(data.log_x)[0]
        np.testing.assert_allclose(fit.predict(data.log_x)[0], expected, atol=1e-3)


def test_a_part_does_not_see_the_points_outside_it() -> None:
    form = zoo.bnsl("params", 1)
    data = drawn_from(form, typical(form), noise=0.01)
    below = np.arange(60) < 40
    changed = replace(data, ln_y=np.where(below, data.ln_y, data.ln_y + 3.0))
    fits = [fit_components(form, p, below[None], centre=data.centre)[0] for p in (data, changed)]
    np.testing.assert_array_equal(fits[0].theta, fits[1].theta)
    np.testing.assert_array_equal(fits[0].covariance, fits[1].covariance)


def test_the_same_seed_gives_the_same_fit() -> None:
    form = zoo.bnsl("params", 1)
    data = drawn_from(form, typical(form), noise=0.01)
    first, second = (fit_component(form, data, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first.theta, second.theta)


def test_a_warm_start_at_the_answer_stays_there() -> None:
    form = zoo.bnsl("params", 1)
    data = drawn_from(form, typical(form), noise=0.01)
    first = fit_component(form, data)
    again = fit_component(form, data, n_starts=1, warm=first.theta[None])
    assert again.cost <= first.cost * (1.0 + 1e-3)


def test_huber_constant_is_the_published_one() -> None:
    assert HUBER == 1.345
