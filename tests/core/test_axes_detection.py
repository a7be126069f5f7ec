from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from unsl_tracking.runs import Detection, MemoryTracker, Observations, metrics_to_read, observe

Along = Mapping[str, Callable[[np.ndarray], np.ndarray]]


def line(slope: float, start: float = 0.0) -> Callable[[np.ndarray], np.ndarray]:
    return lambda step: start + slope * step


class Lab:
    """A memory tracker with one experiment, whose loss is a power law of size and step."""

    def __init__(self) -> None:
        self.tracker = MemoryTracker()
        self.tracker.new_experiment("e")

    def train(self, *, steps: int = 100, along: Along | None = None, **params: object) -> str:
        run = self.tracker.new_run("e", params=params)
        step = np.arange(1, steps + 1)
        curves = {"loss": lambda s: 1 + 5 * s**-0.3, **(along or {})}
        for metric, values in curves.items():
            rows = zip(values(step).tolist(), step.tolist(), (step * 1000).tolist(), strict=True)
            self.tracker.log(run, metric, rows)
        self.tracker.finish(run)
        return run

    def finish_with(self, loss: float, **params: object) -> str:
        run = self.tracker.new_run("e", params=params)
        self.tracker.log(run, "loss", [(loss, 0, 0)])
        self.tracker.finish(run)
        return run

    def observe(self, **options: object) -> Observations:
        runs = self.tracker.runs("e")
        history = self.tracker.history(runs, metrics_to_read(runs, "loss")).frame
        return observe(runs, history, "loss", **options)  # type: ignore[arg-type]


@pytest.fixture
def lab() -> Lab:
    return Lab()


def chosen(seen: Observations) -> list[str]:
    return [axis.name for axis in seen.axes]


def told(seen: Observations, name: str) -> Detection:
    (found,) = [each for each in seen.detections if each.name == name]
    return found


def test_what_varies_between_runs_and_along_them_is_found(lab: Lab) -> None:
    for params in (1e5, 1e6, 1e7):
        lab.train(params=params, lr=0.1, seed=3)
    seen = lab.observe()
    assert chosen(seen) == ["params", "step"]
    detection = told(seen, "params")
    assert (detection.low, detection.high, detection.runs_with) == (1e5, 1e7, 3)
    assert detection.chosen and "between runs" in detection.reason
    assert "along the runs" in told(seen, "step").reason


def test_the_range_that_is_told_is_that_of_all_rows(lab: Lab) -> None:
    run = lab.tracker.new_run("e", params={"params": 1e6})
    lab.tracker.log(run, "loss", [(1 + (s + 1) ** -0.3, s, s) for s in range(20_001)])
    lab.tracker.finish(run)
    assert told(lab.observe(), "step").reason == "varies along the runs from 1 to 2e+04"


def test_numbers_written_as_text_are_axes(lab: Lab) -> None:
    for size in ("125M", "1.3B", " 7e9 "):
        lab.finish_with(1.0, params=size)
    seen = lab.observe()
    assert seen.frame["params"].tolist() == [125e6, 1.3e9, 7e9]


def test_less_than_a_factor_of_two_is_no_axis(lab: Lab) -> None:
    for params in (1e6, 1.9e6):
        lab.train(params=params)
    seen = lab.observe()
    assert chosen(seen) == ["step"]
    assert "less than a factor of two" in told(seen, "params").reason


def test_a_constant_scale_is_mentioned(lab: Lab) -> None:
    lab.train(params=1e6)
    lab.train(params=1e6)
    assert told(lab.observe(), "params").reason == "is 1e+06 throughout"


def test_tokens_seen_stand_for_steps_and_epochs(lab: Lab) -> None:
    for batch in (8, 32):
        lab.train(
            batch_size=batch,
            along={
                "tokens_seen": line(batch * 128.0),
                "epoch": lambda s: s / 50.0,
            },
        )
    seen = lab.observe()
    assert chosen(seen) == ["tokens_seen"]
    assert "as `tokens_seen` does" in told(seen, "step").reason
    assert "as `tokens_seen` does" in told(seen, "epoch").reason


