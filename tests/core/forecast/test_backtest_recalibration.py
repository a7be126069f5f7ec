"""The width of intervals follows the outcomes, as far as there are outcomes."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

import unsl_tracking as ut
from unsl_tracking.forecast.recalibration import weighted_quantile, width_factor

from .laws import SMALL, curve

AT = {"step": 1e6}


def a_law() -> ut.FittedLaw:
    return ut.fit(curve(40), ["step"], "loss", forms=SMALL)


def outcomes(law: ut.FittedLaw, spread: float, units: int) -> ut.Backtest:
    """As if outcomes had been `spread` times as far from the median as the law expected."""
    tested = law.backtest(origins=1)
    row = tested.frame.iloc[:1].drop(columns=["unit", "pit"])
    frame = pd.concat([row] * units, ignore_index=True)
    z = np.random.default_rng(5).normal(size=units)
    return dataclasses.replace(
        tested, frame=frame.assign(unit=np.arange(units), pit=ndtr(spread * z))
    )


def width_of(law: ut.FittedLaw) -> float:
    low, high = law.predict(AT).interval(0.8)
    return float(high - low)


def test_an_overconfident_law_widens() -> None:
    law = a_law()
    median, before = law.predict(AT).median, width_of(law)
    law.recalibrate(outcomes(law, spread=3.0, units=40))
    assert width_of(law) > 1.5 * before
    assert law.predict(AT).median == pytest.approx(median, rel=0.01)


def test_a_timid_law_narrows() -> None:
    law = a_law()
    before = width_of(law)
    assert width_of(law.recalibrate(outcomes(law, spread=0.3, units=40))) < 0.8 * before


def test_a_calibrated_law_hardly_moves() -> None:
    law = a_law()
    before = width_of(law)
    law.recalibrate(outcomes(law, spread=1.0, units=100))
    assert width_of(law) == pytest.approx(before, rel=0.15)


def test_the_more_outcomes_the_more_the_width_follows_them() -> None:
    factors = [
        width_factor(np.tile([0.0005, 0.9995], units), np.arange(2 * units))
        for units in (1, 4, 16, 64)
    ]
    assert factors == sorted(factors)
    assert 1.0 < factors[0] < 1.3
    assert factors[-1] > 2.0
    assert width_factor(np.full(9999, 0.0), np.arange(9999)) < 4.0


def test_rows_of_one_unit_count_once() -> None:
    one = width_factor(np.array([0.0005]), np.array([0]))
    assert width_factor(np.full(50, 0.0005), np.zeros(50, dtype=int)) == pytest.approx(one)


def test_an_impossible_outcome_gives_a_finite_width() -> None:
    assert 1.0 < width_factor(np.array([0.0, 1.0, 1.0]), np.arange(3)) < 2.0
    assert 0.5 < width_factor(np.full(5, 0.5), np.arange(5)) < 1.0


def test_quantiles_of_equal_weights_lie_between_the_values() -> None:
    assert weighted_quantile(np.array([3.0, 1.0, 2.0]), np.ones(3), 0.5) == 2.0
    assert weighted_quantile(np.array([1.0, 3.0]), np.ones(2), 0.5) == 2.0


def test_the_width_survives_json_and_updates() -> None:
    law = a_law()
    law.recalibrate(outcomes(law, spread=3.0, units=40))
    again = ut.FittedLaw.from_json(law.to_json())
    assert again.to_json() == law.to_json()
    assert again.mixture.width == law.mixture.width > 1.5
    more = curve(41).tail(1).assign(step=2e5)
    assert law.update(more).mixture.width == again.mixture.width


def test_a_law_stored_before_there_were_widths_is_read() -> None:
    law = a_law()
    assert "width" not in json.loads(law.to_json())["mixture"]
    assert ut.FittedLaw.from_json(law.to_json()).mixture.width == 1.0


@pytest.mark.parametrize("bad", [0.0, -1.0, "2", None, True, 1e400, 10**400, [2.0]], ids=repr)
def test_a_stored_width_that_is_no_factor_is_refused(bad: object) -> None:
    document = json.loads(a_law().to_json())
    document["mixture"]["width"] = bad
    with pytest.raises(ut.DataError):
        ut.FittedLaw.from_json(json.dumps(document))


def test_a_backtest_of_another_law_is_refused() -> None:
    law = a_law()
    other = dataclasses.replace(law.backtest(origins=1), metric="accuracy")
    with pytest.raises(ut.DataError, match="accuracy"):
        law.recalibrate(other)


def test_recalibrating_twice_is_recalibrating_once() -> None:
    law = a_law()
    tested = law.backtest()
    once = law.recalibrate(tested).to_json()
    assert law.recalibrate(law.backtest()).to_json() == once
