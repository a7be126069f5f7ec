from __future__ import annotations

from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.core.forecast.laws import min_law
from unsl_tracking.decide.gate import backtest_by_size
from unsl_tracking.experiment.coarse import coarse

AXES = ("params", "step")


def curves(rows: int = 100) -> pd.DataFrame:
    """Two runs of a pure power law, the second of five rows."""
    parts = []
    for run, params, count in (("long", 1e6, rows), ("short", 1e7, 5)):
        step = np.linspace(10, 1000, count)
        value = 30.0 * params**-0.2 * step**-0.3
        parts.append(pd.DataFrame({"run": run, "params": params, "step": step, "loss": value}))
    return pd.concat(parts, ignore_index=True).assign(count=2)


def coarsened(frame: pd.DataFrame, points: int = 6, mode: str = "min") -> pd.DataFrame:
    return coarse(frame, AXES, "loss", "run", mode=mode, points=points)


def test_a_long_curve_becomes_few_rows_that_stand_for_all_of_its_own() -> None:
    found = coarsened(curves())
    long = found[found["run"] == "long"]
    assert 2 <= len(long) <= 6
    assert long["count"].sum() == 200
    assert (np.diff(long["step"]) > 0).all()


def test_a_short_curve_stays_as_it_is() -> None:
    frame = curves()
    found = coarsened(frame)
    short = found[found["run"] == "short"].reset_index(drop=True)
    expected = frame[frame["run"] == "short"].reset_index(drop=True)
    pd.testing.assert_frame_equal(short, expected, check_dtype=False)


def test_a_power_law_stays_the_same_power_law() -> None:
    found = coarsened(curves())
    expected = 30.0 * found["params"] ** -0.2 * found["step"] ** -0.3
    np.testing.assert_allclose(found["loss"], expected, rtol=1e-12)


def test_where_a_run_ended_is_known_to_the_digit() -> None:
    frame = curves()
    frame.loc[99, "loss"] = 0.1234567890123
    last = coarsened(frame)[lambda t: t["run"] == "long"].iloc[-1]
    assert (last["step"], last["loss"], last["count"]) == (1000.0, 0.1234567890123, 2)


def test_a_constant_of_a_run_stays_one_to_the_digit() -> None:
    frame = curves(1000).assign(params=lambda t: t["params"] * 6.79477248)
    found = coarsened(frame)
    assert set(found["params"]) == set(frame["params"])


def test_the_order_in_which_rows_were_logged_does_not_matter() -> None:
    frame = curves()
    shuffled = frame.sample(frac=1.0, random_state=0)
    one, two = (coarsened(f).sort_values(["run", "step"]) for f in (frame, shuffled))
    np.testing.assert_allclose(one[["step", "loss"]], two[["step", "loss"]], rtol=1e-12)


def test_metrics_to_maximise_may_be_zero_or_below() -> None:
    frame = curves().assign(loss=lambda t: 1.0 - t["loss"] * 10.0)
    found = coarsened(frame, mode="max")
    assert np.isfinite(found["loss"]).all() and (found["loss"] < 0.0).any()


@pytest.mark.parametrize("points", [2, 3, 20])
def test_there_are_never_more_rows_than_asked_for(points: int) -> None:
    assert coarsened(curves(1000), points).groupby("run").size().max() <= max(points, 5)


# --- replaying the past in a pool ----------------------------------------------------------------


class Broken(Executor):
    """Processes that cannot be started."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        raise BrokenExecutor("no process can be started")


def test_a_backtest_in_a_pool_is_the_same_backtest() -> None:
    alone = backtest_by_size(min_law())
    with ThreadPoolExecutor(3) as pool:
        shared = backtest_by_size(min_law(), pool)
    assert alone is not None and shared is not None
    pd.testing.assert_frame_equal(alone.frame, shared.frame)


def test_a_pool_that_breaks_costs_time_and_nothing_else() -> None:
    alone, broken = backtest_by_size(min_law()), backtest_by_size(min_law(), Broken())
    assert alone is not None and broken is not None
    pd.testing.assert_frame_equal(alone.frame, broken.frame)
