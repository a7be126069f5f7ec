"""What a run is compared with: ends of siblings that are none, targets, a law of other runs."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

import unsl_tracking as ut
from unsl_tracking.errors import DataError
from unsl_tracking.forecast.metric_scale import MetricScale
from unsl_tracking.live.judge import Judge
from unsl_tracking.live.siblings import Group

END = 1000
PLACES = np.arange(20, END + 1, 20)


def loss(limit: float) -> Any:
    return limit + 20.0 * PLACES**-0.5


def runs(*limits: float) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    each = [
        {"run_id": f"r{i}", "step": PLACES, "loss": loss(a) * np.exp(0.002 * rng.normal(size=50))}
        for i, a in enumerate(limits)
    ]
    return pd.concat([pd.DataFrame(one) for one in each], ignore_index=True)


def judged(group: Group, limit: float, upto: int) -> ut.Decision:
    judge = Judge("loss", {"step": END})
    state, decision = judge.new_state(), None
    for step, value in zip(PLACES, loss(limit), strict=True):
        if step <= upto:
            state.add(int(step), float(value), (float(step),))
            if step >= 100:
                decision = judge.decide(state, group, decision)
    assert decision is not None
    return decision


def test_a_sibling_whose_loss_fell_to_zero_is_no_bar() -> None:
    broken = runs(1.5, 1.6, 1.7)
    broken.loc[(broken["run_id"] == "r1") & (broken["step"] > 300), "loss"] = 0.0
    group = Group.of(broken, "step", "loss")
    finals = group.finals(END, MetricScale.for_metric("min", None, np.empty(0), "loss"))
    assert finals == pytest.approx((loss(1.5)[-1], loss(1.7)[-1]), rel=0.01)
    assert len(group.kin(MetricScale.for_metric("min", None, np.empty(0), "loss"), END)._ends) == 2
    assert judged(group, 1.4, 500).verdict == "continue"


def test_a_sibling_at_the_ceiling_is_no_bar() -> None:
    frame = pd.DataFrame(
        {"run_id": ["a", "a", "b", "b"], "step": [1, 9, 1, 9], "acc": [0.5, 0.8, 0.6, 1.0]}
    )
    scale = MetricScale.for_metric("max", None, np.empty(0), "acc")
    assert Group.of(frame, "step", "acc").finals(9, scale) == (0.8,)


@pytest.mark.parametrize(
    ("mode", "target"), [("min", 0.0), ("min", -1.0), ("max", 70.0), ("max", 1.0)]
)
def test_a_target_that_nothing_can_beat_is_refused(mode: Any, target: float) -> None:
    with pytest.raises(DataError, match="a target to"):
        ut.RunMonitor("m", mode=mode, horizon={"step": 10}, stop=ut.StopRule(target=target))


@pytest.mark.parametrize("count", [6, 20])
def test_a_law_of_runs_of_one_scale_is_used_with_where_this_run_is(count: int) -> None:
    frame = runs(*np.linspace(1.5, 2.4, count))
    law = ut.fit(frame, ["step"], "loss", run="run_id")
    for upto in (300, 500):
        found = judged(Group.of(law, "step", "loss"), 1.45, upto)
        assert found.verdict == "continue" and found.forecast is not None
        low, high = found.forecast.interval(0.95)
        assert low < loss(1.45)[-1] < high


def test_a_monitor_that_has_read_its_siblings_can_be_pickled_whatever_read_them() -> None:
    frame = runs(1.5, 1.6)
    with ut.RunMonitor("loss", horizon={"step": END}, siblings=lambda: frame) as one:
        one.log(20, 9.0)
        assert one.flush()
        again = pickle.loads(pickle.dumps(one))  # noqa: S301 - our own
    assert again._live.group.told.keys() == {"r0", "r1"}
    again.close()


def test_what_is_a_runs_own_is_not_taken_for_an_effect_of_its_settings() -> None:
    """Three siblings of other learning rates; limits of runs scatter by 2% whatever their rate."""
    held = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        limits = (1.5 + 0.03 * np.arange(4)) * np.exp(0.02 * rng.normal(size=4))
        curves = [loss(a) * np.exp(0.003 * rng.normal(size=50)) for a in limits]
        siblings = pd.concat(
            pd.DataFrame({"run_id": f"r{i}", "step": PLACES, "loss": curves[i], "lr": 1e-3 * 2**i})
            for i in (0, 1, 3)
        )
        judge = Judge("loss", {"step": END}, config={"lr": 4e-3})
        state = judge.new_state()
        for step, value in zip(PLACES[:30].tolist(), curves[2], strict=False):
            state.add(step, float(value), (float(step),))
        low, high = judge.forecast(state, Group.of(siblings, "step", "loss")).interval(0.8)
        held += bool(low < loss(limits[2])[-1] < high)
    assert held >= 8  # a law over the learning rate alone: 1


def test_a_stray_zero_does_not_end_forecasting_and_a_metric_of_zeros_is_not_forecast() -> None:
    judge = Judge("loss", {"step": END})
    stray, zeros = judge.new_state(), judge.new_state()
    for step, value in zip(PLACES[:30].tolist(), loss(1.5), strict=False):
        stray.add(step, 0.0 if step == 20 else float(value), (float(step),))
        zeros.add(step, float(value) if step % 40 else 0.0, (float(step),))
    forecast = judge.forecast(stray, Group())
    assert forecast.median == pytest.approx(loss(1.5)[-1], rel=0.05)
    assert judge.decide(zeros, Group()).verdict == "waiting"
