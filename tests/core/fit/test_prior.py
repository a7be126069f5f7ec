"""The prior does not know in which units axes and metric are counted."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from unsl_tracking.fit import fit_component
from unsl_tracking.fit.prior import DataSummary, prior, starts
from unsl_tracking.law import Form, zoo

from .synthetic import drawn_from, points, typical

Array = NDArray[np.float64]
AXES = ("params", "tokens")
FORMS = [
    zoo.limited(["params"]),
    zoo.implicit("params"),
    zoo.bnsl("params", 1),
    zoo.chinchilla(AXES),
    zoo.unsl(AXES, breaks=1, name="UNSL1"),
    zoo.muennighoff("params", "tokens", "unique"),
]
LOGS = {"log_scale", "log_limit", "log_ceiling"}


def of(form: Form, log_x: Array, ln_y: Array) -> tuple[Array, Array]:
    return prior(form, DataSummary.of(log_x - log_x.mean(axis=0), ln_y))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_another_unit_of_the_metric_moves_logs_of_the_metric_and_nothing_else(form: Form) -> None:
    data = drawn_from(form, typical(form), noise=0.05)
    mean, sd = of(form, data.log_x, data.ln_y)
    moved, moved_sd = of(form, data.log_x, data.ln_y + np.log(1000.0))
    shift = np.array([np.log(1000.0) if p.kind in LOGS else 0.0 for p in form.parameters])
    np.testing.assert_allclose(moved, mean + shift, atol=1e-12)
    np.testing.assert_allclose(moved_sd, sd, atol=1e-12)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_another_unit_of_an_axis_moves_nothing(form: Form) -> None:
    data = drawn_from(form, typical(form), noise=0.05)
    shift = np.log(np.array([1e6, 1e-3, 50.0])[: len(form.axes)])
    before, after = of(form, data.log_x, data.ln_y), of(form, data.log_x + shift, data.ln_y)
    np.testing.assert_allclose(after[0], before[0], atol=1e-12)
    np.testing.assert_allclose(after[1], before[1], atol=1e-12)


@pytest.mark.parametrize("form", FORMS[:5], ids=lambda form: form.name)
def test_a_fit_in_other_units_gives_the_same_curve(form: Form) -> None:
    data = drawn_from(form, typical(form), noise=0.02)
    shift = np.log(np.array([2.0**20, 2.0**-10])[: len(form.axes)])
    moved = points(data.log_x + shift, data.ln_y + np.log(8.0), form.axes)
    far = data.log_x[-5:] + 3.0
    mean, variance = fit_component(form, data).predict(far)
    moved_mean, moved_variance = fit_component(form, moved).predict(far + shift)
    np.testing.assert_allclose(moved_mean, mean + np.log(8.0), atol=1e-6)
    np.testing.assert_allclose(moved_variance, variance, rtol=1e-4)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_every_parameter_has_a_proper_prior_even_for_flat_data(form: Form) -> None:
    mean, sd = prior(form, DataSummary.of(np.zeros((6, len(form.axes))), np.zeros(6)))
    assert np.isfinite(mean).all()
    assert (sd > 0.0).all()


def test_the_first_start_is_the_prior_mean_and_the_rest_scatter_by_its_width() -> None:
    mean, sd = np.array([1.0, -2.0]), np.array([0.1, 3.0])
    drawn = starts(mean, sd, 4000, np.random.default_rng(0))
    np.testing.assert_array_equal(drawn[0], mean)
    np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=0.2)
    np.testing.assert_allclose(drawn.std(axis=0), sd, rtol=0.1)
