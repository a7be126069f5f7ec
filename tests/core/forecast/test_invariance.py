"""What must not change a forecast: units, order, repetition of the call. With the whole ladder."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import unsl_tracking as ut

from .laws import curve, grid

LEVELS = [0.1, 0.5, 0.9]
# Powers of two are exact in binary; others round, and rounding can move where the solver stops.
STOPS = 2e-3


def on_curve(table: pd.DataFrame, step: float = 1e6) -> NDArray[np.float64]:
    return np.asarray(ut.fit(table, ["step"], "loss").predict({"step": step}).quantile(LEVELS))


def on_grid(table: pd.DataFrame, params: float = 1e10, tokens: float = 1e11) -> NDArray[np.float64]:
    law = ut.fit(table, ["params", "tokens"], "loss")
    return np.asarray(law.predict({"params": params, "tokens": tokens}).quantile(LEVELS))


def test_the_same_call_gives_the_same_forecast() -> None:
    np.testing.assert_array_equal(on_curve(curve()), on_curve(curve()))


def test_the_order_of_the_rows_changes_nothing() -> None:
    shuffled = curve().sample(frac=1.0, random_state=3)
    np.testing.assert_allclose(on_curve(shuffled), on_curve(curve()), rtol=1e-9)


def test_the_order_of_the_rows_changes_nothing_on_two_axes() -> None:
    shuffled = grid().sample(frac=1.0, random_state=3)
    np.testing.assert_allclose(on_grid(shuffled), on_grid(grid()), rtol=1e-9)


@pytest.mark.parametrize("unit", [2.0**20, 1e-3])
def test_a_metric_in_other_units_is_forecast_in_those_units(unit: float) -> None:
    table = curve()
    found = on_curve(table.assign(loss=table["loss"] * unit)) / unit
    np.testing.assert_allclose(found, on_curve(table), rtol=STOPS)


@pytest.mark.parametrize("unit", [2.0**20, 1e-3])
def test_an_axis_in_other_units_changes_nothing(unit: float) -> None:
    table = curve()
    found = on_curve(table.assign(step=table["step"] * unit), 1e6 * unit)
    np.testing.assert_allclose(found, on_curve(table), rtol=STOPS)


def test_two_axes_and_a_metric_in_other_units() -> None:
    table = grid()
    moved = table.assign(
        params=table["params"] / 1e6, tokens=table["tokens"] * 2.0**10, loss=table["loss"] * 100.0
    )
    found = on_grid(moved, 1e4, 1e11 * 2.0**10) / 100.0
    np.testing.assert_allclose(found, on_grid(table), rtol=STOPS)


def test_an_accuracy_is_a_loss_seen_from_its_ceiling() -> None:
    table = curve()
    as_loss = ut.fit(table, ["step"], "loss").predict({"step": 1e6})
    accuracy = table.assign(loss=8.0 - table["loss"])
    as_accuracy = ut.fit(accuracy, ["step"], "loss", mode="max", ceiling=8.0)
    found = as_accuracy.predict({"step": 1e6}).quantile([0.9, 0.5, 0.1])
    np.testing.assert_allclose(8.0 - found, as_loss.quantile(LEVELS), rtol=1e-6)


def test_seeds_differ_by_less_than_the_interval() -> None:
    table = curve()
    medians = [
        ut.fit(table, ["step"], "loss", seed=s).predict({"step": 1e6}).median for s in range(3)
    ]
    low, high = ut.fit(table, ["step"], "loss").predict({"step": 1e6}).interval(0.8)
    assert np.ptp(medians) < 0.2 * (high - low)


def test_the_forecast_of_a_clean_power_law_is_right() -> None:
    table = curve(40, noise=0.002)
    forecast = ut.fit(table, ["step"], "loss").predict({"step": 1e6})
    truth = 1.5 + 20.0 * 1e6**-0.45
    assert forecast.median == pytest.approx(truth, rel=0.01)
    low, high = forecast.interval(0.95)
    assert low < truth < high
