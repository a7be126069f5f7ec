from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import unsl_tracking as ut
from unsl_tracking.decide.gate import backtest_by_size
from unsl_tracking.decide.support import Support
from unsl_tracking.forecast.cautions import weight_past_unseen_breaks
from unsl_tracking.law import zoo

AXES = ("params", "tokens")
AT = {"params": 4e9, "tokens": 4e10}  # 0.6 decades beyond the data on either axis


@cache
def ladder() -> ut.FittedLaw:
    """Chinchilla's law on 6 × 6 points with 1% of noise. Shared: nothing may change it."""
    params, tokens = (a.ravel() for a in np.meshgrid(np.logspace(7, 9, 6), np.logspace(8, 10, 6)))
    loss = 1.7 + 400.0 * params**-0.34 + 410.0 * tokens**-0.28
    loss = loss * np.exp(0.01 * np.random.default_rng(0).normal(size=36))
    table = pd.DataFrame({"params": params, "tokens": tokens, "loss": loss})
    return ut.fit(table, AXES, "loss", forms=[zoo.chinchilla(AXES)])


@cache
def rising() -> ut.FittedLaw:
    """The same as an accuracy. Shared."""
    table = ladder().data.assign(accuracy=lambda t: 1.0 - t["loss"] / 20.0)
    return ut.fit(table, AXES, "accuracy", mode="max", forms=[zoo.chinchilla(AXES)])


@cache
def past(law_name: str = "ladder") -> ut.Backtest:
    found = backtest_by_size({"ladder": ladder, "rising": rising}[law_name]())
    assert found is not None
    return found


def ask(target: float, **options: Any) -> ut.GateDecision:
    options.setdefault("tested", past())
    return ut.gate(ladder(), options.pop("at", AT), target, **options)


def codes(decision: ut.GateDecision) -> list[str]:
    return [reason.code for reason in decision.reasons]


def with_outcomes(pit: float) -> ut.Backtest:
    """The backtest, as if every outcome had been at this quantile of its forecast."""
    return replace(past(), frame=past().frame.assign(pit=pit))


# --- the comparison ------------------------------------------------------------------------------


def test_a_target_far_above_a_loss_is_go_and_one_far_below_no_go() -> None:
    assert (ask(3.0).verdict, codes(ask(3.0))) == ("GO", ["clears"])
    assert (ask(1.7).verdict, codes(ask(1.7))) == ("NO-GO", ["misses"])


def test_a_target_at_the_median_is_undecided_because_the_interval_straddles_it() -> None:
    found = ask(float(ladder().predict(AT).median))
    assert (found.verdict, codes(found)) == ("UNDECIDED", ["straddles"])
    assert found.probability == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("confidence", [0.6, 0.9, 0.99])
def test_the_verdict_turns_where_the_forecasts_quantiles_are(confidence: float) -> None:
    forecast = ladder().predict(AT)
    go, no_go = float(forecast.quantile(confidence)), float(forecast.quantile(1.0 - confidence))
    hair = 1e-6
    verdicts = [
        ask(target, confidence=confidence).verdict
        for target in (no_go * (1 - hair), no_go * (1 + hair), go * (1 - hair), go * (1 + hair))
    ]
    assert verdicts == ["NO-GO", "UNDECIDED", "UNDECIDED", "GO"]


def test_the_interval_of_a_decision_ends_where_the_verdict_turns() -> None:
    low, high = ask(2.0).interval or (0.0, 0.0)
    forecast = ladder().predict(AT)
    assert (low, high) == pytest.approx((forecast.quantile(0.1), forecast.quantile(0.9)))


@settings(max_examples=12)
@given(targets=st.lists(st.floats(1.0, 4.0), min_size=2, max_size=6), high=st.floats(0.55, 0.99))
def test_verdicts_of_a_loss_only_rise_with_the_target(targets: list[float], high: float) -> None:
    order = {"NO-GO": 0, "UNDECIDED": 1, "GO": 2}
    ranks = [order[ask(target, confidence=high).verdict] for target in sorted(targets)]
    assert ranks == sorted(ranks)


@settings(max_examples=12)
@given(target=st.floats(1.0, 4.0), levels=st.lists(st.floats(0.51, 0.99), min_size=2, max_size=5))
def test_asking_for_more_confidence_never_decides_more(target: float, levels: list[float]) -> None:
    decided = [ask(target, confidence=c).verdict != "UNDECIDED" for c in sorted(levels)]
    assert decided == sorted(decided, reverse=True)


def test_a_metric_to_maximise_has_to_end_above_the_target() -> None:
    law, at = rising(), dict(AT)
    median = float(law.predict(at).median)
    asked = [ut.gate(law, at, median + d, tested=past("rising")) for d in (-0.05, 0.0, 0.05)]
    assert [each.verdict for each in asked] == ["GO", "UNDECIDED", "NO-GO"]


