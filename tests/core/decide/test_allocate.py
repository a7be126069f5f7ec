"""The split of a budget: against closed forms, published figures and brute force."""

from __future__ import annotations

import json
import math
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

import unsl_tracking as ut
from unsl_tracking.forecast.given import chinchilla_law, given_law
from unsl_tracking.law import zoo

from ..forecast.laws import curve, grid, grid_law
from .given import (
    AXES,
    COST,
    REPLICATED,
    ROUNDED,
    SPANS,
    UNROUNDED,
    Chinchilla,
    overfitting,
    uncertain_chinchilla,
    with_learning_rate,
)

GOPHER = 5.76e23  # FLOPs of Gopher and of Chinchilla, arXiv 2203.15556


@pytest.mark.parametrize("fit", [ROUNDED, UNROUNDED, REPLICATED])
@pytest.mark.parametrize("flops", [1e19, GOPHER, 1e26])
def test_chinchillas_optimum_is_that_of_the_closed_form(fit: Chinchilla, flops: float) -> None:
    found = fit.law().allocate(flops, COST)
    params, tokens = fit.optimum(flops)
    assert found["params"].value == pytest.approx(params, rel=1e-5)
    assert found["tokens"].value == pytest.approx(tokens, rel=1e-5)
    assert found.cost == pytest.approx(flops, rel=1e-9)
    assert found.forecast.median == pytest.approx(fit.loss(params, tokens), rel=1e-9)
    total = fit.alpha + fit.beta
    assert found.exponents["params"] == pytest.approx(fit.beta / total, abs=1e-4)
    assert found.exponents["tokens"] == pytest.approx(fit.alpha / total, abs=1e-4)


def test_published_exponents_and_optima_come_out() -> None:
    # arXiv 2203.15556, table 2, approach 3: a = 0.46, b = 0.54; section 3.4: 40 billion parameters
    # for the budget of Gopher. arXiv 2404.10102: a = 0.513, in line with 20 tokens a parameter.
    original = UNROUNDED.law().allocate(GOPHER, COST)
    assert round(original.exponents["params"], 2) == 0.46
    assert round(original.exponents["tokens"], 2) == 0.54
    assert original["params"].value == pytest.approx(40e9, rel=0.02)
    replicated = REPLICATED.law().allocate(GOPHER, COST)
    assert round(replicated.exponents["params"], 3) == 0.513
    assert replicated["tokens"].value / replicated["params"].value == pytest.approx(20, rel=0.15)


@settings(max_examples=15)
@given(
    alpha=st.floats(0.15, 0.6),
    beta=st.floats(0.15, 0.6),
    unit=st.floats(1e-3, 1e3),
    flops=st.floats(19, 24).map(lambda e: 10.0**e),
)
def test_the_unit_of_an_axis_does_not_matter(
    alpha: float, beta: float, unit: float, flops: float
) -> None:
    law = chinchilla_law(1.7, 400.0, 400.0, alpha, beta, spans=SPANS)
    spans = SPANS | {"params": (SPANS["params"][0] / unit, SPANS["params"][1] / unit)}
    other = chinchilla_law(1.7, 400.0 * unit**-alpha, 400.0, alpha, beta, spans=spans)
    plain = law.allocate(flops, COST, draws=20)
    scaled = other.allocate(flops, "6 * params * unit * tokens", given={"unit": unit}, draws=20)
    assert scaled["params"].value * unit == pytest.approx(plain["params"].value, rel=1e-5)
    assert scaled["tokens"].value == pytest.approx(plain["tokens"].value, rel=1e-5)
    assert scaled["params"].at_bound == plain["params"].at_bound


@settings(max_examples=15)
@given(
    alpha=st.floats(0.15, 0.6),
    beta=st.floats(0.15, 0.6),
    low=st.floats(18, 25),
    more=st.floats(0.05, 3.0),
)
def test_more_budget_never_forecasts_worse_and_buys_more_of_everything(
    alpha: float, beta: float, low: float, more: float
) -> None:
    law = chinchilla_law(1.7, 400.0, 400.0, alpha, beta, spans=SPANS)
    small, large = (law.allocate(10.0**e, COST, draws=20) for e in (low, low + more))
    assert large.forecast.median <= small.forecast.median * (1 + 1e-9)
    for axis in AXES:
        assert large[axis].value >= small[axis].value * (1 - 1e-4)


