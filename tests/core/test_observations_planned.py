from __future__ import annotations

from collections.abc import Mapping

import pytest

from unsl_tracking.runs import MemoryTracker, Observations, observe


class Lab:
    """Runs that plan a length and have come some way."""

    def __init__(self) -> None:
        self.tracker = MemoryTracker()

    def train(self, reached: int, status: str = "RUNNING", **params: object) -> str:
        run = self.tracker.new_run("e", params=params)
        steps = range(1, reached + 1)
        self.tracker.log(run, "loss", [(3.0 * step**-0.2, step, step) for step in steps])
        self.tracker.log(run, "tokens", [(64.0 * step, step, step) for step in steps])
        self.tracker.finish(run, status)
        return run

    def observe(self, *axes: str) -> Observations:
        runs = self.tracker.runs("e")
        history = self.tracker.history(runs, ["loss", "tokens"]).frame
        return observe(runs, history, "loss", axes=axes or ["step"])

    def ends(self, *axes: str) -> Mapping[str, float]:
        plans = self.observe(*axes).plans
        return plans[0].ends if plans else {}


@pytest.fixture
def lab() -> Lab:
    return Lab()


def test_a_plan_in_steps_is_believed_before_any_run_has_finished(lab: Lab) -> None:
    run, other = lab.train(20, max_steps=100), lab.train(30, max_steps=400)
    assert lab.ends() == {run: 100.0, other: 400.0}


def test_a_plan_in_epochs_is_believed_when_finished_runs_kept_to_it(lab: Lab) -> None:
    lab.train(50, "FINISHED", epochs=5)
    lab.train(100, "FINISHED", epochs=10)
    run = lab.train(20, epochs=20)
    assert lab.ends() == {run: 200.0}
    assert lab.ends("tokens") == {run: 200.0 * 64}


def test_a_plan_in_epochs_is_not_believed_without_finished_runs(lab: Lab) -> None:
    lab.train(20, epochs=20)
    assert lab.ends() == {}


def test_a_plan_that_finished_runs_did_not_keep_to_is_not_believed(lab: Lab) -> None:
    lab.train(50, "FINISHED", max_steps=100)
    lab.train(90, "FINISHED", max_steps=100)
    lab.train(20, max_steps=100)
    assert lab.ends() == {}


def test_a_plan_that_a_run_has_gone_far_beyond_is_not_believed(lab: Lab) -> None:
    lab.train(150, max_steps=100)
    assert lab.ends() == {}


def test_failed_runs_neither_keep_nor_break_a_plan(lab: Lab) -> None:
    lab.train(7, "FAILED", max_steps=100)
    run = lab.train(20, max_steps=100)
    assert lab.ends() == {run: 100.0}


def test_the_explanation_names_the_plan(lab: Lab) -> None:
    lab.train(100, "FINISHED", max_steps=100)
    run = lab.train(20, max_steps=100)
    seen = lab.observe()
    assert "step as `max_steps` says on 1 run, as 1 run did" in seen.explain()
    plan = {"axis": "step", "key": "max_steps", "ends": {run: 100.0}, "kept_by": 1}
    assert seen.to_dict()["plans"] == [plan]