def test_the_backtest_is_made_where_none_is_given() -> None:
    assert ut.gate(ladder(), AT, 3.0).to_dict() == ask(3.0).to_dict()


# --- what makes a forecast doubtful --------------------------------------------------------------


def test_an_axis_farther_out_than_allowed_is_undecided_however_sure_the_forecast() -> None:
    found = ask(3.0, max_decades=0.5)
    assert (found.verdict, codes(found)) == ("UNDECIDED", ["max_decades"])
    assert found.probability == pytest.approx(1.0, abs=1e-6)
    assert found.reasons[0].value == pytest.approx(np.log10(4.0))
    assert "0.60 decades beyond the observed values of params" in found.reason


def test_exactly_as_far_as_allowed_is_allowed() -> None:
    farthest = max(ask(3.0).support.by_axis.values())  # type: ignore[union-attr]
    assert ask(3.0, max_decades=farthest).verdict == "GO"
    assert ask(3.0, max_decades=farthest - 1e-9).verdict == "UNDECIDED"


def test_beyond_what_the_backtest_reached_nothing_is_decided() -> None:
    reached = float(past().frame["decades"].max())
    far = {"params": 1e9 * 10**reached, "tokens": 1e11}
    found = ask(30.0, at=far)
    assert (found.verdict, codes(found)) == ("UNDECIDED", ["beyond_backtest"])
    assert found.reasons[0].value == pytest.approx(reached + 1.0)
    assert found.reasons[0].limit == pytest.approx(reached)


def test_a_ladder_without_a_past_decides_nothing_beyond_its_data() -> None:
    table = ladder().data.iloc[::5].head(7)
    law = ut.fit(table, AXES, "loss", forms=[zoo.chinchilla(AXES)])
    if backtest_by_size(law) is not None:
        law = ut.fit(table.head(6), AXES, "loss", forms=[zoo.chinchilla(AXES)])
    assert backtest_by_size(law) is None
    found = ut.gate(law, AT, 50.0)
    assert (found.verdict, codes(found)) == ("UNDECIDED", ["untested"])


def test_forecasts_that_were_overconfident_before_decide_nothing() -> None:
    found = ask(3.0, tested=with_outcomes(0.999))
    assert (found.verdict, codes(found)) == ("UNDECIDED", ["overconfident"])
    assert found.reasons[0].value == 0.0
    assert ask(3.0, tested=with_outcomes(0.5)).verdict == "GO"


def test_coverage_counts_outcomes_that_were_about_as_far_ahead() -> None:
    frame = past().frame
    near = frame["decades"] < 0.5 * 1.2041
    assert near.any() and (~near).any()
    missed_near = replace(past(), frame=frame.assign(pit=np.where(near, 0.999, 0.5)))
    missed_far = replace(past(), frame=frame.assign(pit=np.where(near, 0.5, 0.999)))
    assert ask(3.0, tested=missed_near).verdict == "GO"
    assert codes(ask(3.0, tested=missed_far)) == ["overconfident"]


def test_a_policy_may_ask_for_more_coverage_than_chance_explains() -> None:
    frame = past().frame
    held = replace(past(), frame=frame.assign(pit=np.where(frame["unit"] == 0, 0.999, 0.5)))
    coverage = ask(3.0, tested=held).support.coverage  # type: ignore[union-attr]
    assert coverage is not None and 0.5 < coverage < 0.9
    assert ask(3.0, tested=held).verdict == "GO"
    assert ask(3.0, tested=held, required_coverage=coverage).verdict == "GO"
    assert codes(ask(3.0, tested=held, required_coverage=0.95)) == ["overconfident"]


def test_within_the_data_only_the_comparison_counts() -> None:
    inside = {"params": 1e8, "tokens": 1e9}
    assert ask(9.0, at=inside, tested=with_outcomes(0.999)).verdict == "GO"


@pytest.mark.parametrize("target", [1e9, 1.7])
def test_a_scale_far_below_the_data_decides_nothing(target: float) -> None:
    found = ask(target, at={"params": 4e9, "tokens": 140.0})  # 140, and the B forgotten
    assert found.verdict == "UNDECIDED" and codes(found)[0] == "below_observed"
    assert found.reasons[0].value == pytest.approx(np.log10(1e8 / 140.0))
    assert "5.85 decades below the observed values of tokens" in found.reason


def test_half_of_the_smallest_value_is_near_enough() -> None:
    assert ask(30.0, at={"params": 4e9, "tokens": 0.5e8}).verdict == "GO"
    assert codes(ask(30.0, at={"params": 4e9, "tokens": 0.4e8}))[0] == "below_observed"