def test_a_lifetime_of_inference_makes_the_best_model_smaller() -> None:
    # Sardana et al., arXiv 2401.00448: 6·N·D + 2·N·D_inference; here solved along N alone.
    flops, served = 1e23, 5e12

    def loss(ln_n: float) -> float:
        n = math.exp(ln_n)
        return ROUNDED.loss(n, (flops - 2.0 * n * served) / (6.0 * n))

    ends = (math.log(1e9), math.log(flops / (2.0 * served)) - 1e-6)
    best = math.exp(
        minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-10}).x
    )
    law = ROUNDED.law()
    found = law.allocate(flops, COST, inference="2 * params * served", given={"served": served})
    assert found["params"].value == pytest.approx(best, rel=1e-4)
    assert found["params"].value < law.allocate(flops, COST)["params"].value
    assert found.inference_cost == pytest.approx(2.0 * best * served, rel=1e-4)
    assert found.cost == pytest.approx(flops, rel=1e-9)


def test_gpu_hours_come_from_the_throughput_that_runs_had() -> None:
    # 1e14 FLOP/s whatever the size: GPU-hours are FLOPs in another unit.
    runs = pd.DataFrame({"params": [1e8, 3e8, 1e9], "tokens": [1e9, 2e9, 8e9]})
    runs["tokens_per_second"] = 1e14 / (6.0 * runs["params"])
    law, hours = ROUNDED.law(), 2e5
    found = law.allocate(hours, "tokens / tokens_per_second / 3600", measured=runs)
    params, tokens = ROUNDED.optimum(hours * 3600 * 1e14)
    assert found["params"].value == pytest.approx(params, rel=1e-3)
    assert found["tokens"].value == pytest.approx(tokens, rel=1e-3)
    halved = runs.assign(tokens_per_second=0.5 * runs["tokens_per_second"])
    noisy = pd.concat([runs, halved])
    warned = law.allocate(hours, "tokens / tokens_per_second / 3600", measured=noisy, draws=20)
    assert [w.code for w in warned.warnings] == ["cost_uncertain"]


def test_how_sure_a_split_is_follows_from_the_posterior() -> None:
    # ln N_opt moves by 1/(α + β) for every unit of ln A, ln D_opt the other way.
    sd = 0.1
    found = uncertain_chinchilla(sd).allocate(1e21, COST, draws=4000)
    half = 1.2816 * sd / (0.34 + 0.28)
    for axis in AXES:
        choice = found[axis]
        assert math.log(choice.high / choice.value) == pytest.approx(half, rel=0.1)
        assert math.log(choice.value / choice.low) == pytest.approx(half, rel=0.1)
        low, high = found.interval(0.5)[axis]
        assert math.log(high / low) == pytest.approx(2 * 0.6745 * sd / 0.62, rel=0.1)


def test_leaving_the_optimum_costs_what_it_does_in_the_closed_form() -> None:
    flops = 1e22
    found = ROUNDED.law().allocate(flops, COST, tolerance=0.01)
    params, tokens = ROUNDED.optimum(flops)
    lowest = ROUNDED.loss(params, tokens)
    assert found.curve["params"].is_monotonic_increasing
    for row in found.curve.to_dict(orient="records"):
        loss = ROUNDED.loss(row["params"], flops / 6.0 / row["params"])
        assert row["cost"] == pytest.approx(flops)
        assert row["median"] == pytest.approx(loss, rel=1e-9)
        assert row["excess"] == pytest.approx(math.log(loss / lowest), abs=1e-9)
        left = lowest - 1.69 - 406.4 * row["params"] ** -0.34
        needed = (410.7 / left) ** (1 / 0.28) if left > 0 else math.inf
        if math.isnan(row["overhead"]):
            assert needed > 900 * row["tokens"]
        else:
            assert row["tokens_to_match"] == pytest.approx(max(needed, row["tokens"]), rel=1e-5)
            assert row["overhead"] == pytest.approx(row["tokens_to_match"] / row["tokens"])
    for end in (found["params"].near_low, found["params"].near_high):
        worse = ROUNDED.loss(end, flops / 6.0 / end) / lowest
        assert worse == pytest.approx(1.01, abs=2e-4)
    assert found["tokens"].near_low == pytest.approx(
        flops / 6.0 / found["params"].near_high, rel=1e-3
    )


