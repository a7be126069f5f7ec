"""What a run costs: expressions, measured quantities, and spending a budget to the end."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unsl_tracking import DataError
from unsl_tracking.decide.cost import fit_measured, read_cost

AXES = ("params", "tokens")


def test_training_and_inference_add_up() -> None:
    cost = read_cost(AXES, "6*params*tokens", "2*params*served", given={"served": 10.0})
    at = np.log([[2.0, 3.0], [5.0, 7.0]])
    np.testing.assert_allclose(cost(at), [36.0 + 40.0, 210.0 + 100.0])
    np.testing.assert_allclose(cost.of_inference(at), [40.0, 100.0])


@settings(max_examples=50)
@given(
    params=st.floats(1e3, 1e12),
    share=st.floats(1e-6, 1e6),
    power=st.floats(0.3, 3.0),
    extra=st.floats(0.0, 100.0),
)
def test_a_budget_is_spent_to_the_end(
    params: float, share: float, power: float, extra: float
) -> None:
    text = "params * tokens ** power + extra * params"
    cost = read_cost(AXES, text, given={"power": power, "extra": extra})
    at = np.log([[params, 1.0]])
    budget = params * share**power + extra * params
    spent = cost.spend(at, 1, float(np.log(budget)), -50.0, 50.0)
    found = cost(np.array([[at[0, 0], spent[0]]]))[0]
    assert found == pytest.approx(budget, rel=1e-9)


def test_what_cannot_be_afforded_is_nan_and_what_is_always_affordable_the_most() -> None:
    cost = read_cost(AXES, "params * tokens")
    at = np.log([[10.0, 1.0]])
    assert np.isnan(cost.spend(at, 1, float(np.log(5.0)), 0.0, 9.0)[0])
    assert cost.spend(at, 1, 100.0, 0.0, 9.0)[0] == 9.0


def test_a_measured_quantity_is_a_power_law_of_the_axes() -> None:
    rng = np.random.default_rng(0)
    runs = pd.DataFrame(
        {"params": 10 ** rng.uniform(7, 9, 40), "tokens": 10 ** rng.uniform(8, 10, 40)}
    )
    noise = np.exp(0.05 * rng.normal(size=40))
    runs["speed"] = 3e12 * runs["params"] ** -0.9 * noise
    law = fit_measured(runs, AXES, "speed")
    np.testing.assert_allclose(law.exponents, [-0.9, 0.0], atol=0.03)
    assert law.scatter == pytest.approx(0.05, rel=0.3)


def test_where_runs_cannot_tell_it_is_the_size_that_makes_them_slow() -> None:
    # 20 tokens a parameter in every run.
    runs = pd.DataFrame({"params": [1e7, 1e8, 1e9]})
    runs["tokens"], runs["gpus"] = 20.0 * runs["params"], 8.0
    np.testing.assert_allclose(fit_measured(runs, AXES, "gpus").exponents, 0.0, atol=1e-12)
    runs["speed"] = 1.0 / runs["params"]
    np.testing.assert_allclose(fit_measured(runs, AXES, "speed").exponents, [-1.0, 0.0], atol=2e-3)


def test_a_name_without_a_value_is_refused_with_its_neighbours() -> None:
    runs = pd.DataFrame({"params": [1.0, 2.0], "tokens": [1.0, 2.0], "speed": [0.0, np.nan]})
    with pytest.raises(DataError, match="Near it: tokens"):
        read_cost(AXES, "6 * params * token")
    with pytest.raises(DataError, match="two runs or more say what speed is"):
        read_cost(AXES, "tokens / speed", measured=runs)
    with pytest.raises(DataError, match="finite number"):
        read_cost(AXES, "params * x", given={"x": float("nan")})
