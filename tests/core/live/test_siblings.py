"""Which runs of an experiment count as finished when they tell others where they will end."""

from __future__ import annotations

import pytest

import unsl_tracking as ut
from unsl_tracking.decide import Decision
from unsl_tracking.live import finished_siblings
from unsl_tracking.live.writeback import write_decision
from unsl_tracking.runs import MemoryTracker

DOOMED = Decision("doomed", 0.99, "It cannot make it.")
GOES_ON = Decision("continue", 0.2, "It can.")
DRY = Decision("doomed", 0.99, "It cannot make it.", dry_run=True)


def a_run(tracker: MemoryTracker, upto: int, status: str = "FINISHED") -> str:
    """A run with losses up to a step."""
    run = tracker.new_run("sweep")
    places = range(10, upto + 1, 10)
    tracker.log(run, "loss", [(2 + 10 / step, step, step) for step in places])
    if status != "RUNNING":
        tracker.finish(run, status)
    return run


def finished(tracker: MemoryTracker) -> set[str]:
    frame = finished_siblings(tracker, "sweep", "loss")()
    return set(frame.loc[frame["finished"], "run_id"])


@pytest.mark.parametrize("metric", ["loss", "accuracy"])
def test_a_run_that_was_stopped_has_not_finished_whatever_metric_it_was_stopped_for(
    metric: str,
) -> None:
    tracker = MemoryTracker()
    whole, stopped = a_run(tracker, 1000), a_run(tracker, 300)
    write_decision(tracker, stopped, metric, DOOMED, 300)
    assert finished(tracker) == {whole}


def test_a_later_verdict_on_another_metric_does_not_hide_that_a_run_was_stopped() -> None:
    tracker = MemoryTracker()
    whole, stopped = a_run(tracker, 1000), a_run(tracker, 300)
    write_decision(tracker, stopped, "loss", DOOMED, 300)
    write_decision(tracker, stopped, "eval/accuracy", GOES_ON, 300)
    (run,) = (each for each in tracker.runs("sweep") if each.id == stopped)
    assert run.tags["unsl.verdict"] == "continue"
    assert finished(tracker) == {whole}


def test_a_dry_run_stops_nothing() -> None:
    tracker = MemoryTracker()
    short, whole = a_run(tracker, 300), a_run(tracker, 1000)
    write_decision(tracker, short, "loss", DRY, 300)
    assert finished(tracker) == {short, whole}


def test_a_run_that_was_let_go_on_in_the_end_has_finished() -> None:
    tracker = MemoryTracker()
    run = a_run(tracker, 300)
    write_decision(tracker, run, "loss", DOOMED, 100)
    write_decision(tracker, run, "loss", GOES_ON, 300)
    assert finished(tracker) == {run}


def test_a_run_that_came_as_far_as_the_others_has_finished_though_it_was_asked_to_stop() -> None:
    tracker = MemoryTracker()
    whole, heedless = a_run(tracker, 1000), a_run(tracker, 1000)
    write_decision(tracker, heedless, "loss", DOOMED, 500)
    assert finished(tracker) == {whole, heedless}


def test_where_every_run_was_stopped_none_has_finished() -> None:
    tracker = MemoryTracker()
    for upto in (200, 300):
        write_decision(tracker, a_run(tracker, upto), "loss", DOOMED, upto)
    assert finished(tracker) == set()


@pytest.mark.parametrize("status", ["RUNNING", "FAILED", "KILLED"])
def test_a_run_that_goes_on_or_broke_off_has_not_finished(status: str) -> None:
    tracker = MemoryTracker()
    whole = a_run(tracker, 1000)
    a_run(tracker, 1000, status)
    assert finished(tracker) == {whole}


def test_two_monitors_of_a_run_leave_both_verdicts() -> None:
    tracker = MemoryTracker()
    run = tracker.new_run("sweep")
    horizon = {"step": 10_000}
    rule = ut.StopRule(target=1.0, patience=1, min_fraction=0.0)
    with (
        ut.RunMonitor("loss", horizon=horizon, tracker=tracker, run_id=run, stop=rule) as one,
        ut.RunMonitor("other", horizon=horizon, tracker=tracker, run_id=run) as two,
    ):
        for step in range(10, 2000, 20):
            one.log(step, 2 + 10 / step)
            two.log(step, 2 + 10 / step)
        assert one.flush() and two.flush()
    tags = tracker.runs("sweep")[0].tags
    assert (tags["unsl/loss/verdict"], tags["unsl/other/verdict"]) == ("doomed", "continue")
