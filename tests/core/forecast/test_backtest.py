"""Backtests: nothing leaks from above an origin, and what is counted is what happened."""

from __future__ import annotations

import dataclasses
import json
import math
from functools import cache

import numpy as np
import pandas as pd
import pytest

import unsl_tracking as ut
from unsl_tracking.forecast.backtest import EDGES
from unsl_tracking.law import zoo

from .laws import SMALL, curve, grid

FORECAST = ["median", "lo50", "hi50", "lo80", "hi80", "lo95", "hi95"]
TWO_AXES = [zoo.chinchilla(("params", "step"))]


def runs(count: int = 6, noise: float = 0.005, seed: int = 0) -> pd.DataFrame:
    """Runs of growing size, twelve checkpoints each."""
    rng = np.random.default_rng(seed)
    params, step = (
        a.ravel()
        for a in np.meshgrid(
            np.geomspace(1e4, 1e6, count), np.geomspace(20, 2000, 12), indexing="ij"
        )
    )
    loss = 0.5 + 30 * params**-0.4 + 6 * step**-0.45
    name = [f"r{i}" for i in range(count) for _ in range(12)]
    return pd.DataFrame(
        {
            "name": name,
            "params": params,
            "step": step,
            "loss": loss * np.exp(noise * rng.normal(size=len(loss))),
        }
    )


def fit_runs(table: pd.DataFrame) -> ut.FittedLaw:
    return ut.fit(table, ["params", "step"], "loss", run="name", forms=TWO_AXES)


@cache
def by_size() -> ut.Backtest:
    return ut.fit(curve(40), ["step"], "loss", forms=SMALL).backtest()


@cache
def by_runs() -> ut.Backtest:
    return fit_runs(runs()).backtest()


def with_pit(pit: np.ndarray, unit: np.ndarray, decades: float = 0.1) -> ut.Backtest:
    """A backtest whose outcomes came out at these probabilities."""
    frame = by_size().frame.iloc[:1].drop(columns=["pit", "unit", "decades"])
    frame = pd.concat([frame] * len(pit), ignore_index=True)
    frame = frame.assign(pit=pit, unit=unit, decades=decades)
    return dataclasses.replace(by_size(), frame=frame)


# --- nothing leaks -------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", range(4))
def test_by_size_values_above_an_origin_change_nothing_in_its_forecasts(unit: int) -> None:
    table = curve(40)
    before = by_size().frame
    before = before[before["unit"] == unit]
    above = table["step"].isin(before["step"])
    assert above.any()
    table.loc[above, "loss"] *= np.linspace(0.3, 9.0, int(above.sum()))
    after = ut.fit(table, ["step"], "loss", forms=SMALL).backtest().frame
    after = after[after["unit"] == unit]
    np.testing.assert_array_equal(after[FORECAST], before[FORECAST])
    assert (after["actual"].to_numpy() != before["actual"].to_numpy()).all()


def test_the_ladder_leaks_nothing_either() -> None:
    table = grid()
    before = ut.fit(table, ["params", "tokens"], "loss").backtest(origins=1).frame
    above = pd.MultiIndex.from_frame(table[["params", "tokens"]]).isin(
        pd.MultiIndex.from_frame(before[["params", "tokens"]])
    )
    table.loc[above, "loss"] += np.linspace(0.0, 30.0, int(above.sum()))
    after = ut.fit(table, ["params", "tokens"], "loss").backtest(origins=1).frame
    np.testing.assert_array_equal(after[FORECAST], before[FORECAST])


@pytest.mark.parametrize(("share", "row"), [(0.3, 0), (0.5, 1), (0.7, 2)])
def test_by_runs_the_rest_of_a_run_and_larger_runs_change_nothing(share: float, row: int) -> None:
    table = runs()
    before = by_runs().frame.query("run == 'r3'").iloc[row]
    assert before["origin"] == share
    unseen = table["name"].isin(["r4", "r5"])
    unseen |= (table["name"] == "r3") & (table["step"] > share * 2000)
    table.loc[unseen, "loss"] *= 3.0
    after = fit_runs(table).backtest().frame.query("run == 'r3'").iloc[row]
    assert list(after[FORECAST]) == list(before[FORECAST])
    assert after["actual"] == pytest.approx(3.0 * before["actual"])


def test_a_run_does_not_help_to_forecast_itself_by_size() -> None:
    frame = fit_runs(runs()).backtest(design="size").frame
    for _, rows in frame.groupby("unit"):
        seen = 12 * (6 - rows["run"].nunique())
        assert (rows["seen"] == seen).all()


def test_an_earlier_recalibration_does_not_change_a_backtest() -> None:
    law = ut.fit(curve(40), ["step"], "loss", forms=SMALL)
    wide = with_pit(np.repeat([0.001, 0.999], 20), np.arange(40))
    again = law.recalibrate(wide).backtest()
    pd.testing.assert_frame_equal(again.frame, by_size().frame)


