from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import unsl_tracking as ut
from unsl_tracking.decide import Decision, Evidence, StopRule, decide_stop
from unsl_tracking.decide.evidence import Mode
from unsl_tracking.decide.stop import bar_of
from unsl_tracking.errors import DataError
from unsl_tracking.forecast.metric_scale import MetricScale
from unsl_tracking.forecast.predictive import Predictive
from unsl_tracking.runs.stopped import STOPPING


def forecast_of(median: float, sd: float = 0.01) -> ut.Forecast:
    """A forecast that is one log-normal."""
    one = np.array([1.0])
    predictive = Predictive(one, np.array([[math.log(median)]]), np.array([[sd]]))
    end = pd.DataFrame({"step": [1000.0]})
    return ut.Forecast(end, "loss", predictive, MetricScale("min"), (), single=True)


def evidence_of(
    values: list[float], *, recent: list[float] | None = None, mode: Mode = "min"
) -> Evidence:
    steps = np.arange(1.0, len(values) + 1.0) * 10
    last = tuple(values if recent is None else recent)
    return Evidence(mode, steps, np.array(values), last, len(values), 10.0 * len(values), 0.5)


FALLING = [3.0, 2.8, 2.6, 2.5, 2.42, 2.36, 2.31, 2.28, 2.26, 2.25]


@pytest.mark.parametrize(
    "wrong",
    [
        {"target": math.nan},
        {"target": "low"},
        {"confidence": 1.0},
        {"confidence": 0.3},
        {"patience": 0},
        {"patience": 1.5},
        {"min_points": 0},
        {"min_fraction": 1.0},
        {"min_fraction": -0.1},
        {"best_of": 0},
        {"diverged": 1},
        {"search": 1},
        {"proportional": 1},
        {"plateau": 2.0},
        {"dry_run": "yes"},
    ],
)
def test_a_bad_rule_fails_when_it_is_made(wrong: dict[str, object]) -> None:
    with pytest.raises(DataError):
        StopRule(**wrong)  # type: ignore[arg-type]


def test_the_bar_is_the_target_the_kth_best_sibling_or_the_stricter_of_both() -> None:
    finals = [2.5, 2.1, 2.3]
    assert bar_of(StopRule(), finals, "min") == (2.1, "the best finished sibling")
    assert bar_of(StopRule(), finals, "max") == (2.5, "the best finished sibling")
    assert bar_of(StopRule(best_of=2), finals, "min") == (2.3, "place 2 of finished siblings")
    assert bar_of(StopRule(target=2.0), finals, "min") == (2.0, "the target")
    assert bar_of(StopRule(target=2.2, best_of=1), finals, "min") == (
        2.1,
        "the best finished sibling",
    )
    assert bar_of(StopRule(best_of=4), finals, "min") is None
    assert bar_of(StopRule(), [math.nan], "min") is None


def test_a_run_is_doomed_after_patience_checks_in_a_row() -> None:
    rule = StopRule(target=2.0, patience=2)
    evidence = evidence_of(FALLING)
    first = decide_stop(rule, evidence, forecast=forecast_of(2.2))
    assert (first.verdict, first.streak, first.should_stop) == ("continue", 1, False)
    second = decide_stop(rule, evidence, forecast=forecast_of(2.2), previous=first)
    assert (second.verdict, second.should_stop) == ("doomed", True)
    assert second.probability == pytest.approx(1.0)
    assert "the target, 2" in second.reason and second.reason.endswith(".")


def test_a_check_that_finds_hope_starts_the_count_again() -> None:
    rule = StopRule(target=2.0, patience=2)
    evidence = evidence_of(FALLING)
    first = decide_stop(rule, evidence, forecast=forecast_of(2.2))
    hope = decide_stop(rule, evidence, forecast=forecast_of(2.0), previous=first)
    assert hope.streak == 0
    third = decide_stop(rule, evidence, forecast=forecast_of(2.2), previous=hope)
    assert third.verdict == "continue"


def test_a_dry_run_records_the_verdict_but_never_asks_to_stop() -> None:
    rule = StopRule(target=2.0, patience=1, dry_run=True)
    decision = decide_stop(rule, evidence_of(FALLING), forecast=forecast_of(2.2))
    assert decision.verdict == "doomed" and decision.dry_run and not decision.should_stop


def test_too_few_points_or_too_small_a_share_of_the_horizon_waits() -> None:
    rule = StopRule(target=2.0, patience=1)
    few = decide_stop(rule, evidence_of(FALLING[:5]), forecast=forecast_of(2.2))
    early = replace(evidence_of(FALLING), fraction=0.05)
    assert few.verdict == "waiting" and "5 of 8" in few.reason
    assert decide_stop(rule, early, forecast=forecast_of(2.2)).verdict == "waiting"
    unknown = replace(evidence_of(FALLING), fraction=None)
    assert decide_stop(rule, unknown, forecast=forecast_of(2.2)).verdict == "doomed"


