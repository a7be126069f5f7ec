"""The next runs: against exact Bayesian regression, brute force, and what a refit finds."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import unsl_tracking as ut
from unsl_tracking.decide.belief import Belief
from unsl_tracking.forecast.predictive import members
from unsl_tracking.law import zoo

from ..forecast.laws import grid, grid_law
from .given import AXES, COST, ROUNDED, line

TARGET = {"params": 1e8}
AT = {"params": 1e11, "tokens": 1e12}


def runs(*params: float) -> pd.DataFrame:
    """Candidates on the axis of `line`."""
    return pd.DataFrame({"params": list(params)})


def variance_of_line(seen: list[float], target: float, sd: float, noise: float) -> float:
    """Of a run at the target, by the normal equations: the textbook's posterior precision."""
    precision = np.diag([1.0 / sd**2, 1.0 / (0.1 * sd) ** 2])
    for params in seen:
        row = np.array([1.0, -np.log(params)])
        precision += np.outer(row, row) / noise**2
    at = np.array([1.0, -np.log(target)])
    return float(at @ np.linalg.inv(precision) @ at) + noise**2


@settings(max_examples=25)
@given(
    seen=st.lists(st.floats(1.0, 8.9), min_size=1, max_size=5),
    sd=st.floats(0.02, 0.5),
    noise=st.floats(0.005, 0.1),
)
def test_the_expected_width_is_that_of_exact_bayesian_regression(
    seen: list[float], sd: float, noise: float
) -> None:
    belief = Belief.of(line(sd, noise).mixture, np.log([1e8]))
    assert belief.variance == pytest.approx(variance_of_line([], 1e8, sd, noise), rel=1e-6)
    scales = [10.0**s for s in seen]
    for params in scales:
        belief = belief.seeing(np.log([[params]]))
    assert belief.variance == pytest.approx(variance_of_line(scales, 1e8, sd, noise), rel=1e-4)


def test_looking_ahead_and_seeing_agree_also_for_whole_curves() -> None:
    belief = Belief.of(grid_law().mixture, np.log([1e10, 1e11]))
    curve = np.log([[3e9, 2e9], [3e9, 8e9], [3e9, 3e10]])
    ahead = belief.after([curve], [belief.features(curve)])[0]
    assert ahead == pytest.approx(belief.seeing(curve).variance, rel=1e-9)


def test_the_expected_forecast_is_as_wide_as_it_says() -> None:
    plan = line(0.2).next_runs(runs(1e3, 1e6, 1e7), target=TARGET, cost="params", budget=1e9)
    low, high = plan.now.interval(0.8)
    for row, expected in zip(plan.to_frame().to_dict(orient="records"), plan.expected, strict=True):
        ends = expected.interval(0.8)
        assert (row["lo80"], row["hi80"]) == ends
        ratio = np.log(ends[1] / ends[0]) / np.log(high / low)
        assert ratio == pytest.approx(row["width"], rel=1e-6)
        assert expected.median == pytest.approx(plan.now.median, rel=1e-9)
    kept = np.cumprod(1.0 - plan.runs["gain"])
    np.testing.assert_allclose(np.sqrt(kept), plan.runs["width"])
    np.testing.assert_allclose(plan.runs["cost"].cumsum(), plan.runs["total_cost"])
    assert plan.total_cost == plan.runs["total_cost"].iloc[-1]


def test_before_any_run_the_belief_is_the_forecast() -> None:
    law = grid_law()
    place = np.log([AT["params"], AT["tokens"]])
    found = members(law.mixture, place[None])  # tails make all of it wider alike
    mean, sd = found.mean[:, 0], found.sd[:, 0]
    variance = found.weight @ (sd**2 + (mean - found.weight @ mean) ** 2)
    assert Belief.of(law.mixture, place).variance == pytest.approx(variance, rel=0.02)


@settings(max_examples=20)
@given(
    scales=st.lists(st.floats(2.0, 8.0), min_size=2, max_size=6, unique=True),
    goal=st.floats(0.3, 0.9),
    power=st.floats(0.2, 1.5),
)
# Runs of 100, 133 and 1000, of which a greedy order alone takes the last where the second will do.
@example(scales=[2.0, 3.0, 2.125], goal=0.59375, power=1.0)
def test_a_width_is_reached_for_hardly_more_than_the_cheapest_set_costs(
    scales: list[float], goal: float, power: float
) -> None:
    table = runs(*(10.0**s for s in scales))
    law = line(0.2)
    cost = f"params ** {power}"
    plan = law.next_runs(table, target=TARGET, cost=cost, count=6, budget=1e30, width=goal)
    start = variance_of_line([], 1e8, 0.2, 0.02)
    cheapest = np.inf
    for count in range(1, len(table) + 1):
        for some in combinations(table["params"], count):
            if variance_of_line(list(some), 1e8, 0.2, 0.02) <= goal**2 * start * (1 - 1e-6):
                cheapest = min(cheapest, sum(p**power for p in some))
    if "width_not_reached" in {w.code for w in plan.warnings}:
        assert cheapest == np.inf
    else:
        assert plan.runs["width"].iloc[-1] <= goal
        assert cheapest * (1 - 1e-6) <= plan.total_cost <= 2.0 * cheapest * (1 + 1e-6)


