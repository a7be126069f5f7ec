"""Whatever the table: a finite forecast or one of our own errors."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

import unsl_tracking as ut

AXES = [
    ("a",),
    ("step",),
    ("params", "tokens"),
    ("a", "b", "c"),
    ("params", "tokens", "unique_tokens"),
    ("params", "lr"),
]


@st.composite
def tables(draw: st.DrawFn) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Positive tables of any scale: outliers, constants, next to no noise, repeated rows."""
    axes = draw(st.sampled_from(AXES))
    n = draw(st.integers(5, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    table = {}
    for axis in axes:
        ln_unit = draw(st.floats(-46.0, 46.0))  # 1e-20 … 1e20
        width = draw(st.sampled_from([0.3, 2.0, 8.0, 40.0]))
        table[axis] = np.exp(ln_unit + width * rng.uniform(-1.0, 1.0, n))
    noise = draw(st.sampled_from([0.0, 1e-13, 0.01, 1.0, 20.0]))
    ln_y = draw(st.floats(-46.0, 46.0)) + noise * rng.normal(size=n)
    if draw(st.booleans()):
        ln_y -= draw(st.sampled_from([-0.3, 0.1, 0.5])) * np.log(table[axes[0]])
    if draw(st.booleans()):
        ln_y[rng.integers(n)] += draw(st.sampled_from([-20.0, 20.0]))
    frame = pd.DataFrame(table | {"y": np.exp(ln_y)})
    if draw(st.booleans()):
        frame = pd.concat([frame, frame.iloc[:3]])
    if draw(st.booleans()):
        frame["count"] = 10.0 ** rng.integers(0, 9, len(frame))
    return frame, axes


@settings(max_examples=20)
@given(case=tables(), reach=st.sampled_from([1e-3, 1.0, 10.0, 1e6, 1e30]))
def test_a_forecast_is_finite_or_refused(
    case: tuple[pd.DataFrame, tuple[str, ...]], reach: float
) -> None:
    frame, axes = case
    try:
        law = ut.fit(frame, axes, "y")
    except ut.UnslError:
        return
    forecast = law.predict({axis: frame[axis].to_numpy() * reach for axis in axes})
    quantiles = forecast.quantile([0.025, 0.1, 0.5, 0.9, 0.975])
    assert np.isfinite(quantiles).all()
    assert (quantiles >= 0.0).all()
    assert (np.diff(quantiles, axis=0) >= 0.0).all()
    levels = forecast.cdf(forecast.median)
    assert ((levels >= 0.0) & (levels <= 1.0)).all()
    assert np.isfinite(forecast.sample(3)).all()
    json.dumps(forecast.to_dict(), allow_nan=False)
    assert np.isfinite(law.summary().parameters["estimate"]).all()
    assert ut.FittedLaw.from_json(law.to_json()).to_json() == law.to_json()


@settings(max_examples=6)
@given(case=tables())
def test_an_update_with_anything_positive_is_finite_or_refused(
    case: tuple[pd.DataFrame, tuple[str, ...]],
) -> None:
    frame, axes = case
    half = len(frame) // 2
    try:
        law = ut.fit(frame.iloc[:half], axes, "y").update(frame.iloc[half:])
    except ut.UnslError:
        return
    at = {axis: float(frame[axis].max()) * 10.0 for axis in axes}
    assert np.isfinite(law.predict(at).quantile([0.1, 0.5, 0.9])).all()