def test_a_run_past_its_horizon_is_never_doomed_for_it_did_not_end_there() -> None:
    rule = StopRule(target=2.0, patience=1)
    past = replace(evidence_of(FALLING), fraction=1.8)
    decision = decide_stop(rule, past, forecast=forecast_of(2.2))
    assert (decision.verdict, decision.forecast, decision.streak) == ("waiting", None, 0)
    assert "1.8 times as far as its horizon" in decision.reason
    end = replace(evidence_of(FALLING), fraction=1.001)
    assert decide_stop(rule, end, forecast=forecast_of(2.2)).verdict == "doomed"


def test_without_a_forecast_it_waits_and_says_why() -> None:
    decision = decide_stop(StopRule(), evidence_of(FALLING[:2]), no_forecast="only 2 points")
    assert (decision.verdict, decision.reason) == ("waiting", "Only 2 points.")


@pytest.mark.parametrize("storm", [[math.nan] * 2, [math.inf] * 2, [math.nan, -math.inf]])
def test_values_that_are_not_finite_are_a_divergence(storm: list[float]) -> None:
    decision = decide_stop(StopRule(), evidence_of(FALLING, recent=[2.2, *storm]))
    assert decision.verdict == "diverged" and decision.should_stop
    off = decide_stop(StopRule(diverged=False), evidence_of(FALLING, recent=storm))
    assert off.verdict == "waiting"


def test_one_nan_is_no_divergence() -> None:
    evidence = evidence_of(FALLING, recent=[2.2, math.nan])
    assert decide_stop(StopRule(), evidence).verdict == "waiting"


def test_a_runaway_is_a_divergence_and_a_spike_is_not() -> None:
    away = [*FALLING, 9.0, 30.0]
    assert decide_stop(StopRule(), evidence_of(away)).verdict == "diverged"
    assert decide_stop(StopRule(), evidence_of([*FALLING, 30.0, 2.3])).verdict == "waiting"
    assert decide_stop(StopRule(), evidence_of([3.0, 3.5, 3.6, 3.4, 3.2])).verdict == "waiting"


def test_a_metric_that_begins_near_zero_is_no_runaway_after_a_few_values() -> None:
    for values in ([0.001, 0.0012, 0.0015, 0.004, 0.006], [0.010, 0.0101, 0.0099, 0.0155, 0.0152]):
        assert decide_stop(StopRule(), evidence_of(values)).verdict == "waiting"


def test_a_rule_takes_the_numbers_of_numpy_and_keeps_plain_ones() -> None:
    rule = StopRule(target=np.float32(2.5), patience=np.int64(3))  # type: ignore[arg-type]
    assert rule == StopRule(target=2.5, patience=3)
    assert type(rule.target) is float and type(rule.patience) is int


def test_accuracy_that_falls_back_to_chance_is_no_runaway() -> None:
    values = [0.1, 0.5, 0.7, 0.8, 0.1, 0.1]
    assert decide_stop(StopRule(), evidence_of(values, mode="max")).verdict == "waiting"


def test_a_curve_that_stands_still_is_a_plateau_only_when_asked_for() -> None:
    flat = evidence_of([3.0, 2.0] + [1.5] * 14)
    assert decide_stop(StopRule(plateau=True), flat).verdict == "plateaued"
    assert decide_stop(StopRule(), flat).verdict == "waiting"
    falling = evidence_of(list(np.geomspace(3, 1, 16)))
    assert decide_stop(StopRule(plateau=True), falling).verdict == "waiting"
    assert decide_stop(StopRule(plateau=0.9), falling).verdict == "plateaued"


def test_decisions_are_json_and_cannot_be_changed() -> None:
    decision = decide_stop(StopRule(target=2.0), evidence_of(FALLING), forecast=forecast_of(2.2))
    assert json.loads(json.dumps(decision.to_dict(), allow_nan=False))["verdict"] == "continue"
    with pytest.raises(AttributeError):
        decision.verdict = "doomed"  # type: ignore[misc]


def test_a_run_ahead_of_all_that_finished_is_doomed_by_a_target_only() -> None:
    eager, hopeless = StopRule.eager(), forecast_of(3.0)
    told = {"forecast": hopeless, "finals": [2.0], "another": 1.0}
    assert decide_stop(eager, evidence_of(FALLING), **told).verdict == "doomed"  # type: ignore[arg-type]
    led = decide_stop(eager, evidence_of(FALLING), **told, ahead=True)  # type: ignore[arg-type]
    assert led.verdict == "continue" and "ahead of every finished sibling" in led.reason
    assert led.probability is not None and led.probability > 0.9
    strict = StopRule.eager(target=1.0, best_of=1)
    found = decide_stop(strict, evidence_of(FALLING), **told, ahead=True)  # type: ignore[arg-type]
    assert found.verdict == "doomed"