# --- what is scored ------------------------------------------------------------------------------


def test_by_size_everything_larger_is_scored_and_the_horizon_is_its_distance() -> None:
    table, frame = curve(40), by_size().frame
    for _, rows in frame.groupby("unit"):
        seen = int(rows["seen"].iloc[0])
        assert len(rows) + seen == len(table)
        reached = table["step"].sort_values().iloc[seen - 1]
        np.testing.assert_allclose(rows["decades"], np.log10(rows["step"] / reached))
        np.testing.assert_allclose(rows["horizon"], np.log(rows["step"] / reached))
    assert by_size().design == "size"
    assert frame["run"].isna().all()


def test_runs_with_an_axis_along_them_are_forecast_from_their_beginnings() -> None:
    tested = by_runs()
    assert tested.design == "runs"
    assert tested.frame.groupby("run")["origin"].agg(list).to_dict() == {
        f"r{i}": [0.3, 0.5, 0.7] for i in range(1, 6)
    }
    assert (tested.frame["step"] == 2000).all()
    assert tested.units == 5


def test_what_a_law_of_those_days_would_have_refused_is_named() -> None:
    assert [s.name for s in by_runs().skipped] == [
        f"r0 from its first {share}" for share in ("30%", "50%", "70%")
    ]
    assert "params" in by_runs().skipped[0].reason
    assert "not scored: r0" in str(by_runs())


def test_of_equally_large_runs_those_listed_before_are_seen() -> None:
    table = pd.concat([runs(3), runs(3, seed=1).assign(name=lambda t: "again " + t["name"])])
    frame = fit_runs(table).backtest().frame
    last_seen = frame[frame["origin"] == 0.7].set_index("run")["seen"]
    assert last_seen["again r2"] - last_seen["r2"] == 12


def test_the_number_of_origins_and_of_runs_can_be_asked_for() -> None:
    law = ut.fit(curve(40), ["step"], "loss", forms=SMALL)
    assert [law.backtest(origins=n).units for n in (1, 2)] == [1, 2]
    assert list(fit_runs(runs()).backtest(origins=2).frame["run"].unique()) == ["r1", "r5"]


def test_errors_of_a_metric_to_maximise_are_those_of_its_distance_to_the_ceiling() -> None:
    table = curve(40).assign(accuracy=lambda t: 0.9 - 0.1 * t["loss"])
    law = ut.fit(table, ["step"], "accuracy", mode="max", ceiling=0.9, forms=SMALL)
    frame = law.backtest(origins=1).frame
    error = np.log((0.9 - frame["median"]) / (0.9 - frame["actual"]))
    np.testing.assert_allclose(frame["ln_error"], error, atol=1e-9)
    np.testing.assert_allclose(frame["ln_error"], -0.0 + by_size_at_one()["ln_error"], atol=1e-6)
    np.testing.assert_allclose(frame["pit"], 1.0 - by_size_at_one()["pit"], atol=1e-6)


