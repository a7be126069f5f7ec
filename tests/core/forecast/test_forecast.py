"""What a forecast answers, and that its answers fit together."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import unsl_tracking as ut

from .laws import grid_law, max_law, min_law

LAWS = [min_law, max_law]
Make = Callable[[], ut.FittedLaw]
LEVELS = np.array([0.001, 0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975, 0.999])


def test_a_point_of_numbers_is_answered_with_numbers() -> None:
    forecast = min_law().predict({"step": 1e6})
    low, high = forecast.interval(0.8)
    answers = [forecast.median, forecast.quantile(0.3), low, high, forecast.cdf(1.6)]
    answers.append(forecast.prob_better_than(1.6))
    assert all(type(a) is float for a in answers)
    assert forecast.quantile([0.1, 0.9]).shape == (2,)
    assert forecast.sample(7).shape == (7,)


@pytest.mark.parametrize("at", [[1e6], [1e6, 1e7, 1e8]])
@pytest.mark.parametrize("kind", [list, np.array, pd.Series, tuple])
def test_points_in_an_array_are_answered_with_an_array(
    at: list[float], kind: Callable[[list[float]], Any]
) -> None:
    forecast = min_law().predict({"step": kind(at)})
    n = len(at)
    assert len(forecast) == n
    assert forecast.median.shape == (n,)
    assert [bound.shape for bound in forecast.interval(0.8)] == [(n,), (n,)]
    assert forecast.quantile([0.1, 0.5]).shape == (2, n)
    assert forecast.cdf(1.6).shape == forecast.cdf([1.6] * n).shape == (n,)
    assert forecast.sample(7).shape == (7, n)


def test_a_frame_and_a_mapping_are_the_same_question() -> None:
    table = pd.DataFrame({"tokens": [1e11, 1e12], "name": ["a", "b"], "params": [1e9, 1e10]})
    by_frame = grid_law().predict(table)
    by_mapping = grid_law().predict({"params": [1e9, 1e10], "tokens": [1e11, 1e12]})
    np.testing.assert_array_equal(by_frame.median, by_mapping.median)
    assert list(by_frame.points.columns) == ["params", "tokens"]


def test_one_number_goes_with_every_value_of_the_other_axis() -> None:
    forecast = grid_law().predict({"params": [1e9, 1e10], "tokens": 1e11})
    assert forecast.median.shape == (2,)
    one = grid_law().predict({"params": 1e10, "tokens": 1e11})
    assert forecast.median[1] == pytest.approx(one.median, rel=1e-12)


@pytest.mark.parametrize("make", LAWS)
def test_quantiles_rise_and_the_cdf_inverts_them(make: Make) -> None:
    forecast = make().predict({"step": [3e5, 1e7]})
    values = forecast.quantile(LEVELS)
    assert (np.diff(values, axis=0) > 0.0).all()
    for level, value in zip(LEVELS, values, strict=True):
        np.testing.assert_allclose(forecast.cdf(value), level, atol=1e-9)


@pytest.mark.parametrize("make", LAWS)
def test_intervals_nest_around_the_median(make: Make) -> None:
    forecast = make().predict({"step": 1e7})
    bounds = [forecast.interval(level) for level in (0.95, 0.8, 0.5, 0.1)]
    lows, highs = zip(*bounds, strict=True)
    assert list(lows) == sorted(lows)
    assert list(highs) == sorted(highs, reverse=True)
    assert lows[-1] < forecast.median < highs[-1]
    assert forecast.median == forecast.quantile(0.5)
    np.testing.assert_allclose(forecast.interval(0.8), forecast.quantile([0.1, 0.9]))


@pytest.mark.parametrize("make", LAWS)
def test_better_is_lower_for_a_loss_and_higher_for_an_accuracy(make: Make) -> None:
    forecast = make().predict({"step": 1e6})
    low, high = forecast.interval(0.9)
    easy, hard = (high, low) if forecast.mode == "min" else (low, high)
    assert forecast.prob_better_than(easy) == pytest.approx(0.95, abs=1e-6)
    assert forecast.prob_better_than(hard) == pytest.approx(0.05, abs=1e-6)
    below = forecast.cdf(forecast.median * 1.001)
    better = forecast.prob_better_than(forecast.median * 1.001)
    assert better == pytest.approx(below if forecast.mode == "min" else 1.0 - below, abs=1e-12)


def test_a_target_for_every_point() -> None:
    forecast = min_law().predict({"step": [1e6, 1e7]})
    np.testing.assert_allclose(forecast.prob_better_than(forecast.median), 0.5, atol=1e-9)


def test_what_cannot_happen_has_probability_zero() -> None:
    loss, accuracy = (make().predict({"step": 1e6}) for make in LAWS)
    assert [loss.cdf(v) for v in (-np.inf, -1.0, 0.0)] == [0.0, 0.0, 0.0]
    assert loss.cdf(np.inf) == 1.0
    assert [accuracy.prob_better_than(v) for v in (0.9, 1.0, np.inf)] == [0.0, 0.0, 0.0]
    assert accuracy.prob_better_than(-np.inf) == 1.0


def test_an_accuracy_never_passes_its_ceiling() -> None:
    forecast = max_law().predict({"step": [1e6, 1e9, 1e15]})
    assert (forecast.quantile(0.9999) <= 0.9).all()
    assert (np.diff(forecast.median) > 0.0).all()  # larger is better


@pytest.mark.parametrize("make", LAWS)
def test_draws_agree_with_the_quantiles(make: Make) -> None:
    forecast = make().predict({"step": [1e6, 1e7]})
    drawn = forecast.sample(20_000, seed=1)
    for level in (0.1, 0.5, 0.9):
        share = (drawn <= forecast.quantile(level)).mean(axis=0)
        np.testing.assert_allclose(share, level, atol=0.015)


def test_draws_are_the_same_for_the_same_seed() -> None:
    forecast = min_law().predict({"step": 1e6})
    np.testing.assert_array_equal(forecast.sample(5, seed=3), forecast.sample(5, seed=3))
    assert (forecast.sample(5, seed=3) != forecast.sample(5, seed=4)).all()


def test_the_frame_has_the_axes_and_three_intervals() -> None:
    forecast = min_law().predict({"step": [1e6, 1e7]})
    frame = forecast.to_frame()
    names = ["step", "median", "lo50", "hi50", "lo80", "hi80", "lo95", "hi95"]
    assert list(frame.columns) == names
    np.testing.assert_array_equal(frame["median"], forecast.median)
    np.testing.assert_allclose(frame["lo80"], forecast.interval(0.8)[0])
    columns = ["lo95", "lo80", "lo50", "median", "hi50", "hi80", "hi95"]
    assert (np.diff(frame[columns].to_numpy(), axis=1) > 0.0).all()


@pytest.mark.parametrize("at", [1e6, [1e6, 1e7]])
def test_the_dictionary_is_strict_json(at: float | list[float]) -> None:
    forecast = min_law().predict({"step": at})
    document = json.loads(json.dumps(forecast.to_dict(), allow_nan=False))
    assert document["metric"] == "loss"
    assert document["mode"] == "min"
    assert [p["median"] for p in document["points"]] == list(np.atleast_1d(forecast.median))
    assert [w["code"] for w in document["warnings"]] == [w.code for w in forecast.warnings]


def test_the_interval_widens_with_the_distance() -> None:
    forecast = min_law().predict({"step": [2e5, 1e6, 1e7, 1e9]})
    low, high = forecast.interval(0.8)
    assert (np.diff(np.log(high / low)) > 0.0).all()


def test_asking_changes_nothing() -> None:
    points = {"step": np.array([1e6, 1e7])}
    forecast = min_law().predict(points)
    frame = forecast.to_frame()
    frame["step"] = 0.0
    np.testing.assert_array_equal(points["step"], [1e6, 1e7])
    np.testing.assert_array_equal(forecast.points["step"], [1e6, 1e7])


@pytest.mark.parametrize("q", [0.0, 1.0, -0.1, 2.0, float("nan"), [], [0.5, 1.0], "half", None])
def test_a_quantile_lies_between_zero_and_one(q: Any) -> None:
    with pytest.raises(ut.DataError):
        min_law().predict({"step": 1e6}).quantile(q)


@pytest.mark.parametrize("level", [0.0, 1.0, float("nan"), "most", None, [0.5, 0.8]])
def test_a_level_lies_between_zero_and_one(level: Any) -> None:
    with pytest.raises(ut.DataError):
        min_law().predict({"step": 1e6}).interval(level)


@pytest.mark.parametrize("value", [float("nan"), "low", None, [1.0, 2.0, 3.0]])
def test_only_numbers_can_be_compared_with(value: Any) -> None:
    with pytest.raises(ut.DataError):
        min_law().predict({"step": [1e6, 1e7]}).cdf(value)


@pytest.mark.parametrize("n", [-1, 1.5, "many", True])
def test_the_number_of_draws_is_whole(n: Any) -> None:
    with pytest.raises(ut.DataError):
        min_law().predict({"step": 1e6}).sample(n)


@pytest.mark.parametrize(
    "at",
    [
        {},
        {"steps": 1e6},
        {"step": 1e6, "tokens": 1e9},
        {"step": 0.0},
        {"step": -1.0},
        {"step": float("nan")},
        {"step": float("inf")},
        {"step": "many"},
        {"step": None},
        {"step": []},
        {"step": [[1e6, 1e7]]},
        {"step": 10**400},
        {"step": 1e6 + 1j},
        pd.DataFrame({"step": []}),
        7,
    ],
    ids=str,
)
def test_points_that_make_no_sense_are_refused(at: Any) -> None:
    with pytest.raises(ut.DataError):
        min_law().predict(at)


def test_axes_of_unequal_length_are_refused() -> None:
    with pytest.raises(ut.AxisError, match="equally many"):
        grid_law().predict({"params": [1e9, 1e10], "tokens": [1e9, 1e10, 1e11]})


@pytest.mark.parametrize("step", [1e-300, 1e-30, 1.0, 1e30, 1e300])
def test_no_distance_is_too_far_for_a_number(step: float) -> None:
    forecast = min_law().predict({"step": step})
    assert np.isfinite(forecast.quantile([0.001, 0.5, 0.999])).all()