def test_a_target_that_every_smaller_run_beats_is_pointed_at() -> None:
    worst, best = float(ladder().data["loss"].max()), float(ladder().data["loss"].min())
    assert codes(ask(worst + 0.01)) == ["clears", "already_beaten"]
    assert "all 36 values observed so far beat it already" in ask(70.0).reason
    assert codes(ask(0.5 * (worst + best))) == ["clears"]


def test_all_doubts_are_named_beside_a_straddling_interval() -> None:
    median = float(ladder().predict(AT).median)
    found = ask(median, max_decades=0.1, tested=with_outcomes(0.999))
    assert codes(found) == ["max_decades", "overconfident", "straddles"]


@pytest.mark.parametrize(("guessed", "doubted"), [(0.05, False), (0.1, False), (0.11, True)])
def test_forms_past_an_unseen_break_may_weigh_as_much_as_the_risk_accepted(
    guessed: float, doubted: bool
) -> None:
    support = Support(0.5, {"step": 0.5}, 1.0, 0.8, 4, guessed)
    assert bool(support.doubts(1.0 - 0.1)) == doubted


def test_a_break_that_only_the_last_point_is_past_makes_the_law_beyond_it_a_guess() -> None:
    step = np.logspace(2, 5, 16)
    loss = 20.0 * step**-0.4
    loss[-1] *= 0.5  # a single point says that it has begun to fall faster
    law = ut.fit(
        pd.DataFrame({"step": step, "loss": loss}), ["step"], "loss", forms=[zoo.bnsl("step", 1)]
    )
    assert "hyperbreak_unobserved" in {warning.code for warning in law.warnings}
    seen = np.log(law.data[["step"]].to_numpy(dtype=float))
    assert weight_past_unseen_breaks(law.mixture, seen, np.log([1e6])) == pytest.approx(1.0)
    assert weight_past_unseen_breaks(law.mixture, seen, np.log([1e3])) == 0.0
    found = ut.gate(law, {"step": 2e5}, 1e3)
    assert found.verdict == "UNDECIDED" and "hyperbreak" in codes(found)


def test_a_break_that_only_the_first_point_is_before_does_not_matter_ahead() -> None:
    step = np.logspace(2, 5, 16)
    loss = 20.0 * step**-0.4
    loss[0] *= 2.0
    law = ut.fit(
        pd.DataFrame({"step": step, "loss": loss}), ["step"], "loss", forms=[zoo.bnsl("step", 1)]
    )
    seen = np.log(law.data[["step"]].to_numpy(dtype=float))
    assert weight_past_unseen_breaks(law.mixture, seen, np.log([1e6])) == 0.0


# --- as data, and what is refused ----------------------------------------------------------------


def test_a_decision_is_strict_json_and_the_same_every_time() -> None:
    text = json.dumps(ask(2.2).to_dict(), allow_nan=False)
    assert text == json.dumps(ask(2.2).to_dict(), allow_nan=False)
    content = json.loads(text)
    assert content["schema"] == "unsl_tracking/gate-decision"
    assert content["schema_version"] == 1
    assert content["at"] == AT
    assert content["next_runs"] is None


def test_a_reason_is_one_sentence_that_names_what_was_compared() -> None:
    reason = ask(3.0).reason
    assert reason.startswith("The forecast of loss at params=4e9, tokens=4e10 is 2.")
    assert reason.endswith("P(better than 3) = 1.000.")


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"target": float("nan")}, "target"),
        ({"target": "2.1"}, "target"),
        ({"target": True}, "target"),
        ({"confidence": 0.5}, "confidence"),
        ({"confidence": 1.0}, "confidence"),
        ({"max_decades": -0.1}, "max_decades"),
        ({"required_coverage": 1.0}, "required_coverage"),
    ],
)
def test_numbers_that_cannot_be_part_of_a_rule_are_refused(
    options: dict[str, Any], rule: str
) -> None:
    with pytest.raises(ut.DataError, match=rule):
        ask(options.pop("target", 2.0), **options)


@pytest.mark.parametrize("at", [{"params": 1e9}, {**AT, "depth": 3.0}, {**AT, "params": 0.0}])
def test_a_target_scale_names_the_axes_of_the_law_and_is_positive(at: dict[str, float]) -> None:
    with pytest.raises(ut.AxisError):
        ask(2.0, at=at)


# --- targets that nothing can beat ---------------------------------------------------------------


@pytest.mark.parametrize("target", [1.0, 70.0])
def test_an_accuracy_in_percent_is_no_target_for_one_in_shares(target: float) -> None:
    with pytest.raises(ut.DataError, match="a target of accuracy lies below 1, .* got"):
        ut.gate(rising(), AT, target, tested=past("rising"))


@pytest.mark.parametrize("target", [0.0, -2.1])
def test_a_loss_to_beat_lies_above_zero(target: float) -> None:
    with pytest.raises(ut.DataError, match="a target of loss, which is to be minimised"):
        ask(target)
