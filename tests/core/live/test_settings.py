from __future__ import annotations

import pandas as pd
import pytest

from unsl_tracking.live import finished_siblings
from unsl_tracking.live.judge import Judge
from unsl_tracking.live.settings import SETTINGS, THIS_RUN, chosen, settings_of
from unsl_tracking.live.siblings import Group
from unsl_tracking.runs import MemoryTracker


def a_run(tracker: MemoryTracker, upto: int, end: float, lr: str, seed: int) -> str:
    """A run that looks like all others for half of its way."""
    run = tracker.new_run("sweep", params={"lr": lr, "seed": str(seed), "opt": "adam"})
    places = range(10, upto + 1, 10)
    values = [(2.0 if step <= 500 else end) + 3.0 / (step + seed) for step in places]
    tracker.log(run, "loss", list(zip(values, places, places, strict=True)))
    if upto == 1000:
        tracker.finish(run, "FINISHED")
    return run


def test_a_recipe_is_what_was_chosen_and_neither_seed_nor_name_nor_place() -> None:
    params = {"lr": "1e-3", "seed": "7", "run_name": "a", "output_dir": "/x", "opt": "adam"}
    assert chosen(params) == {"lr": 0.001, "opt": "adam"}
    assert chosen({"note": "x", "layers": "[" + "1, " * 99 + "]", "wd": float("nan")}) == {}


def test_numbers_are_compared_as_numbers() -> None:
    assert chosen({"lr": "1e-3"}) == chosen({"lr": 0.001})


def test_settings_of_a_plain_frame_are_its_columns_that_are_constant_along_runs() -> None:
    frame = pd.DataFrame(
        {"run_id": list("aabb"), "step": [1, 2, 1, 2], "lr": [0.1, 0.1, 0.2, 0.2], "x": range(4)}
    )
    assert settings_of(frame, "run_id", ("step",)) == {"a": {"lr": 0.1}, "b": {"lr": 0.2}}


def test_columns_that_cannot_be_settings_are_none_and_stop_nobody() -> None:
    frame = pd.DataFrame({"run_id": list("aabb"), "step": [1, 2, 1, 2], "lr": 0.1})
    frame["betas"] = [[0.9, 0.95]] * 4
    frame[0] = 1.0
    frame[("a", "b")] = 2.0
    frame = pd.concat([frame, frame[["lr"]].rename(columns={"lr": "twice"})], axis=1)
    frame = pd.concat([frame, frame[["twice"]]], axis=1)
    assert settings_of(frame, "run_id", ("step",)) == {"a": {"lr": 0.1}, "b": {"lr": 0.1}}


def test_a_setting_that_no_run_tells_is_none() -> None:
    frame = pd.DataFrame({"run_id": list("ab"), "wd": [float("nan"), 0.1], "x": [None, None]})
    assert settings_of(frame, "run_id") == {"a": {}, "b": {"wd": 0.1}}


def test_siblings_from_a_tracker_tell_the_settings_of_all_and_of_this_run() -> None:
    tracker = MemoryTracker()
    other = a_run(tracker, 1000, 1.0, "0.1", seed=0)
    own = a_run(tracker, 100, 1.0, "0.2", seed=1)
    frame = finished_siblings(tracker, "sweep", "loss", leave_out=own)()
    assert frame.attrs[SETTINGS] == {
        other: {"lr": 0.1, "opt": "adam"},
        THIS_RUN: {"lr": 0.2, "opt": "adam"},
    }


@pytest.mark.parametrize(("lr", "end"), [("0.0", 1.0), ("0.5", 2.0)])
def test_a_run_is_expected_to_end_where_another_seed_of_its_recipe_did(lr: str, end: float) -> None:
    tracker = MemoryTracker()
    for seed in range(2):
        for i in range(6):
            a_run(tracker, 1000, 1.0 + 0.2 * i + 0.004 * seed, f"0.{i}", seed)
    own = a_run(tracker, 40, 2.0, lr, seed=9)
    group = Group.of(finished_siblings(tracker, "sweep", "loss", leave_out=own)(), "step", "loss")
    judge = Judge("loss", {"step": 1000})
    state = judge.new_state()
    for step in (10, 20, 30, 40):
        state.add(step, 2.0 + 3.0 / step, (step,))
    told, blind = judge.forecast(state, group), judge.forecast(state, Group(told=group.told))
    assert abs(told.median - end) < 0.5 * abs(blind.median - end)
    assert told.interval(0.8)[0] < end < told.interval(0.8)[1]