def test_multiples_and_choices_give_the_best_run_that_can_be_built() -> None:
    flops, batch, sizes = 1e20, 5e8, [3e8, 5e8, 7e8, 9e8]
    found = ROUNDED.law().allocate(
        flops, COST, multiples={"tokens": batch}, choices={"params": sizes}, draws=20
    )
    affordable = [
        (n, k * batch) for n, k in product(sizes, range(1, 400)) if 6.0 * n * k * batch <= flops
    ]
    best = min(affordable, key=lambda run: ROUNDED.loss(*run))
    assert (found["params"].value, found["tokens"].value) == pytest.approx(best)
    assert found.cost <= flops


def test_a_hyperparameter_is_the_best_one_at_the_scale_of_the_split() -> None:
    law = with_learning_rate()
    found = law.allocate(1e20, COST)
    params = found["params"].value
    # Where 0.5·2e-4·N^−0.1·lr^−0.5 = 0.8·3·lr^0.8.
    best = (0.5 * 2e-4 * params**-0.1 / (0.8 * 3.0)) ** (1.0 / 1.3)
    assert found["lr"].role == "hyper"
    assert found["lr"].value == pytest.approx(best, rel=1e-3)
    exponent = -0.1 / 1.3 * found["params"].exponent
    assert found["lr"].exponent == pytest.approx(exponent, abs=1e-3)
    assert set(found.exponents) == set(AXES)


def test_runs_with_many_learning_rates_show_the_best_one_at_a_larger_scale() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"params": 10 ** rng.uniform(7, 9, 80), "lr": 10 ** rng.uniform(-4, -2, 80)}
    )
    table["tokens"] = 20.0 * table["params"] * np.exp(rng.normal(size=80))
    away = np.log(table["lr"] / 1e-3) + 0.2 * np.log(table["params"] / 1e8)
    table["loss"] = 1.7 + 400.0 * table["params"] ** -0.34 + 410.0 * table["tokens"] ** -0.28
    table["loss"] = (table["loss"] + 0.005 * away**2) * np.exp(0.003 * rng.normal(size=80))
    found = ut.fit(table, [*AXES, "lr"], "loss").allocate(1e21, COST)
    best = 1e-3 * (found["params"].value / 1e8) ** -0.2
    assert found["lr"].low < best < found["lr"].high
    assert found["lr"].high < 30.0 * found["lr"].low


def test_a_budget_that_would_do_harm_is_not_spent() -> None:
    found = overfitting().allocate(1e24, COST, fixed={"params": 1e8})
    harmless = (0.3 * 60.0 / (0.5 * 1e-6)) ** (1.0 / 0.8)
    assert found["tokens"].value == pytest.approx(harmless, rel=1e-3)
    assert found.cost < 1e24
    assert "budget_not_spent" in {w.code for w in found.warnings}


def test_what_is_held_stays_and_bounds_are_kept() -> None:
    law = ROUNDED.law()
    held = law.allocate(1e22, COST, fixed={"params": 2e9})
    assert held["params"].role == "fixed"
    assert held["params"].value == pytest.approx(2e9)
    assert held["tokens"].value == pytest.approx(1e22 / 6 / 2e9)
    assert math.isnan(held["params"].low)
    bound = law.allocate(1e22, COST, bounds={"params": (1e8, 1e9)})
    assert bound["params"].value == pytest.approx(1e9)
    assert bound["params"].at_bound
    assert "split_at_bound" in {w.code for w in bound.warnings}


