from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from unsl_tracking.runs.memory import MemoryTracker
from unsl_tracking.runs.verdict import Verdict
from unsl_tracking.testing import TrackerContract, VerdictContract


class TestMemoryTracker(TrackerContract, VerdictContract):
    @pytest.fixture
    def tracker(self) -> MemoryTracker:
        return MemoryTracker()

    @pytest.fixture
    def user(self, tracker: MemoryTracker) -> MemoryTracker:
        return tracker


def test_a_pattern_filters_runs_by_name() -> None:
    tracker = MemoryTracker()
    for name in ("width-1", "width-2", "other"):
        tracker.new_run("e", name=name)
    assert [run.name for run in tracker.runs("e", filter="width-*")] == ["width-1", "width-2"]


def test_params_become_text_and_config_keeps_its_types() -> None:
    tracker = MemoryTracker()
    tracker.new_run("e", params={"lr": 0.1}, config={"depth": 3, "bias": True})
    (run,) = tracker.runs("e")
    assert run.params == {"lr": "0.1"}
    assert run.config == {"depth": 3, "bias": True}


def test_a_resumed_run_is_running_again() -> None:
    tracker = MemoryTracker()
    run = tracker.new_run("e")
    tracker.finish(run)
    tracker.finish(run, "RUNNING")
    (found,) = tracker.runs("e")
    assert found.status == "RUNNING" and found.ended is None


def test_what_was_listed_does_not_change_afterwards() -> None:
    tracker = MemoryTracker()
    run = tracker.new_run("e", tags={"a": "1"})
    (before,) = tracker.runs("e")
    tracker.log(run, "loss", [(1.0, 1, 1)])
    tracker.set_tags(run, {"a": "2"})
    assert before.metrics == {} and before.tags == {"a": "1"}


def test_several_threads_log_without_losing_rows() -> None:
    tracker = MemoryTracker()
    run = tracker.new_run("e")

    def work(worker: int) -> None:
        for i in range(20):
            tracker.log(run, "loss", [(1.0, worker * 20 + i, i)])
            tracker.history(tracker.runs("e"), ["loss"])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert len(tracker.history(tracker.runs("e"), ["loss"]).frame) == 80


def test_a_verdict_moves_the_alias_of_the_models_that_the_runs_produced() -> None:
    tracker = MemoryTracker()
    first, second = (tracker.new_run("e", name=name) for name in "ab")
    elsewhere = tracker.new_run("other")
    for run in (first, second, elsewhere):
        tracker.register_model("model", run)
    tracker.register_model("another", elsewhere)
    go, no_go = (Verdict(word, {"unsl.gate": word}) for word in ("GO", "NO-GO"))
    assert tracker.set_verdict("e", [first, second], go) == ("e", "model:2")
    assert tracker.model_aliases("model") == {"unsl-go": 2}
    tracker.set_verdict("e", [first], no_go)
    assert tracker.model_aliases("model") == {"unsl-no-go": 1}
    assert tracker.model_aliases("another") == {}
    assert tracker.experiment_tags("e") == {"unsl.gate": "NO-GO"}
