"""Laws with given parameters: they say what the formula says, and refuse what they cannot do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import unsl_tracking as ut
from unsl_tracking.law import zoo

SPANS = {"params": (1e7, 1e9)}


def law() -> ut.FittedLaw:
    """1.5 + 8 / params^0.1."""
    return ut.given_law(zoo.limited(["params"]), [np.log(8.0), 0.1, np.log(1.5)], SPANS, noise=0.02)


def test_it_forecasts_what_the_formula_says_with_the_noise_that_was_given() -> None:
    forecast = law().predict({"params": 1e8})
    assert forecast.median == pytest.approx(1.5 + 8.0 * 1e8**-0.1)
    low, high = forecast.interval(0.8)
    # As wide as the 80% of a normal, to within what heavier tails change of it.
    assert np.log(high / low) == pytest.approx(2 * 1.2816 * 0.02, rel=0.05)
    assert forecast.warnings == ()


def test_beyond_what_it_is_known_for_it_is_less_sure_and_says_so() -> None:
    inside, outside = (law().predict({"params": p}) for p in (1e9, 1e13))
    widths = [np.log(f.interval(0.8)[1] / f.interval(0.8)[0]) for f in (inside, outside)]
    assert widths[1] > 2 * widths[0]
    assert "extrapolation" in {w.code for w in outside.warnings}


def test_chinchillas_law_is_its_formula() -> None:
    known = ut.chinchilla_law(1.69, 406.4, 410.7, 0.34, 0.28)
    params, tokens = 70e9, 1.4e12
    expected = 1.69 + 406.4 * params**-0.34 + 410.7 * tokens**-0.28
    assert known.predict({"params": params, "tokens": tokens}).median == pytest.approx(expected)
    assert str(known.summary())


def test_it_survives_being_saved() -> None:
    again = ut.FittedLaw.from_json(law().to_json())
    assert again.predict({"params": 1e8}).median == law().predict({"params": 1e8}).median


def test_rows_cannot_be_added_to_a_law_that_came_without_any() -> None:
    rows = pd.DataFrame({"params": np.geomspace(1e7, 1e9, 9), "loss": np.linspace(3, 2, 9)})
    with pytest.raises(ut.DataError, match="given parameters"):
        law().update(rows)
    with pytest.raises(ut.TooLittleEvidence):
        law().backtest()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"theta": [1.0, 2.0]}, "has 3 finite parameters"),
        ({"theta": [1.0, np.nan, 2.0]}, "has 3 finite parameters"),
        ({"covariance": [[1.0]]}, "3 by 3"),
        ({"noise": 0.0}, "noise is a positive number"),
        ({"spans": {"tokens": (1.0, 2.0)}}, "spans name the axes params"),
        ({"spans": {"params": (2.0, 1.0)}}, "lies below its highest"),
        ({"spans": {"params": (0.0, 1.0)}}, "both positive"),
    ],
)
def test_numbers_that_make_no_law_are_refused(change: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"theta": [2.0, 0.1, 0.4], "spans": SPANS} | change
    with pytest.raises(ut.DataError, match=message):
        ut.given_law(zoo.limited(["params"]), **arguments)  # type: ignore[arg-type]


def test_chinchillas_law_takes_positive_numbers() -> None:
    with pytest.raises(ut.DataError, match="positive E, A and B"):
        ut.chinchilla_law(1.69, -406.4, 410.7, 0.34, 0.28)