@pytest.mark.parametrize(
    ("another", "verdict"), [(None, "continue"), (0.0006, "continue"), (0.002, "doomed")]
)
def test_a_search_stops_a_run_only_where_another_gains_more(
    another: float | None, verdict: str
) -> None:
    # Half of the run is left, and it is expected 0.01 above the bar with an sd of 0.01 (in logs):
    # E[max(−Z − 1, 0)] = φ(1) − (1 − Φ(1)) = 0.0833 sd, so 0.00167 for a whole run's compute.
    decision = decide_stop(
        StopRule.eager(),
        evidence_of(FALLING),
        forecast=forecast_of(2.0),
        finals=[2.0 * math.exp(-0.01)],
        another=another,
    )
    assert decision.verdict == verdict
    assert ("gains 0.0017 here" in decision.reason) == (another is not None)


@pytest.mark.parametrize(("above", "verdict"), [(0.01, "continue"), (0.03, "doomed")])
def test_a_search_that_knows_too_few_runs_stops_what_it_is_sure_of(
    above: float, verdict: str
) -> None:
    forecast = forecast_of(2.0 * math.exp(above))  # one and three standard deviations
    rule, finals = StopRule.eager(), [2.0]
    assert (
        decide_stop(rule, evidence_of(FALLING), forecast=forecast, finals=finals).verdict == verdict
    )


@pytest.mark.parametrize(("fraction", "verdict"), [(0.1, "doomed"), (0.9, "continue")])
def test_a_careful_rule_asks_for_more_where_less_is_left(fraction: float, verdict: str) -> None:
    # A chance of 1% to beat the bar: below 2.5% of nine tenths, above 2.5% of one tenth.
    forecast = forecast_of(2.0 * math.exp(0.0233))  # 2.33 standard deviations above
    evidence = replace(evidence_of(FALLING), fraction=fraction)
    decision = decide_stop(StopRule.careful(), evidence, forecast=forecast, finals=[2.0])
    assert decision.probability == pytest.approx(0.99, abs=0.001)
    assert decision.verdict == verdict


@given(median=st.floats(0.5, 0.9), value=st.floats(0.4, 0.95))
def test_the_gain_over_a_value_is_the_mean_of_what_draws_gain(median: float, value: float) -> None:
    predictive = Predictive(np.ones(1), np.array([[math.log(1.0 - median)]]), np.array([[0.3]]))
    end = pd.DataFrame({"step": [1000.0]})
    scale = MetricScale("max", 1.0)
    forecast = ut.Forecast(end, "accuracy", predictive, scale, (), single=True)
    draws = np.log((1.0 - value) / (1.0 - forecast.sample(100_000)))
    mean = np.maximum(draws, 0.0).mean()
    assert forecast.expected_gain(value) == pytest.approx(mean, abs=0.005)
    assert forecast.expected_gain(1.0) == 0.0


MEDIANS = st.floats(0.5, 10.0)


@given(median=MEDIANS, bar=MEDIANS, sd=st.floats(0.001, 1.0), confidence=st.floats(0.51, 0.999))
def test_only_a_bar_that_is_out_of_reach_stops(
    median: float, bar: float, sd: float, confidence: float
) -> None:
    rule = StopRule(target=bar, patience=1, confidence=confidence)
    forecast = forecast_of(median, sd)
    decision = decide_stop(rule, evidence_of(FALLING), forecast=forecast)
    assert decision.probability is not None and 0.0 <= decision.probability <= 1.0
    assert decision.should_stop == (1.0 - forecast.prob_better_than(bar) > confidence)
    assert decision.reason.endswith(".") and "\n" not in decision.reason


@given(
    median=MEDIANS,
    bars=st.tuples(MEDIANS, MEDIANS),
    sd=st.floats(0.001, 1.0),
)
def test_a_stricter_bar_never_spares_a_run(
    median: float, bars: tuple[float, float], sd: float
) -> None:
    def doom(bar: float) -> float:
        rule = StopRule(target=bar)
        decision = decide_stop(rule, evidence_of(FALLING), forecast=forecast_of(median, sd))
        assert decision.probability is not None
        return decision.probability

    assert doom(min(bars)) >= doom(max(bars)) - 1e-12


@given(
    values=st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=30),
    mode=st.sampled_from(["min", "max"]),
    plateau=st.booleans(),
)
def test_any_curve_gets_a_verdict_with_a_reason_and_nothing_is_changed(
    values: list[float], mode: Mode, plateau: bool
) -> None:
    finite = [v for v in values if math.isfinite(v)]
    evidence = replace(evidence_of(finite, recent=values, mode=mode), points=len(finite))
    before = (evidence.values.copy(), evidence.recent)
    previous = Decision("continue", 0.99, "Why.", None, 1.0, 1)
    with np.errstate(over="ignore"):
        decision = decide_stop(StopRule(plateau=plateau), evidence, previous=previous)
    assert decision.verdict in {"waiting", *STOPPING}
    assert decision.reason
    np.testing.assert_array_equal(evidence.values, before[0])
    assert evidence.recent == before[1] or any(map(math.isnan, values))
    assert previous.streak == 1