def test_flops_that_follow_from_size_and_tokens_are_left_out_with_the_powers(lab: Lab) -> None:
    for params in (1e5, 1e6, 1e7):
        for tokens in (1e7, 1e8, 1e9):
            lab.finish_with(1.0, params=params, tokens=tokens, flops=6 * params * tokens)
    seen = lab.observe()
    assert chosen(seen) == ["params", "tokens"]
    assert told(seen, "flops").reason == "goes with params^1 × tokens^1 (within 0.0%)"


def test_flops_are_an_axis_when_they_tell_something_new(lab: Lab) -> None:
    for params in (1e5, 1e6, 1e7):
        for tokens in (1e7, 1e8, 1e9):
            lab.finish_with(1.0, params=params, flops=6 * params * tokens)
    assert chosen(lab.observe()) == ["params", "flops"]


def test_of_two_that_rise_together_the_more_telling_name_is_kept(lab: Lab) -> None:
    for n in (1, 2, 4, 8):
        lab.finish_with(1.0, foo=100 * n, dataset_size=1000 * n)
    seen = lab.observe()
    assert chosen(seen) == ["dataset_size"]
    assert "goes with dataset_size^1" in told(seen, "foo").reason


def test_width_and_depth_are_sides_of_the_size(lab: Lab) -> None:
    for width, depth in ((64, 2), (128, 4), (256, 4), (512, 16)):
        lab.train(n_params=12 * width**2 * depth, width=width, n_layers=depth)
    seen = lab.observe()
    assert chosen(seen) == ["n_params", "step"]
    assert len(seen.groups) == 1
    assert "whose size is `n_params`" in told(seen, "width").reason


def test_without_a_size_width_is_the_axis(lab: Lab) -> None:
    for width in (64, 128, 256):
        lab.train(width=width, lr=1 / width)
    seen = lab.observe()
    assert chosen(seen) == ["step", "width"]
    assert len(seen.groups) == 1, "the learning rate was scaled with the width"


def test_hyperparameters_split_groups_unless_named(lab: Lab) -> None:
    for params in (1e5, 1e6, 1e7):
        for lr in (1e-4, 1e-3):
            lab.finish_with(1.0, params=params, lr=lr)
    seen = lab.observe()
    assert chosen(seen) == ["params"] and len(seen.groups) == 2
    assert "name it to model it" in told(seen, "lr").reason
    seen = lab.observe(axes=["params", "lr"])
    assert len(seen.groups) == 1
    assert [axis.kind for axis in seen.axes] == ["scale", "hyper"]


def test_the_planned_length_of_a_run_is_no_axis_and_no_recipe(lab: Lab) -> None:
    for steps in (50, 100, 400):
        lab.train(steps=steps, max_steps=steps, num_train_epochs=steps / 10)
    seen = lab.observe()
    assert chosen(seen) == ["step"] and len(seen.groups) == 1
    assert "planned length" in told(seen, "max_steps").reason


def test_a_planned_length_splits_no_group_however_little_it_varies(lab: Lab) -> None:
    for steps in (100, 130, 150):
        lab.train(steps=steps, max_steps=steps)
    seen = lab.observe()
    assert chosen(seen) == ["step"] and len(seen.groups) == 1


def test_a_named_axis_that_varies_little_is_used_and_pointed_out(lab: Lab) -> None:
    for params in (1e6, 1.5e6):
        lab.train(params=params)
    seen = lab.observe(axes=["params", "step"])
    assert chosen(seen) == ["params", "step"]
    assert "`params` varies only from 1e+06 to 1.5e+06" in seen.notes[0]


def test_data_size_is_an_axis_beside_the_step(lab: Lab) -> None:
    for size in (1000, 4000, 16000):
        lab.train(dataset_size=size)
    assert chosen(lab.observe()) == ["step", "dataset_size"]


def test_epochs_are_repeats(lab: Lab) -> None:
    for tokens in (1e6, 1e7, 1e8):
        for epochs in (1, 4, 16):
            lab.finish_with(1.0, tokens=tokens, epochs=epochs)
    kinds = {axis.name: axis.kind for axis in lab.observe().axes}
    assert kinds == {"tokens": "scale", "epochs": "repeat"}