@cache
def by_size_at_one() -> pd.DataFrame:
    return ut.fit(curve(40), ["step"], "loss", forms=SMALL).backtest(origins=1).frame


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    law = ut.fit(curve(40), ["step"], "loss", forms=SMALL)
    law.backtest(origins=2, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


# --- tables --------------------------------------------------------------------------------------


def test_coverage_counts_what_fell_inside() -> None:
    pit = (np.arange(200) + 0.5) / 200
    found = with_pit(pit, np.arange(200)).coverage([0.5, 0.8, 0.95])
    overall = found[found["bin"] == "all"]
    np.testing.assert_allclose(overall["coverage"], [0.5, 0.8, 0.95])
    np.testing.assert_allclose(overall["se"], np.sqrt([0.25, 0.16, 0.0475]) / math.sqrt(200))


def test_each_unit_has_the_same_share() -> None:
    pit = np.array([0.5, 0.999, 0.999, 0.999])
    overall = with_pit(pit, np.array([0, 1, 1, 1])).coverage([0.8]).iloc[0]
    assert overall["coverage"] == pytest.approx(0.5)
    assert (overall["units"], overall["rows"]) == (2, 4)


def test_tables_are_by_decades_beyond_the_data() -> None:
    error, frame = by_size().error(), by_size().frame
    assert list(error["bin"]) == ["all", "up to 0.25", "0.25 to 0.5", "0.5 to 1", "1 to 2"]
    assert error["rows"].iloc[1:].sum() == error["rows"].iloc[0] == len(frame)
    near = frame[frame["decades"] <= EDGES[0]]
    assert error["rows"].iloc[1] == len(near)
    assert error["rmsle"].iloc[1] < error["rmsle"].iloc[-1]


def test_known_laws_are_covered_about_as_often_as_promised() -> None:
    held = []
    for seed in range(8):
        law = ut.fit(curve(30, noise=0.02, seed=seed), ["step"], "loss", forms=SMALL)
        held.append(law.backtest(origins=3).coverage([0.8])["coverage"].iloc[0])
    assert 0.6 <= np.mean(held) <= 0.97


def test_scores_are_those_of_the_mixture() -> None:
    score, frame = by_size().score(), by_size().frame
    assert score["log_score"] > 0.0  # a density of errors of a few percent
    assert 0.0 < score["crps"] < frame["ln_error"].abs().max()


def test_supported_decades_end_where_errors_grow_too_large() -> None:
    tested = by_size()
    farthest = tested.frame["decades"].max()
    assert tested.supported_decades(max_error=10.0) == pytest.approx(farthest)
    assert tested.supported_decades(max_error=1e-6) == 0.0
    rmsle = tested.error().set_index("bin")["rmsle"]
    between = tested.supported_decades(max_error=float(rmsle["up to 0.25"]) * 1.0001)
    assert 0.0 < between <= EDGES[1]


def test_supported_decades_end_where_intervals_hold_too_little() -> None:
    missed = with_pit(np.full(4, 0.999), np.arange(4))
    assert missed.supported_decades(max_error=None, coverage=0.5) == 0.0
    held = with_pit(np.full(4, 0.6), np.arange(4), decades=0.2)
    assert held.supported_decades(max_error=None, coverage=0.5) == 0.2
    with pytest.raises(ut.DataError, match="max_error or coverage"):
        held.supported_decades(max_error=None)


def test_levels_that_are_no_shares_are_refused() -> None:
    with pytest.raises(ut.DataError, match="levels"):
        by_size().coverage([80])


# --- as text and JSON ----------------------------------------------------------------------------


def test_the_text_has_the_figures() -> None:
    text = str(by_size())
    for expected in ("Backtest of loss: 4 origins by size", "80% held", "0.5 to 1", "rmsle"):
        assert expected in text


@pytest.mark.parametrize("make", [by_size, by_runs])
def test_a_backtest_is_strict_json(make: object) -> None:
    tested = by_size() if make is by_size else by_runs()
    text = json.dumps(tested.to_dict(), allow_nan=False)
    content = json.loads(text)
    assert content["schema"] == "unsl_tracking/backtest"
    assert len(content["rows"]) == len(tested.frame)
    assert content["rows"][0]["median"] == tested.frame["median"].iloc[0]
    assert content["units"] == tested.units


def test_what_is_not_finite_is_null_in_json() -> None:
    frame = by_size().frame.assign(log_score=-np.inf)
    tested = dataclasses.replace(by_size(), frame=frame)
    content = json.loads(json.dumps(tested.to_dict(), allow_nan=False))
    assert content["score"]["log_score"] is None
    assert content["rows"][0]["log_score"] is None


def test_the_same_law_gives_the_same_backtest() -> None:
    again = fit_runs(runs()).backtest()
    pd.testing.assert_frame_equal(again.frame, by_runs().frame)
    stored = ut.FittedLaw.from_json(fit_runs(runs()).to_json()).backtest()
    pd.testing.assert_frame_equal(stored.frame, by_runs().frame)


# --- refusals ------------------------------------------------------------------------------------


def test_too_little_to_have_been_forecast_from_a_part_is_refused_with_what_is_known() -> None:
    law = ut.fit(curve(5), ["step"], "loss", forms=SMALL)
    with pytest.raises(ut.TooLittleEvidence, match="backtest of loss") as refused:
        law.backtest()
    assert refused.value.known["points"] == 5
    assert "the smallest" in str(refused.value.known["tried"])


def test_runs_that_cannot_be_told_apart_are_refused_by_runs() -> None:
    law = ut.fit(curve(40), ["step"], "loss", forms=SMALL)
    with pytest.raises(ut.TooLittleEvidence):
        law.backtest(design="runs")


@pytest.mark.parametrize("origins", [0, -1, 1.5, True, "3"])
def test_a_number_of_origins_that_is_none_is_refused(origins: object) -> None:
    law = ut.fit(curve(40), ["step"], "loss", forms=SMALL)
    with pytest.raises(ut.DataError, match="number of origins"):
        law.backtest(origins=origins)  # type: ignore[arg-type]


def test_an_unknown_design_and_another_run_column_are_refused() -> None:
    with pytest.raises(ut.DataError, match="by size or by runs"):
        fit_runs(runs()).backtest(design="time")  # type: ignore[arg-type]
    with pytest.raises(ut.DataError, match="run='id'"):
        fit_runs(runs()).backtest(run="id")
