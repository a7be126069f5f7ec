"""Long curves are averaged into log-spaced buckets, and nothing else is."""

from __future__ import annotations

import numpy as np
import pandas as pd

import unsl_tracking as ut
from unsl_tracking.forecast.thin import BUCKETS, LONGEST, thin


def curve(n: int) -> pd.DataFrame:
    step = np.arange(1, n + 1, dtype=float)
    noise = np.exp(0.01 * np.random.default_rng(0).normal(size=n))
    return pd.DataFrame({"step": step, "loss": (1.5 + 30.0 * step**-0.4) * noise})


def test_short_curves_stay_as_they_are() -> None:
    table = curve(LONGEST)
    assert thin(table, ["step"], "loss", None) is table


def test_a_long_curve_keeps_its_count_and_its_mean() -> None:
    table = curve(5000)
    thinned = thin(table, ["step"], "loss", None)
    assert len(thinned) <= BUCKETS
    assert thinned["count"].sum() == 5000
    np.testing.assert_allclose(
        np.average(thinned["loss"], weights=thinned["count"]), table["loss"].mean()
    )


def test_rows_one_run_at_a_time_or_together_give_the_same_buckets() -> None:
    tables = [curve(400).assign(run="a"), curve(700).assign(run="b"), curve(20).assign(run="c")]
    together = thin(pd.concat(tables, ignore_index=True), ["step"], "loss", "run")
    apart = [thin(t, ["step"], "loss", "run") for t in tables]
    one_by_one = pd.concat(apart, ignore_index=True).fillna({"count": 1.0})
    pd.testing.assert_frame_equal(together, one_by_one)


def test_a_constant_of_a_run_stays_one_to_the_digit() -> None:
    small = curve(20).assign(run="b", params=1e7)
    table = pd.concat([small, curve(5000).assign(run="a", params=679477248.0)], ignore_index=True)
    thinned = thin(table, ["params", "step"], "loss", "run")
    assert set(thinned["params"]) == {679477248.0, 1e7}
    law = ut.fit(table[:-10], ["params", "step"], "loss", run="run")
    law.update(table[-10:])
    assert set(law.data["params"]) == {679477248.0, 1e7}


def test_a_long_run_beside_a_short_one_leaves_no_row_without_a_count() -> None:
    table = pd.concat([curve(400).assign(run="a"), curve(20).assign(run="b")], ignore_index=True)
    law = ut.fit(table, ["step"], "loss", run="run", forms=[ut.Form.from_dict(SIMPLE)])
    assert law.data["count"].sum() == 420
    assert np.isfinite(law.predict({"step": 1e3}).median)


def test_a_table_of_many_short_runs_is_not_thinned() -> None:
    table = pd.concat([curve(10).assign(run=str(i)) for i in range(100)], ignore_index=True)
    assert thin(table, ["step"], "loss", "run") is table


def test_a_million_steps_are_kept_in_a_bounded_number_of_rows_however_they_arrive() -> None:
    table = curve(20_000)
    law = ut.fit(table.iloc[:15_000], ["step"], "loss", forms=[ut.Form.from_dict(SIMPLE)])
    for start in range(15_000, 20_000, 1_000):
        law.update(table.iloc[start : start + 1_000])
    assert len(law.data) <= LONGEST
    fresh = ut.fit(table, ["step"], "loss", forms=[ut.Form.from_dict(SIMPLE)])
    at = {"step": 1e6}
    low, high = fresh.predict(at).interval(0.8)
    assert abs(law.predict(at).median - fresh.predict(at).median) < 0.2 * (high - low)


SIMPLE = {
    "name": "M2",
    "axes": ["step"],
    "terms": [{"term": "BrokenPowerLaw", "axes": ["step"]}, {"term": "Limit"}],
}
