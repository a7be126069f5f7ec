"""Every bad table gets an error that names the rule, and every odd but good one is understood."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

import unsl_tracking as ut
from unsl_tracking.law import zoo

from .laws import SMALL, codes, curve, min_law

GOOD = curve(20)
Change = Callable[[pd.DataFrame], Any]


def fit(frame: Any, **options: Any) -> ut.FittedLaw:
    return ut.fit(frame, **({"axes": ["step"], "value": "loss", "forms": SMALL} | options))


def first(column: str, value: object) -> Change:
    """Puts a value into the first row of a column."""
    return lambda t: t.astype({column: object}).assign(
        **{column: [value, *t[column].iloc[1:].tolist()]}
    )


BAD: dict[str, tuple[Change, type[ut.UnslError]]] = {
    "text metric": (lambda t: t.assign(loss="low"), ut.DataError),
    "text axis": (first("step", "many"), ut.DataError),
    "lists": (lambda t: t.assign(loss=pd.Series([[1.0]] * len(t), dtype=object)), ut.DataError),
    "complex": (lambda t: t.assign(loss=t["loss"] + 1j), ut.DataError),
    "dates": (lambda t: t.assign(step=pd.date_range("2026", periods=len(t))), ut.DataError),
    "durations": (lambda t: t.assign(step=pd.to_timedelta(t["step"], unit="s")), ut.DataError),
    "categories": (
        lambda t: t.assign(step=pd.Categorical([f"s{i}" for i in range(len(t))])),
        ut.DataError,
    ),
    "too large an integer": (first("step", 10**400), ut.DataError),
    "zero axis": (first("step", 0), ut.AxisError),
    "negative axis": (first("step", -3.0), ut.AxisError),
    "boolean axis": (lambda t: t.assign(step=t["step"] > 1e3), ut.AxisError),
    "constant axis": (lambda t: t.assign(step=5.0), ut.AxisError),
    "zero metric": (first("loss", 0.0), ut.DataError),
    "negative metric": (first("loss", -1.0), ut.DataError),
    "boolean metric": (lambda t: t.assign(loss=t["loss"] > 2.0), ut.DataError),
    "missing axis": (lambda t: t.drop(columns="step"), ut.DataError),
    "missing metric": (lambda t: t.drop(columns="loss"), ut.DataError),
    "column twice": (lambda t: pd.concat([t, t], axis=1), ut.DataError),
    "two levels of columns": (lambda t: pd.concat([t], axis=1, keys=["a"]), ut.DataError),
    "no frame": (lambda t: t.to_dict("records"), ut.DataError),
    "no columns": (lambda t: pd.DataFrame(), ut.DataError),
    "no rows": (lambda t: t.iloc[:0], ut.TooLittleEvidence),
    "four rows": (lambda t: t.iloc[:4], ut.TooLittleEvidence),
    "four scales": (lambda t: pd.concat([t.iloc[:4]] * 5), ut.TooLittleEvidence),
    "metric never finite": (lambda t: t.assign(loss=np.nan), ut.TooLittleEvidence),
    "short span": (lambda t: t.assign(step=np.linspace(1.0, 1.9, len(t))), ut.TooLittleEvidence),
    "text count": (lambda t: t.assign(count="some"), ut.DataError),
    "zero count": (lambda t: t.assign(count=0), ut.DataError),
    "negative count": (lambda t: t.assign(count=-2.0), ut.DataError),
    "infinite count": (lambda t: t.assign(count=np.inf), ut.DataError),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_table_gets_a_clear_error(case: str) -> None:
    change, kind = BAD[case]
    with pytest.raises(kind) as caught:
        fit(change(GOOD))
    assert type(caught.value) is kind
    assert caught.value.rule
    assert caught.value.rule in str(caught.value)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"mode": "lowest"}, "mode"),
        ({"mode": "max"}, "below 1"),
        ({"mode": "max", "ceiling": 2.0}, "below 2"),
        ({"mode": "max", "ceiling": float("nan")}, "finite"),
        ({"mode": "max", "ceiling": float("inf")}, "finite"),
        ({"mode": "max", "ceiling": "one"}, "finite"),
        ({"axes": []}, "must be an axis"),
        ({"axes": ["step", "step"]}, "name of its own"),
        ({"axes": ["step"], "value": "step"}, "different columns"),
        ({"run": "loss"}, "different columns"),
        ({"run": "name"}, "columns of the table"),
        ({"value": None}, "columns of the table"),
        ({"seed": -1}, "seed"),
        ({"seed": 0.5}, "seed"),
        ({"seed": None}, "seed"),
        ({"forms": []}, "forms"),
        ({"forms": ["M2"]}, "forms"),
        ({"forms": [zoo.limited(["tokens"])]}, "axes"),
    ],
    ids=str,
)
def test_a_bad_option_gets_a_clear_error(options: dict[str, Any], rule: str) -> None:
    with pytest.raises(ut.DataError, match=rule):
        fit(GOOD, **options)


def test_a_row_that_does_not_name_its_run_is_refused() -> None:
    with pytest.raises(ut.DataError, match="which run"):
        fit(GOOD.assign(run=pd.Series([None, *["a"] * 19], dtype=object)), run="run")


ODD: dict[str, Change] = {
    "objects": lambda t: t.astype(object),
    "decimals": lambda t: t.map(lambda v: Decimal(repr(v))),
    "numbers as text": lambda t: t.astype(str),
    "nullable": lambda t: t.convert_dtypes(),
    "categories of numbers": lambda t: t.assign(step=pd.Categorical(t["step"])),
    "sparse": lambda t: t.assign(loss=pd.arrays.SparseArray(t["loss"])),
    "another index": lambda t: t.set_index(pd.Index(["x"] * len(t))),
    "other columns": lambda t: t.assign(note="<b>ü</b>", when=pd.Timestamp("2026-01-01")),
    "other order": lambda t: t.sample(frac=1.0, random_state=1),
    "the same count everywhere": lambda t: t.assign(count=7),
    "a huge count everywhere": lambda t: t.assign(count=1e308),
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_table_is_understood(case: str) -> None:
    law = fit(ODD[case](GOOD))
    expected = fit(GOOD).predict({"step": 1e6}).quantile([0.1, 0.5, 0.9])
    np.testing.assert_allclose(law.predict({"step": 1e6}).quantile([0.1, 0.5, 0.9]), expected)


@pytest.mark.parametrize("hole", [None, float("nan"), float("inf"), -float("inf"), pd.NA])
@pytest.mark.parametrize("column", ["step", "loss"])
def test_rows_that_say_nothing_are_left_out_and_reported(column: str, hole: object) -> None:
    law = fit(first(column, hole)(GOOD))
    assert len(law.data) == len(GOOD) - 1
    assert "rows_left_out" in codes(law)
    expected = fit(GOOD.iloc[1:]).predict({"step": 1e6}).median
    assert law.predict({"step": 1e6}).median == pytest.approx(expected, rel=1e-12)


def test_a_refusal_carries_what_is_known() -> None:
    with pytest.raises(ut.TooLittleEvidence) as caught:
        fit(GOOD.iloc[:3])
    known = caught.value.known
    assert known["points"] == known["distinct_points"] == 3
    assert known["best"] == GOOD["loss"].iloc[:3].min()
    factor = known["factor"]
    assert isinstance(factor, dict)
    assert factor["step"] == pytest.approx(GOOD["step"].iloc[2] / GOOD["step"].iloc[0])
    with pytest.raises(ut.TooLittleEvidence) as caught:
        fit(GOOD.iloc[:3].assign(loss=[0.1, 0.3, 0.2]), mode="max")
    assert caught.value.known["best"] == 0.3


@pytest.mark.parametrize(
    "change",
    [lambda t: t.iloc[:5], lambda t: t.assign(step=np.linspace(1.0, 2.1, len(t)))],
    ids=["five rows", "a factor of two"],
)
def test_just_enough_evidence_is_not_refused(change: Change) -> None:
    forecast = fit(change(GOOD)).predict({"step": 1e4})
    low, high = forecast.interval(0.8)
    assert 0.0 < low < forecast.median < high


def test_errors_are_caught_as_the_kinds_that_python_has() -> None:
    for frame in (GOOD.iloc[:2], GOOD.assign(loss="x")):
        with pytest.raises(ValueError):
            fit(frame)


def test_the_table_that_was_given_is_left_as_it_was() -> None:
    given = GOOD.assign(run="a", loss=GOOD["loss"].where(GOOD.index != 3))
    before = given.copy(deep=True)
    fit(given, run="run").update(given.iloc[:2])
    pd.testing.assert_frame_equal(given, before)


@pytest.mark.parametrize("unit", [1e-300, 1e-20, 1e20, 1e300])
def test_a_metric_may_be_counted_in_any_unit(unit: float) -> None:
    law = fit(GOOD.assign(loss=GOOD["loss"] * unit))
    expected = fit(GOOD).predict({"step": 1e6}).quantile([0.1, 0.5, 0.9])
    found = law.predict({"step": 1e6}).quantile([0.1, 0.5, 0.9])
    np.testing.assert_allclose(found / unit, expected, rtol=1e-4)


def test_the_law_keeps_what_it_was_told() -> None:
    law = min_law()
    assert law.axes == ("step",)
    assert law.value == "loss"
    assert law.mode == "min"
    assert list(law.data.columns) == ["step", "loss"]
    assert "30 points" in repr(law)
