"""A monitor that writes into a real MLflow store, while that store misbehaves.

What is promised to training is its time: `log` returns at once, whatever the tracker does. Waiting
for one request would break the bound on the longest single `log`.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mlflow")

import unsl_tracking as ut
from tests.waiting import until
from unsl_mlflow import MlflowTracker
from unsl_tracking.errors import TrackerUnavailable
from unsl_tracking.live.writeback import Writer

PATIENCE = 3.0  # seconds that the tracker waits for a server, on its own thread
BOUND = 1.5  # seconds for one log: below the patience, above what a busy machine does to it
NAMES = {f"unsl/loss/{name}" for name in ("p_doomed", "final", "final_lo80", "final_hi80")}


@contextlib.contextmanager
def monitored(uri: str, run_id: str, patience: float = PATIENCE) -> Iterator[ut.RunMonitor]:
    one = ut.RunMonitor(
        "loss",
        horizon={"step": 10_000},
        stop=ut.StopRule(target=1.0),
        tracker=MlflowTracker(uri, patience=patience),
        run_id=run_id,
        share=1.0,
    )
    try:
        yield one
    finally:
        one.close(timeout=0.5)


def train(one: ut.RunMonitor, start: int, end: int) -> float:
    """Log a curve; the longest that one log took, in seconds of wall time."""
    longest = 0.0
    for step in range(start, end, 5):
        began = time.perf_counter()
        one.log(step, 2.0 + 3.0 * step**-0.4)
        longest = max(longest, time.perf_counter() - began)
    return longest


def judged(one: ut.RunMonitor) -> bool:
    """Wait for the decision, not for the tracker."""
    return one.workers()[0].flush(60)


@pytest.fixture
def run_id(server_user: Any) -> str:
    server_user.new_experiment("e")
    return str(server_user.new_run("e"))


def test_a_decision_is_all_there_in_a_real_store(sqlite_uri: str, sqlite_user: Any) -> None:
    sqlite_user.new_experiment("e")
    run_id = sqlite_user.new_run("e", tags={"team": "vision"})
    with monitored(sqlite_uri, run_id) as one:
        for end in (1000, 2000, 3000):
            train(one, end - 995, end)
            assert one.flush() and one.errors == {}
        assert one.decision.verdict == "doomed" and one.forecast is not None
        decision, (low, high) = one.decision, one.forecast.interval(0.8)
    run = sqlite_user.client.get_run(run_id)
    assert run.info.status == "RUNNING"
    assert run.data.metrics == {
        "unsl/loss/p_doomed": decision.probability,
        "unsl/loss/final": one.forecast.median,
        "unsl/loss/final_lo80": low,
        "unsl/loss/final_hi80": high,
    }
    tags = {name: text for name, text in run.data.tags.items() if name.startswith("unsl")}
    assert tags == {
        "unsl.verdict": "doomed",
        "unsl/loss/verdict": "doomed",
        "unsl.reason": decision.reason,
        "unsl.metric": "loss",
    }
    assert run.data.tags["team"] == "vision"
    final = sqlite_user.client.get_metric_history(run_id, "unsl/loss/final")
    assert [row.step for row in final] == [995, 1995, 2995], "one row a decision, where it was made"
    assert sqlite_user.files(run_id) == ["unsl/loss/decision.json"]
    text = MlflowTracker(sqlite_uri).read_artifact(run_id, "unsl/loss/decision.json")
    assert json.loads(text)["forecast"] == json.loads(json.dumps(one.forecast.to_dict()))


@pytest.mark.slow
def test_a_server_killed_in_the_middle_of_a_run_and_started_again(
    own_server: Any, sqlite_user: Any
) -> None:
    sqlite_user.new_experiment("e")
    run_id = sqlite_user.new_run("e")
    own_server.start()
    with monitored(own_server.uri, run_id) as one:
        train(one, 5, 1000)
        assert one.flush() and one.errors == {}
        own_server.kill()
        longest = train(one, 1000, 2000)
        assert judged(one) and one.decision.at == 1995, "decisions go on"
        assert not one.flush(0.2) or one.errors["tracker"] >= 1
        longest = max(longest, train(one, 2000, 3000))
        assert judged(one) and one.decision.at == 2995
        assert longest < BOUND
        one.flush(20)
        assert one.errors["tracker"] >= 1 and set(one.errors) == {"tracker"}
        own_server.start()
        train(one, 3000, 4000)
        assert one.flush(60)
        written = sqlite_user.client.get_run(run_id).data
        assert written.metrics["unsl/loss/final"] == one.forecast.median  # type: ignore[union-attr]
        steps = [
            row.step for row in sqlite_user.client.get_metric_history(run_id, "unsl/loss/final")
        ]
        assert steps[0] == 995 and steps[-1] == 3995


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500, "body": b"boom"},
        {"status": 503},
        {"status": 429, "headers": {"Retry-After": "60"}},
        {"status": 0},
        {"status": 200, "body": b"<html>Please log in</html>"},
    ],
    ids=["500", "503", "429", "hangs up", "a web page"],
)
def test_a_server_that_answers_with_errors_delays_nothing_and_is_written_to_later(
    fault: dict[str, Any], proxy: Any, run_id: str, server_user: Any
) -> None:
    proxy.fail("/", **fault)
    with monitored(proxy.uri, run_id) as one:
        longest = train(one, 5, 3000)
        assert judged(one) and one.decision.probability is not None
        one.flush(30)
        assert one.errors["tracker"] >= 1 and set(one.errors) == {"tracker"}
        longest = max(longest, train(one, 3000, 4000))
        assert judged(one) and one.decision.at == 3995
        assert longest < BOUND
        assert server_user.client.get_run(run_id).data.metrics == {}
        proxy.faults.clear()
        train(one, 4000, 5000)
        assert one.flush(60)
    found = server_user.client.get_run(run_id).data
    assert found.metrics.keys() == NAMES and found.tags["unsl.metric"] == "loss"
    assert server_user.files(run_id) == ["unsl/loss/decision.json"]


def test_a_failing_server_is_asked_seldom(proxy: Any, run_id: str) -> None:
    proxy.fail("/", status=500)
    began = time.monotonic()
    with monitored(proxy.uri, run_id) as one:
        for start in range(5, 4000, 500):
            train(one, start, start + 500)
            judged(one)
        one.workers()[1].pause(20)  # until the attempt under way is over
        # One more than whole pauses fit: an attempt may be under way at either end.
        asked, attempts = len(proxy.requests), 2 + (time.monotonic() - began) // Writer.FIRST
        one.workers()[1].resume()
        assert 1 <= asked <= 8 * attempts, "what fits into the patience, with growing pauses"


def test_a_server_that_says_nothing_for_a_minute_holds_up_neither_training_nor_its_end(
    proxy: Any, run_id: str, server_user: Any
) -> None:
    answer = threading.Event()
    proxy.fail("/", times=1, status=500, then=lambda: answer.wait(60) and None)
    with monitored(proxy.uri, run_id, patience=60) as one:
        longest = train(one, 5, 3000)
        assert judged(one) and one.decision.probability is not None
        until(lambda: proxy.requests)
        for start in (3000, 4000, 5000):
            longest = max(longest, train(one, start, start + 1000))
            assert judged(one) and one.decision.at == start + 995
        assert longest < BOUND and one.errors == {}, "the writer still waits; nobody waits for it"
        began = time.monotonic()
        assert not one.close(timeout=0.5)
        assert time.monotonic() - began < 5
    answer.set()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
def test_a_disk_that_is_full_for_artifacts_leaves_metrics_and_tags(
    sqlite_uri: str, sqlite_user: Any, tmp_path: Path
) -> None:
    sqlite_user.new_experiment("e")
    run_id = sqlite_user.new_run("e")
    folder = Path(sqlite_user.client.get_run(run_id).info.artifact_uri.removeprefix("file://"))
    folder.joinpath("unsl", "loss").mkdir(parents=True)
    # Writing there fails in the kernel with "No space left on device".
    folder.joinpath("unsl", "loss", "decision.json").symlink_to("/dev/full")
    with monitored(sqlite_uri, run_id) as one:
        assert train(one, 5, 3000) < BOUND
        assert not one.flush(60) or one.errors["tracker"] >= 1
        assert judged(one) and one.forecast is not None
        found = sqlite_user.client.get_run(run_id).data
        assert found.metrics["unsl/loss/final"] == one.forecast.median
        assert found.tags["unsl.metric"] == "loss"
        folder.joinpath("unsl", "loss", "decision.json").unlink()
        train(one, 3000, 4000)
        assert one.flush(60)
    assert sqlite_user.files(run_id) == ["unsl/loss/decision.json"]


def test_a_wall_clock_that_goes_backwards_leaves_the_newest_decision_the_newest(
    sqlite_uri: str, sqlite_user: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite_user.new_experiment("e")
    run_id = sqlite_user.new_run("e")
    now = iter(range(2_000_000_000, 0, -3600))
    monkeypatch.setattr(time, "time_ns", lambda: next(now) * 10**9)
    with monitored(sqlite_uri, run_id) as one:
        for end in (1000, 2000, 3000):
            train(one, end - 995, end)
            assert one.flush(60) and one.forecast is not None
            found = sqlite_user.client.get_run(run_id).data.metrics
            assert found["unsl/loss/final"] == one.forecast.median
        assert one.errors == {}


def test_a_run_that_was_deleted_meanwhile_is_counted(sqlite_uri: str, sqlite_user: Any) -> None:
    sqlite_user.new_experiment("e")
    run_id = sqlite_user.new_run("e")
    with monitored(sqlite_uri, run_id) as one:
        train(one, 5, 1000)
        assert one.flush(60) and one.errors == {}
        sqlite_user.delete(run_id)
        train(one, 1000, 2000)
        one.flush(60)
        assert set(one.errors) == {"tracker"} and judged(one)


def test_siblings_of_a_server_that_is_away_are_done_without(
    proxy: Any, run_id: str, server_user: Any
) -> None:
    from unsl_tracking.live import finished_siblings

    proxy.fail("/", status=503)
    tracker = MlflowTracker(proxy.uri, patience=PATIENCE)
    with pytest.raises(TrackerUnavailable):
        finished_siblings(tracker, "e", "loss")()
    with ut.RunMonitor(
        "loss", horizon={"step": 10_000}, siblings=finished_siblings(tracker, "e", "loss")
    ) as one:
        assert train(one, 5, 2000) < BOUND
        assert one.flush(60) and one.errors == {"siblings": 1} and one.forecast is not None
