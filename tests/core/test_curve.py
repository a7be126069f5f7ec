from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unsl_tracking.errors import DataError
from unsl_tracking.runs import CurveBuckets
from unsl_tracking.runs.thin import thin_curves

STEPS = st.lists(st.integers(1, 10**7), min_size=1, max_size=400, unique=True)


def values_at(steps: list[int]) -> list[float]:
    return [3.0 * step**-0.2 + 0.1 * math.sin(step) for step in steps]


def streamed(steps: list[int], values: list[float], **settings: int) -> CurveBuckets:
    curve = CurveBuckets(**settings)
    for step, value in zip(steps, values, strict=True):
        curve.add(step, value)
    return curve


@settings(max_examples=40)
@given(STEPS, st.integers(0, 30), st.integers(8, 60), st.data())
def test_streaming_equals_batch_however_the_curve_is_cut(
    steps: list[int], window: int, buckets: int, data: st.DataObject
) -> None:
    values = values_at(steps)
    one = streamed(steps, values, max_buckets=buckets, window=window)
    whole = CurveBuckets(max_buckets=buckets, window=window)
    whole.add_many(steps, values)
    cut = data.draw(st.integers(0, len(steps)))
    parts = CurveBuckets(max_buckets=buckets, window=window)
    parts.add_many(steps[:cut], values[:cut])
    parts.add_many(steps[cut:], values[cut:])
    for other in (whole, parts):
        pd.testing.assert_frame_equal(one.to_frame(), other.to_frame(), rtol=1e-9, atol=1e-12)


@settings(max_examples=40)
@given(STEPS, st.randoms(use_true_random=False))
def test_order_of_arrival_does_not_matter(steps: list[int], random: object) -> None:
    shuffled = sorted(steps, key=lambda step: hash((step, str(random))))
    one = streamed(steps, values_at(steps), max_buckets=20, window=5).to_frame()
    other = streamed(shuffled, values_at(shuffled), max_buckets=20, window=5).to_frame()
    pd.testing.assert_frame_equal(one, other, rtol=1e-9, atol=1e-12)


@settings(max_examples=40)
@given(STEPS, STEPS)
def test_merged_curves_equal_the_curve_of_all(one: list[int], two: list[int]) -> None:
    two = [step for step in two if step not in set(one)]
    left = streamed(one, values_at(one), max_buckets=30, window=7)
    right = streamed(two, values_at(two), max_buckets=30, window=7)
    both = one + two
    expected = streamed(both, values_at(both), max_buckets=30, window=7).to_frame()
    merged = left.merge(right)
    pd.testing.assert_frame_equal(merged.to_frame(), expected, rtol=1e-9, atol=1e-12)
    assert len(left) == len(one), "merging changes neither part"


@settings(max_examples=40)
@given(STEPS, st.integers(8, 40), st.integers(0, 20))
def test_memory_is_bounded_and_every_observation_counted(
    steps: list[int], buckets: int, window: int
) -> None:
    curve = streamed(steps, values_at(steps), max_buckets=buckets, window=window)
    frame = curve.to_frame()
    assert len(frame) <= buckets
    assert frame["count"].sum() == len(steps) == len(curve)
    assert len(json.dumps(curve.to_state())) < 150 * (buckets + window) + 200
    assert frame["step"].is_monotonic_increasing
    mean = np.average(frame["value"], weights=frame["count"])
    assert mean == pytest.approx(np.mean(values_at(steps)), rel=1e-9)


@settings(max_examples=20)
@given(STEPS)
def test_a_state_brings_the_curve_back(steps: list[int]) -> None:
    curve = streamed(steps, values_at(steps), max_buckets=16, window=9)
    back = CurveBuckets.from_state(json.loads(json.dumps(curve.to_state())))
    for each in (curve, back):
        each.add(10**8, 0.5)
    pd.testing.assert_frame_equal(back.to_frame(), curve.to_frame())
    assert back.to_state() == curve.to_state()


def test_a_million_steps_take_at_most_two_hundred_buckets() -> None:
    steps = np.arange(1, 1_000_001)
    curve = CurveBuckets()
    curve.add_many(steps, 3.0 * steps**-0.2)
    frame = curve.to_frame()
    assert 150 <= len(frame) <= 200
    assert frame["count"].sum() == 1_000_000
    assert frame["step"].iloc[[0, -1]].to_numpy() == pytest.approx([1, 1e6], rel=0.05)
    np.testing.assert_allclose(frame["value"], 3.0 * frame["step"] ** -0.2, rtol=1e-3)


def test_variance_is_that_of_the_values_in_a_bucket() -> None:
    curve = CurveBuckets(window=0)
    values = [2.0, 4.0, 9.0]
    for step, value in zip([10**6, 10**6 + 1, 10**6 + 2], values, strict=True):
        curve.add(step, value)
    frame = curve.to_frame()
    assert frame["count"].tolist() == [3]
    assert frame["value"].tolist() == pytest.approx([5.0])
    assert frame["variance"].tolist() == pytest.approx([np.var(values, ddof=1)])
    assert frame["log_step"].tolist() == pytest.approx([math.log(10**6 + 1)])


def test_variance_of_a_single_value_is_unknown() -> None:
    assert np.isnan(streamed([5], [1.0]).to_frame()["variance"].iloc[0])