def test_a_law_of_one_axis_spends_all_on_it() -> None:
    law = given_law(zoo.limited(["tokens"]), [np.log(60.0), 0.3, 0.0], {"tokens": (1e8, 1e10)})
    found = law.allocate(6e18, "6 * params * tokens", given={"params": 1e8})
    assert found.point == {"tokens": pytest.approx(1e10)}
    assert len(found.curve) == 1


def test_a_metric_to_maximise_is_split_like_its_error() -> None:
    table = grid()
    accuracy = table.assign(accuracy=6.0 - table["loss"])
    forms = [zoo.chinchilla(AXES)]
    low = ut.fit(table, AXES, "loss", forms=forms).allocate(1e22, COST)
    high = ut.fit(accuracy, AXES, "accuracy", mode="max", ceiling=6.0, forms=forms).allocate(
        1e22, COST
    )
    assert high["params"].value == pytest.approx(low["params"].value, rel=1e-3)
    assert high.forecast.median == pytest.approx(6.0 - low.forecast.median, rel=1e-6)


def test_a_fitted_law_finds_the_split_of_the_truth_within_its_interval() -> None:
    truth = Chinchilla(1.7, 400.0, 410.0, 0.34, 0.28)
    found = grid_law().allocate(1e21, COST)
    assert found["params"].low < truth.optimum(1e21)[0] < found["params"].high
    assert found["tokens"].low < truth.optimum(1e21)[1] < found["tokens"].high


def test_the_same_seed_gives_the_same_answer_and_the_law_stays_as_it_is() -> None:
    law = grid_law()
    before = law.to_json()
    one, two = (law.allocate(1e22, COST, seed=3) for _ in range(2))
    pd.testing.assert_frame_equal(one.draws, two.draws)
    assert one.to_dict() == two.to_dict()
    assert one.to_dict() == ut.allocate(law, 1e22, COST, seed=3).to_dict()
    assert law.to_json() == before


def test_the_answer_is_strict_json_and_a_table() -> None:
    found = ROUNDED.law().allocate(1e22, COST, fixed={"params": 2e9})
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert content["schema"] == "unsl_tracking/allocation"
    assert content["axes"][0]["low"] is None
    frame = found.to_frame()
    assert list(frame["axis"]) == list(AXES)
    assert {"role", "value", "low", "high", "near_low", "near_high", "exponent"} < set(frame)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": -1.0}, "the budget is a positive number"),
        ({"budget": 1e5}, "the budget must afford the smallest run"),
        ({"cost": "6 * parms * tokens"}, "Near it: params"),
        ({"cost": "6 * params *"}, "must come at character"),
        ({"cost": "6 * params"}, "must cost something"),
        ({"cost": "1 / params + 0 * tokens", "fixed": {"tokens": 1e9}}, "must rise along"),
        ({"fixed": {"lr": 1.0}}, "fixed names axes of the law"),
        ({"fixed": {"params": 1e9}, "bounds": {"params": (1.0, 2.0)}}, "either fixed or"),
        ({"bounds": {"params": (2e9, 1e9)}}, "lies below"),
        ({"given": {"params": 1.0}}, "is not an axis"),
        ({"multiples": {"tokens": 1e30}}, "must be affordable"),
        ({"multiples": {"tokens": 1.0}, "choices": {"tokens": [1.0]}}, "either multiples or"),
        ({"choices": {"tokens": []}}, "one choice of tokens"),
        ({"tolerance": 0.0}, "the tolerance is a positive number"),
        ({"draws": 3}, "draws is a whole number"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"budget": 1e22, "cost": COST} | options
    with pytest.raises(ut.DataError, match=message):
        ut.allocate(ROUNDED.law(), **arguments)  # type: ignore[arg-type]


def test_a_law_of_steps_is_split_by_its_own_unit() -> None:
    law = ut.fit(curve(), ["step"], "loss", forms=[zoo.limited(["step"])])
    assert law.allocate(1e6, "step").point == {"step": pytest.approx(1e6)}