def test_the_first_run_is_the_one_that_removes_most_for_what_may_be_spent() -> None:
    table = runs(1e2, 1e4, 1e6, 1e7)
    plan = line(0.2).next_runs(table, target=TARGET, cost="params", count=1, budget=2e6)
    left = {p: variance_of_line([p], 1e8, 0.2, 0.02) for p in (1e2, 1e4, 1e6)}
    assert plan.runs["params"].iloc[0] == min(left, key=lambda p: left[p])


@settings(max_examples=15)
@given(unit=st.floats(1e-6, 1e6))
def test_units_of_axes_and_costs_do_not_matter(unit: float) -> None:
    table = pd.DataFrame(
        {"params": [2e9, 5e9, 1e9, 8e9], "tokens": [2e10, 3e10, 8e10, 9e9], "name": list("abcd")}
    )
    table["cost"] = 6.0 * table["params"] * table["tokens"]
    plain = grid_law().next_runs(table, target=AT, cost="cost")
    other = grid_law().next_runs(
        table, target=AT, cost="cost * unit", given={"unit": unit}, budget=plain_budget(unit)
    )
    assert list(other.runs["name"]) == list(plain.runs["name"])
    np.testing.assert_allclose(other.runs["width"], plain.runs["width"])
    np.testing.assert_allclose(other.runs["cost"], plain.runs["cost"] * unit)


def plain_budget(unit: float) -> float:
    """What candidates that alone know their cost may cost by default, in another unit."""
    return 0.1 * unit * 6.0 * (2e9 * 2e10 + 5e9 * 3e10 + 1e9 * 8e10 + 8e9 * 9e9)


def test_a_budget_and_a_count_are_kept() -> None:
    law = grid_law()
    plan = law.next_runs(target=AT, cost=COST, count=3)
    assert 0 < len(plan) <= 3
    target = 6.0 * AT["params"] * AT["tokens"]
    assert plan.total_cost <= 0.1 * target
    tight = law.next_runs(target=AT, cost=COST, count=3, budget=1e-3 * target)
    assert tight.total_cost <= 1e-3 * target
    assert plan.runs["width"].iloc[-1] <= tight.runs["width"].iloc[-1]
    assert (np.diff(plan.runs["width"], prepend=1.0) <= 0.0).all()


def test_generated_candidates_have_shapes_that_were_observed_and_cost_less_than_the_target() -> (
    None
):
    law = grid_law()
    plan = law.next_runs(target=AT, cost=COST, count=20, budget=1e30)
    ratio = plan.runs["tokens"] / plan.runs["params"]
    seen = law.data["tokens"] / law.data["params"]
    assert ratio.between(0.5 * seen.min(), 2.0 * seen.max()).all()
    assert (plan.runs["cost"] <= 0.5 * 6.0 * AT["params"] * AT["tokens"]).all()


def test_shapes_are_those_of_whole_runs_where_the_law_knows_curves() -> None:
    rows = [
        (f"run {i}", params, 20.0 * params * share)
        for i, params in enumerate(np.geomspace(1e6, 1e8, 5))
        for share in (0.003, 0.03, 0.3, 1.0)
    ]
    frame = pd.DataFrame(rows, columns=["run", "params", "tokens"])
    frame["loss"] = 1.7 + 400 * frame["params"] ** -0.34 + 410 * frame["tokens"] ** -0.28
    law = ut.fit(frame, AXES, "loss", run="run", forms=[zoo.chinchilla(AXES)])
    plan = law.next_runs(target={"params": 1e10, "tokens": 2e11}, cost=COST, budget=1e30)
    ratio = plan.runs["tokens"] / plan.runs["params"]
    assert len(plan) and ratio.between(10.0, 40.0).all()
    assert (plan.runs["tokens"] > 1e7).all()  # no less than the smallest run's end


def test_a_run_that_goes_farther_shortens_the_distance() -> None:
    law = grid_law()
    near, far = ({"params": [p], "tokens": [10 * p]} for p in (1e9, 2e10))
    widths = [
        law.next_runs(pd.DataFrame(c), target=AT, cost=COST, budget=1e30).runs["width"]
        for c in (near, far)
    ]
    assert float(widths[1].iloc[0]) < 0.8
    assert not len(widths[0]) or float(widths[0].iloc[0]) > float(widths[1].iloc[0])


