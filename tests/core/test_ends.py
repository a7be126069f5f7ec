"""Which rows are fitted where the learning rate falls along the runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from unsl_tracking.forecast.table import FEWEST_POINTS, SHORTEST_SPAN
from unsl_tracking.runs import MemoryTracker, Observations, metrics_to_read, observe
from unsl_tracking.runs.ends import _SPAN, FEWEST_ENDS

SIZES = tuple((1e6 * 2.0 ** np.arange(6)).tolist())


class Lab:
    """Runs of 1000 steps in a tracker in memory, whose rate comes down to a tenth at the end."""

    def __init__(self) -> None:
        self.tracker = MemoryTracker()

    def train(
        self,
        size: float,
        *,
        end: float = 0.1,
        until: int = 1000,
        status: str | None = "FINISHED",
        rate: bool = True,
        **params: object,
    ) -> str:
        run = self.tracker.new_run("lab", params={"n_params": size, "max_steps": 1000, **params})
        steps = np.unique(np.geomspace(10, 1000, 20).astype(int))
        steps = steps[steps <= until].tolist()
        self.tracker.log(run, "loss", [(30 * size**-0.2 + s**-0.3, s, s) for s in steps])
        if rate:
            shares = [1 - (1 - end) * s / 1000 for s in steps]
            self.tracker.log(
                run, "lr", [(0.1 * v, s, s) for v, s in zip(shares, steps, strict=True)]
            )
        if status is not None:
            self.tracker.finish(run, status)
        return run

    def ladder(self, sizes: Sequence[float] = SIZES, **options: object) -> list[str]:
        return [self.train(size, lr=0.1, **options) for size in sizes]  # type: ignore[arg-type]

    def observe(self, **options: object) -> Observations:
        runs = self.tracker.runs("lab")
        axes = options.get("axes")
        read = metrics_to_read(runs, "loss", axes)  # type: ignore[arg-type]
        history = self.tracker.history(runs, read).frame
        return observe(runs, history, "loss", **options)  # type: ignore[arg-type]


@pytest.fixture
def lab() -> Lab:
    return Lab()


def fitted(seen: Observations) -> dict[str, int]:
    return {str(run): len(rows) for run, rows in seen.frame.groupby("run_id", sort=False)}


def test_the_least_number_of_ends_is_what_a_fit_asks_for() -> None:
    assert FEWEST_ENDS == FEWEST_POINTS
    assert _SPAN == SHORTEST_SPAN


def test_a_rate_that_comes_down_leaves_the_last_row_of_every_finished_run(lab: Lab) -> None:
    runs = lab.ladder()
    seen = lab.observe()
    assert fitted(seen) == dict.fromkeys(runs, 1)
    assert seen.frame["step"].tolist() == [1000.0] * 6
    assert len(seen.curves) == 6 * 20
    assert seen.decays[0].ended == tuple(runs)
    assert seen.to_dict()["decays"][0]["rows"] == "ends"


@pytest.mark.parametrize("end", [1.0, 0.6])
def test_a_rate_that_stays_up_leaves_whole_curves(lab: Lab, end: float) -> None:
    lab.ladder(end=end)
    seen = lab.observe()
    assert seen.frame is seen.curves
    assert seen.decays == () and not seen.notes


def test_named_axes_are_taken_as_they_are(lab: Lab) -> None:
    lab.ladder()
    seen = lab.observe(axes=["n_params", "step"])
    assert len(seen.frame) == 6 * 20
    (decay,) = seen.decays
    assert (decay.rows, decay.asked) == ("curves", True)
    assert "--axes n_params,max_steps` fits the ends" in seen.notes[-1]


def test_named_axes_that_do_not_grow_along_a_run_are_ends_already(lab: Lab) -> None:
    lab.ladder()
    assert lab.observe(axes=["n_params"]).decays == ()


def test_four_ends_are_too_few(lab: Lab) -> None:
    lab.ladder(SIZES[:4])
    seen = lab.observe()
    assert len(seen.frame) == 4 * 20
    (decay,) = seen.decays
    assert (decay.rows, decay.scales) == ("curves", 4)
    assert "does not cover" in decay.warning


def test_repeated_ends_count_once(lab: Lab) -> None:
    for seed in range(3):
        lab.ladder(SIZES[:2], seed=seed)
    (decay,) = lab.observe().decays
    assert (decay.rows, decay.scales, len(decay.ended)) == ("curves", 2, 6)


@pytest.mark.parametrize("status", ["RUNNING", "FAILED", "KILLED"])
def test_a_run_that_did_not_finish_takes_no_part_and_is_named(lab: Lab, status: str) -> None:
    lab.ladder()
    state = None if status == "RUNNING" else status
    other = lab.train(1e8, lr=0.1, until=300, status=state)
    seen = lab.observe()
    assert other not in fitted(seen)
    assert other in set(seen.curves["run_id"])
    (lost,) = seen.dropped
    assert (lost.run_id, lost.reason.split(",")[0]) == (other, "the run did not finish")


@pytest.mark.parametrize("rate", [True, False])
def test_a_finished_run_that_ended_early_is_no_end(lab: Lab, rate: bool) -> None:
    lab.ladder(rate=rate, scheduler="cosine")
    early = lab.train(1e8, lr=0.1, until=300, rate=rate, scheduler="cosine")
    seen = lab.observe()
    assert early not in fitted(seen)
    (lost,) = seen.dropped
    assert lost.reason.startswith("the run ended before its rate had fallen")


def test_groups_are_looked_at_one_by_one(lab: Lab) -> None:
    lab.ladder(scheduler="cosine")
    lab.ladder(SIZES[:3], scheduler="wsd")
    lab.ladder(end=1.0, scheduler="constant")
    seen = lab.observe()
    sizes = seen.frame.groupby("group").size().to_dict()
    assert sizes == {"scheduler=cosine": 6, "scheduler=wsd": 60, "scheduler=constant": 120}
    assert [(each.group, each.rows) for each in seen.decays] == [
        ("scheduler=cosine", "ends"),
        ("scheduler=wsd", "curves"),
    ]
    ends, few = seen.notes
    assert "of scheduler=cosine" in ends and "of scheduler=wsd" in few


def test_without_a_rate_among_the_params_its_history_is_read(lab: Lab) -> None:
    for size in SIZES:
        lab.train(size)
    runs = lab.tracker.runs("lab")
    assert "lr" in metrics_to_read(runs, "loss")
    (decay,) = lab.observe().decays
    assert (decay.told_by, decay.rows) == ("lr", "ends")


def test_with_a_rate_among_the_params_its_history_need_not_be_read(lab: Lab) -> None:
    lab.ladder()
    assert "lr" not in metrics_to_read(lab.tracker.runs("lab"), "loss")


def test_ends_are_as_logged_however_long_the_curves(lab: Lab) -> None:
    steps = np.arange(1, 2001)
    rows = []
    for index, size in enumerate(SIZES):
        run = lab.tracker.new_run("lab", params={"n_params": size, "scheduler": "cosine"})
        values = 30 * size**-0.2 + steps**-0.3
        lab.tracker.log(
            run, "loss", [(v, s, s) for v, s in zip(values.tolist(), steps.tolist(), strict=True)]
        )
        lab.tracker.finish(run)
        rows.append(values[-1])
        assert index < len(SIZES)
    pd.testing.assert_series_equal(lab.observe().frame["loss"], pd.Series(rows, name="loss"))


@pytest.mark.parametrize("rate", [True, False])
def test_a_run_that_a_stop_rule_ended_is_no_end_unless_its_rate_was_seen_to_fall(
    lab: Lab, rate: bool
) -> None:
    runs = lab.ladder(rate=rate, lr_scheduler_type="cosine")
    tracker = lab.tracker
    tracker.set_tags(runs[2], {"unsl.verdict": "doomed", "unsl/loss/verdict": "doomed"})
    (decay,) = lab.observe().decays
    assert decay.ended == tuple(run for run in runs if rate or run != runs[2])


def test_a_rate_that_came_down_to_nothing_ended_its_run_whatever_lengths_params_name(
    lab: Lab,
) -> None:
    small = lab.ladder(end=0.0)
    large = lab.ladder([1e8, 2e8], end=-0.7, until=500)  # half as long, and yet nearly at nothing
    (decay,) = lab.observe().decays
    assert set(decay.ended) == {*small, *large}