def test_a_number_on_few_runs_is_no_axis(lab: Lab) -> None:
    for i in range(6):
        params: dict[str, Any] = {"params": 10.0**i} if i < 2 else {}
        lab.train(**params)
    assert told(lab.observe(), "params").reason == "only 2 of 6 runs have a number for it"


def test_zeros_are_no_axis(lab: Lab) -> None:
    for hidden in (0, 64, 128):
        lab.train(hidden=hidden)
    assert "0 or below" in told(lab.observe(), "hidden").reason


def test_seeds_and_worker_counts_are_not_even_candidates(lab: Lab) -> None:
    for i in (1, 2, 40):
        lab.train(seed=i, num_workers=i, trial=i)
    assert {each.name for each in lab.observe().detections} == {"step"}


def test_two_values_of_an_untelling_name_are_a_switch(lab: Lab) -> None:
    for mode in (1, 5):
        lab.train(mode=mode)
    seen = lab.observe()
    assert chosen(seen) == ["step"] and len(seen.groups) == 2
    assert "two values only" in told(seen, "mode").reason


def test_an_untelling_name_with_several_values_is_an_axis(lab: Lab) -> None:
    for frobs in (1, 5, 25):
        lab.train(frobs=frobs)
    assert chosen(lab.observe()) == ["step", "frobs"]


def test_at_most_four_axes_are_chosen(lab: Lab) -> None:
    numbers = np.random.default_rng(0).uniform(0, 5, (40, 6))
    for row in 10**numbers:
        lab.finish_with(1.0, **{f"scale{i}": value for i, value in enumerate(row)})
    seen = lab.observe()
    assert len(seen.axes) == 4
    assert sum("chosen already" in each.reason for each in seen.detections) == 2


def test_a_metric_that_grows_is_offered_but_not_taken(lab: Lab) -> None:
    lab.train(along={"accuracy": lambda s: s / 200.0})
    runs = lab.tracker.runs("e")
    history = lab.tracker.history(runs, ["loss", "accuracy"]).frame
    seen = observe(runs, history, "loss")
    assert chosen(seen) == ["step"]
    assert not told(seen, "accuracy").chosen


def test_a_size_logged_as_a_metric_is_an_axis(lab: Lab) -> None:
    for size in (1e5, 1e6):
        lab.train(along={"n_params": line(0.0, size)})
    seen = lab.observe()
    assert chosen(seen) == ["n_params", "step"]
    assert seen.axes[0].source == "metric:n_params"


def test_of_a_param_and_a_metric_of_one_name_both_are_told_apart(lab: Lab) -> None:
    for tokens in (1e6, 1e7):
        lab.train(tokens=tokens, along={"tokens": lambda s: s * 1000.0})
    names = {each.name for each in lab.observe().detections}
    assert {"tokens", "metric:tokens"} <= names


def test_a_size_that_differs_between_parts_of_the_data_is_found_without_curves(lab: Lab) -> None:
    for params in (1e5, 1e6, 1e7):
        lab.train(params=params, steps=7)
    seen = lab.observe(curve="last")
    assert chosen(seen) == ["params"]
    assert len(seen.frame) == 3


def test_metrics_to_read_are_the_metric_and_what_may_be_an_axis(lab: Lab) -> None:
    lab.train(
        along={
            "tokens_seen": lambda s: s * 1.0,
            "grad_norm": lambda s: s * 1.0,
            "unsl/loss/final_steps": lambda s: s * 1.0,
        }
    )
    runs = lab.tracker.runs("e")
    assert metrics_to_read(runs, "loss") == ("loss", "tokens_seen")
    assert metrics_to_read(runs, "loss", ["x=metric:grad_norm", "step"]) == ("loss", "grad_norm")
    assert metrics_to_read(runs, "loss", ["x=tokens_seen * 2"]) == ("loss", "tokens_seen")


def test_what_is_a_param_and_a_config_value_is_told_once(lab: Lab) -> None:
    for width in (64, 256, 1024):
        run = lab.tracker.new_run("e", params={"width": width}, config={"width": width})
        lab.tracker.log(run, "loss", [(1 / width, 0, 0)])
    seen = lab.observe()
    assert [each.name for each in seen.detections if "width" in each.name] == ["width"]
    asked = lab.observe(axes=["size=config:width"])
    assert asked.frame["size"].tolist() == [64, 256, 1024]