def test_training_the_runs_makes_the_forecast_surer() -> None:
    # What was expected, against a refit with runs that came out as the truth has it.
    table, forms = grid(), [zoo.chinchilla(AXES)]
    law = ut.fit(table, AXES, "loss", forms=forms)
    plan = law.next_runs(target=AT, cost=COST)
    more = plan.runs[list(AXES)]
    more = more.assign(loss=1.7 + 400.0 * more["params"] ** -0.34 + 410.0 * more["tokens"] ** -0.28)
    after = ut.fit(pd.concat([table, more]), AXES, "loss", forms=forms).predict(AT)
    before, expected = plan.now, plan.expected[-1]
    spans = [np.log(f.interval(0.8)[1] / f.interval(0.8)[0]) for f in (before, after, expected)]
    assert spans[1] < 0.8 * spans[0]
    assert 0.3 < spans[1] / spans[2] < 3.0


def test_runs_are_observed_on_their_way_where_the_law_knows_curves() -> None:
    rows = [
        (f"run {i}", params, step, 1.5 + 30.0 * params**-0.3 + 20.0 * step**-0.4)
        for i, params in enumerate([1e4, 3e4, 1e5, 3e5])
        for step in (100, 300, 1000, 3000)
    ]
    frame = pd.DataFrame(rows, columns=["run", "params", "step", "loss"])
    axes, target = ["params", "step"], {"params": 1e7, "step": 1e4}
    candidate = pd.DataFrame({"params": [1e6], "step": [3e3]})
    forms = [zoo.chinchilla(("params", "step"))]
    widths = [
        ut.fit(frame, axes, "loss", run=run, forms=forms)
        .next_runs(candidate, target=target, cost="params*step", budget=1e30)
        .runs["width"]
        for run in ("run", None)
    ]
    assert float(widths[0].iloc[0]) < float(widths[1].iloc[0])


def test_it_says_how_many_runs_decide() -> None:
    plan = line(0.3).next_runs(
        runs(*np.geomspace(1e5, 5e7, 6)), target=TARGET, cost="params", count=6, budget=1e9
    )
    assert plan.deciding(plan.now.median * 3.0, 0.9) == 0
    assert plan.deciding(plan.now.median, 0.9) is None
    value = plan.expected[1].quantile(0.05)
    needed = plan.deciding(value, 0.9)
    assert needed is not None and 1 <= needed <= 2
    with pytest.raises(ut.DataError, match="confidence"):
        plan.deciding(2.0, 0.4)


def test_where_nothing_is_left_to_learn_it_says_so() -> None:
    plan = ROUNDED.law().next_runs(target={"params": 1e10, "tokens": 2e11}, cost=COST)
    assert len(plan) == 0
    assert plan.total_cost == 0.0
    assert [w.code for w in plan.warnings] == ["no_run_helps"]
    assert len(plan.to_frame()) == 0


def test_candidates_beyond_the_budget_are_counted_and_the_rule_is_named() -> None:
    table = runs(1e5, 1e6, 1e7, 1e8)
    plan = line(0.3).next_runs(table, target=TARGET, cost="params", budget=2e6)
    (warning,) = [each for each in plan.warnings if each.code == "over_budget"]
    assert warning.value == 2.0
    assert "2 of 4 candidates cost more than the budget of 2e+06" in warning.message
    free = line(0.3).next_runs(table, target=TARGET, cost="params", budget=1e9)
    own = line(0.3).next_runs(target=TARGET, cost="params", budget=2e6)
    assert "over_budget" not in {each.code for each in (*free.warnings, *own.warnings)}


def test_the_answer_is_strict_json_and_carries_what_came_with_the_candidates() -> None:
    table = runs(1e5, 1e6, 1e7).assign(name=pd.Series(["<b>small</b>", None, "large"]))
    plan = ut.next_runs(line(0.3), table, target=TARGET, cost="params", budget=1e9)
    content = json.loads(json.dumps(plan.to_dict(), allow_nan=False))
    assert content["schema"] == "unsl_tracking/next-runs"
    assert {row["name"] for row in content["runs"]} <= {"<b>small</b>", None, "large"}
    assert list(table.columns) == ["params", "name"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": {}}, "needs a value for each of params"),
        ({"target": {"params": -1.0}}, "must be positive"),
        ({"cost": "parms"}, "Near it: params"),
        ({"cost": "0 * params"}, "positive cost"),
        ({"count": 0}, "the count is a whole number"),
        ({"width": 1.5}, "the width is a positive number below 1"),
        ({"budget": 0}, "the budget is a positive number"),
        ({"candidates": pd.DataFrame({"params": []})}, "candidates"),
        ({"candidates": pd.DataFrame({"size": [1.0]})}, "Add params"),
        ({"candidates": [1.0]}, "pandas DataFrame"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"target": TARGET, "cost": "params"} | options
    with pytest.raises(ut.DataError, match=message):
        ut.next_runs(line(), **arguments)  # type: ignore[arg-type]