def test_a_step_logged_again_within_the_window_is_replaced() -> None:
    steps = [1000, 1001, 1002, 1001]
    frame = streamed(steps, [1.0, 100.0, 3.0, 2.0]).to_frame()
    assert frame["count"].tolist() == [3]
    assert frame["value"].tolist() == pytest.approx([2.0])


def test_an_early_step_is_replaced_long_after_it_left_the_window() -> None:
    steps = list(range(1, 50))
    curve = streamed(steps, values_at(steps), window=4)
    curve.add(3, 77.0)
    frame = curve.to_frame()
    assert len(curve) == 49
    assert frame["value"].iloc[2] == 77.0


def test_an_old_step_beyond_the_window_counts_as_one_more_observation() -> None:
    steps = list(range(1, 3001))
    curve = streamed(steps, [1.0] * 3000, window=4)
    curve.add(2000, 5.0)
    frame = curve.to_frame()
    assert len(curve) == 3001
    assert 1.0 < frame["value"].max() < 5.0


def test_a_resumed_run_replaces_what_it_logs_again_within_the_window() -> None:
    curve = streamed(list(range(1, 1001)), [1.0] * 1000)
    for step in range(800, 1101):
        curve.add(step, 2.0)
    clean = streamed(list(range(1, 1101)), [1.0 if step < 800 else 2.0 for step in range(1, 1101)])
    pd.testing.assert_frame_equal(curve.to_frame(), clean.to_frame())


def test_steps_and_values_without_a_logarithm_or_number_are_skipped_and_counted() -> None:
    curve = CurveBuckets()
    for step, value in [(0, 1.0), (-5, 1.0), (1, math.nan), (2, math.inf), (math.inf, 1.0)]:
        curve.add(step, value)
    curve.add_many([0, math.nan, 3], [1.0, 1.0, 1.0])
    assert curve.skipped == 7
    assert len(curve) == 1


def test_an_empty_curve_has_an_empty_frame() -> None:
    frame = CurveBuckets().to_frame()
    assert list(frame.columns) == ["step", "value", "variance", "count", "log_step"]
    assert len(frame) == 0


def test_huge_and_tiny_steps_fit_into_the_same_memory() -> None:
    curve = CurveBuckets(max_buckets=32, window=0)
    for exponent in range(-30, 31):
        curve.add(10.0**exponent, 1.0)
    assert len(curve.to_frame()) <= 32
    assert len(curve) == 61


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"schema": "unsl.curve/99"},
        {"schema": "unsl.curve/1"},
        {**CurveBuckets().to_state(), "buckets": [[1, 2]]},
        {**CurveBuckets().to_state(), "level": "high"},
    ],
)
def test_a_state_that_is_not_ours_is_refused(state: dict[str, object]) -> None:
    with pytest.raises(DataError):
        CurveBuckets.from_state(state)


@pytest.mark.parametrize("settings", [{"max_buckets": 2}, {"window": -1}])
def test_settings_that_make_no_sense_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(DataError):
        CurveBuckets(**settings)


def test_steps_and_values_must_pair_up() -> None:
    with pytest.raises(DataError, match="one value per step"):
        CurveBuckets().add_many([1, 2], [1.0])


def test_thinning_many_curves_equals_one_curve_at_a_time() -> None:
    steps = [np.arange(1, 5001), np.arange(1, 20), np.arange(10, 90_000, 7)]
    run = np.repeat(np.arange(3), [s.size for s in steps])
    step = np.concatenate(steps).astype(float)
    value = 3.0 * step**-0.3
    of, columns = thin_curves(run, step, {"value": value}, {"step": step}, most=64)
    for number, each in enumerate(steps):
        curve = CurveBuckets(max_buckets=63)
        curve.add_many(each[:-1], 3.0 * each[:-1] ** -0.3)
        mine = np.flatnonzero(of == number)[:-1]
        assert columns["step"][mine[-1] + 1] == each[-1], "the last row stands alone"
        expected = curve.to_frame()
        np.testing.assert_array_equal(columns["count"][mine], expected["count"])
        np.testing.assert_allclose(columns["step"][mine], expected["step"], rtol=1e-12)
        np.testing.assert_allclose(columns["value"][mine], expected["value"], rtol=1e-12)


def test_thinning_leaves_short_curves_to_the_last_digit() -> None:
    step = np.array([1.0, 2.0, 2.5])
    _, columns = thin_curves(np.zeros(3, int), step, {"v": step / 3}, {"s": step}, most=3)
    np.testing.assert_array_equal(columns["v"], step / 3)
    np.testing.assert_array_equal(columns["s"], step)
    np.testing.assert_array_equal(columns["count"], [1, 1, 1])


def test_thinning_nothing_gives_nothing() -> None:
    empty = np.zeros(0)
    of, columns = thin_curves(np.zeros(0, int), empty, {"v": empty}, {}, most=3)
    assert of.size == columns["v"].size == columns["count"].size == 0


def test_thinning_values_whose_sum_does_not_fit_into_a_float() -> None:
    step = np.arange(1.0, 1001.0)
    value = np.full(1000, 1e308)
    _, columns = thin_curves(np.zeros(1000, int), step, {"v": value}, {"s": step}, most=16)
    np.testing.assert_allclose(columns["v"], 1e308)
    assert columns["count"].sum() == 1000
