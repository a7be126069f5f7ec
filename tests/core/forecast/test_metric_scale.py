"""From the metric to the ln of an error and back."""

from __future__ import annotations

import numpy as np
import pytest

from unsl_tracking.errors import DataError
from unsl_tracking.forecast.metric_scale import MetricScale

VALUES = np.array([0.05, 0.4, 0.77])


@pytest.mark.parametrize(("mode", "ceiling"), [("min", None), ("max", None), ("max", 0.8)])
def test_there_and_back(mode: str, ceiling: float | None) -> None:
    scale = MetricScale.for_metric(mode, ceiling, VALUES, "m")
    np.testing.assert_allclose(scale.from_log(scale.to_log(VALUES)), VALUES, rtol=1e-14)


def test_the_ceiling_of_a_share_is_one() -> None:
    assert MetricScale.for_metric("max", None, VALUES, "m").ceiling == 1.0


@pytest.mark.parametrize("ceiling", [0.77, 0.5, -1.0])
def test_no_value_reaches_the_ceiling(ceiling: float) -> None:
    with pytest.raises(DataError, match="below"):
        MetricScale.for_metric("max", ceiling, VALUES, "m")


def test_a_negative_metric_can_be_maximised_towards_zero() -> None:
    scale = MetricScale.for_metric("max", 0.0, -VALUES, "reward")
    np.testing.assert_allclose(scale.to_log(-VALUES), np.log(VALUES))


def test_a_larger_error_is_a_worse_metric() -> None:
    ln_error = np.array([-2.0, -1.0, 0.0])
    assert (np.diff(MetricScale("min").from_log(ln_error)) > 0.0).all()
    assert (np.diff(MetricScale("max", 1.0).from_log(ln_error)) < 0.0).all()


def test_the_largest_and_smallest_numbers_survive() -> None:
    scale = MetricScale("min")
    extreme = np.array([5e-300, 1.7e308])
    np.testing.assert_allclose(scale.from_log(scale.to_log(extreme)), extreme, rtol=1e-12)
    assert np.isfinite(scale.from_log(np.array([-1e9, 1e9]))).all()
