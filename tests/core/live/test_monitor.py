from __future__ import annotations

import copy
import json
import logging
import math
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import unsl_tracking as ut
from unsl_tracking.errors import DataError, TrackerUnavailable
from unsl_tracking.live import finished_siblings
from unsl_tracking.runs.memory import MemoryTracker

END = 10_000
PLACES = np.unique(np.geomspace(50, END, 40).astype(int))


def curve(limit: float, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float64]]:
    rng = np.random.default_rng(seed)
    noise = np.exp(rng.normal(scale=0.002, size=PLACES.size))
    return (limit + 8.0 * PLACES**-0.45) * noise


def siblings(count: int = 8) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {"run_id": f"r{i}", "step": PLACES, "loss": curve(2 + 0.05 * i, i), "width": 64.0 + i}
        )
        for i in range(count)
    ]
    return pd.concat(parts, ignore_index=True)


def monitor(**changes: Any) -> ut.RunMonitor:
    return ut.RunMonitor("loss", **{"horizon": {"step": END}, **changes})


def feed(one: ut.RunMonitor, limit: float, upto: int = END, *, wait: bool = False) -> ut.Decision:
    for step, value in zip(PLACES, curve(limit, 99), strict=True):
        if step <= upto:
            one.log(step=int(step), value=float(value))
            if wait:
                assert one.flush()
    assert one.flush()
    return one.decision


@pytest.mark.parametrize(
    "wrong",
    [
        {"horizon": {}},
        {"horizon": {"step": 0}},
        {"horizon": 1000},
        {"mode": "best"},
        {"config": {"width": "wide"}},
        {"config": {"step": 5}},
        {"horizon": {"loss": 5}},
        {"siblings": [1, 2]},
        {"siblings": pd.DataFrame({"step": [1]})},
        {"stop": 0.95},
        {"tracker": MemoryTracker()},
        {"run_id": "r"},
        {"share": 0.0},
        {"mode": "max", "ceiling": math.inf},
    ],
)
def test_bad_arguments_raise_before_training_starts(wrong: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        monitor(**wrong)


def test_a_run_alone_is_forecast_from_its_own_curve() -> None:
    with monitor() as one:
        decision = feed(one, 2.0, upto=3000)
        assert decision.verdict == "continue" and one.errors == {}
        assert one.forecast is not None
        low, high = one.forecast.interval(0.95)
        assert low < curve(2.0)[-1] < high


def test_a_run_that_cannot_beat_its_siblings_is_stopped_and_a_better_one_is_not() -> None:
    with monitor(siblings=siblings()) as bad, monitor(siblings=siblings()) as good:
        assert feed(bad, 2.3, upto=2000, wait=True).verdict == "doomed"
        assert "the best finished sibling" in bad.decision.reason
        assert feed(good, 1.9, upto=2000, wait=True).verdict == "continue"
        assert good.forecast is not None
        assert [w.code for w in good.forecast.warnings] == ["from_siblings"]


def test_few_siblings_with_other_settings_are_fitted_together_with_the_run() -> None:
    with monitor(siblings=siblings(4), config={"width": 70.0}) as one:
        feed(one, 2.2, upto=2000)
        assert one.forecast is not None and one.errors == {}
        assert list(one.forecast.points) == ["step", "width"]


def test_a_saved_law_is_asked_at_the_horizon_and_left_as_it_was() -> None:
    law = ut.fit(siblings(5), axes=["step"], value="loss", run="run_id")
    before = law.to_json()
    with monitor(siblings=ut.FittedLaw.from_json(before)) as one:
        feed(one, 2.1, upto=2000)
        assert one.forecast is not None and one.errors == {}
    with monitor(siblings=law) as one:
        feed(one, 2.1, upto=2000)
    assert law.to_json() == before


def test_too_few_points_is_a_decision_to_wait_that_says_why() -> None:
    with monitor() as one:
        assert one.decision.verdict == "waiting"
        one.log(10, 3.0)
        assert one.flush()
        assert one.decision.verdict == "waiting" and "points" in one.decision.reason
        assert one.errors == {}


def test_other_axes_are_places_of_the_same_curve() -> None:
    with monitor(horizon={"tokens": END * 100}) as one:
        for step, value in zip(PLACES[:30], curve(2.0)[:30], strict=True):
            one.log(int(step), float(value), tokens=int(step) * 100)
        assert one.flush() and one.forecast is not None
        assert list(one.forecast.points) == ["tokens"]
        one.log(9000, 2.2)  # tokens forgotten
        assert one.errors == {"log": 1}


def test_a_nan_storm_stops_a_run_and_one_nan_does_not() -> None:
    with monitor() as one:
        feed(one, 2.0, upto=2000)
        one.log(2100, math.nan)
        assert one.flush() and not one.decision.should_stop
        one.log(2200, math.nan)
        assert one.flush() and one.decision.verdict == "diverged"
        json.dumps(one.state_dict(), allow_nan=False)


def test_nothing_that_is_logged_raises_into_training(caplog: pytest.LogCaptureFixture) -> None:
    with monitor() as one, caplog.at_level(logging.WARNING):
        for wrong in ("text", None, [1, 2], 10**400):
            one.log(1, wrong)  # type: ignore[arg-type]
        one.log("first", 1.0)  # type: ignore[arg-type]
        one.log(0, 1.0)
        one.log(-5, 1.0)
        assert one.flush()
        assert one.errors == {"log": 5}
    assert len([r for r in caplog.records if r.name == "unsl_tracking.live"]) == 1


def test_a_metric_that_no_law_can_describe_waits_and_says_so() -> None:
    with monitor() as one:
        for step in range(1, 30):
            one.log(step, -1.0)
        assert one.flush() and one.decision.verdict == "waiting"
        assert "positive" in one.decision.reason and one.errors == {}


def test_steps_that_go_backwards_are_a_resume_and_replace_what_was_there() -> None:
    with monitor() as one, monitor() as straight:
        for step, value in [(10, 3.0), (20, 9.0), (30, 9.0), (20, 2.5), (30, 2.2)]:
            one.log(step, value)
        for step, value in [(10, 3.0), (20, 2.5), (30, 2.2)]:
            straight.log(step, value)
        pd.testing.assert_frame_equal(
            one._live.snapshot().frame("loss"), straight._live.snapshot().frame("loss")
        )


def test_a_million_logs_need_bounded_memory_and_one_fit_at_a_time() -> None:
    with monitor(horizon={"step": 2_000_000}) as one:
        for step in range(1, 200_001):
            one.log(step, 2.0 + 3.0 * step**-0.4)
        assert one.flush() and one.errors == {}
        assert one._live.snapshot().points == 200_000
        assert len(json.dumps(one.state_dict())) < 60_000


def test_two_monitors_in_one_process_do_not_meet() -> None:
    with monitor() as one, monitor(horizon={"step": 2 * END}) as two:
        for step, value in zip(PLACES[:25], curve(2.0)[:25], strict=True):
            one.log(int(step), float(value))
            two.log(int(step), 2 * float(value))
        assert one.flush() and two.flush()
        assert one.forecast is not None and two.forecast is not None
        assert two.forecast.median > 1.5 * one.forecast.median


def test_a_resumed_run_goes_on_as_if_it_had_not_stopped() -> None:
    with monitor(siblings=siblings()) as whole, monitor(siblings=siblings()) as first:
        feed(whole, 2.1, upto=3000)
        feed(first, 2.1, upto=1000)
        kept = json.loads(json.dumps(first.state_dict(), allow_nan=False))
    with monitor(siblings=siblings()) as second:
        second.load_state_dict(kept)
        for step, value in zip(PLACES, curve(2.1, 99), strict=True):
            if 1000 < step <= 3000:
                second.log(int(step), float(value))
        assert second.flush()
        assert second.forecast is not None and whole.forecast is not None
        assert second.forecast.median == whole.forecast.median


@pytest.mark.parametrize("change", ["schema", "metric", "state", "decision"])
def test_a_state_of_something_else_is_refused(change: str) -> None:
    with monitor() as one:
        with pytest.raises(DataError):
            one.load_state_dict({**one.state_dict(), change: "other"})
        with pytest.raises(DataError):
            one.load_state_dict({})
        with monitor(horizon={"tokens": 5}) as other, pytest.raises(DataError):
            one.load_state_dict(other.state_dict())


def test_copies_hold_the_curve_but_no_tracker_and_no_threads() -> None:
    tracker = MemoryTracker()
    run = tracker.new_run("e")
    with monitor(tracker=tracker, run_id=run, siblings=siblings()) as one:
        feed(one, 2.1, upto=2000)
        sent = pickle.loads(pickle.dumps(one))  # noqa: S301  (made here)
        for other in (sent, copy.deepcopy(one)):
            assert other.decision.verdict == one.decision.verdict
            other.log(2100, 2.3)
            assert other.flush() and other.errors == {} and other._live.writer is None
            other.close()


def test_ranks_other_than_zero_do_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "3")
    with monitor() as one:
        decision = one.log(10, 2.0)
        assert decision.verdict == "waiting" and "rank 0" in decision.reason
        assert one.flush() and one._live.snapshot().points == 0 and not one.workers()[0].alive
    with monitor(rank=0) as zero:
        zero.log(10, 2.0)
        assert zero._live.snapshot().points == 1


def test_a_monitor_that_nobody_holds_ends_its_thread() -> None:
    one = monitor()
    one.log(10, 2.0)
    assert one.flush()
    thread = one.workers()[0]._thread
    assert thread is not None
    del one
    thread.join(5)
    assert not thread.is_alive()


def test_a_fit_that_breaks_is_counted_and_training_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **more: object) -> None:
        raise ZeroDivisionError("a bug of ours")

    with monitor() as one:
        monkeypatch.setattr("unsl_tracking.live.judge.fit", broken)
        assert feed(one, 2.0, upto=1000).verdict == "waiting"
        assert "ZeroDivisionError" in one.decision.reason and one.errors["fit"] >= 1
        monkeypatch.undo()
        assert feed(one, 2.0).forecast is not None


def test_siblings_are_read_from_a_tracker_on_the_worker() -> None:
    tracker = MemoryTracker()
    for i in range(7):
        run = tracker.new_run("sweep", params={"width": 64 + i, "name": "x"})
        rows = zip(curve(2 + 0.05 * i, i), PLACES, PLACES, strict=True)
        tracker.log(run, "loss", [(float(v), int(s), int(t)) for v, s, t in rows])
        tracker.finish(run)
    tracker.new_run("sweep")  # still running
    with monitor(siblings=finished_siblings(tracker, "sweep", "loss")) as one:
        assert feed(one, 2.4, upto=2000, wait=True).verdict == "doomed"
    frame = finished_siblings(tracker, "sweep", "loss")()
    assert {"run_id", "step", "loss", "width"} <= {*frame} and "name" not in frame


def test_siblings_that_cannot_be_read_are_done_without() -> None:
    def gone() -> pd.DataFrame:
        raise TrackerUnavailable("there is a tracker")

    with monitor(siblings=gone) as one:
        feed(one, 2.0, upto=2000)
        assert one.errors == {"siblings": 1} and one.forecast is not None


# --- the tracker ---------------------------------------------------------------------------------


def test_decisions_are_written_with_the_forecast_they_rest_on() -> None:
    tracker = MemoryTracker()
    run = tracker.new_run("e")
    with monitor(tracker=tracker, run_id=run, siblings=siblings()) as one:
        decision = feed(one, 2.3, upto=2000, wait=True)
    written = tracker.runs("e")[0]
    assert set(written.metrics) == {
        f"unsl/loss/{name}" for name in ("p_doomed", "final", "final_lo80", "final_hi80")
    }
    assert written.metrics["unsl/loss/p_doomed"] == decision.probability
    assert written.metric_steps["unsl/loss/final"] <= 2000
    assert written.tags["unsl.verdict"] == "doomed"
    assert written.tags["unsl.reason"] == decision.reason
    document = json.loads(tracker.read_artifact(run, "unsl/loss/decision.json"))
    assert document["verdict"] == "doomed" and document["forecast"]["metric"] == "loss"


def test_a_dry_run_is_written_as_one() -> None:
    tracker = MemoryTracker()
    run = tracker.new_run("e")
    rule = ut.StopRule(dry_run=True)
    with monitor(tracker=tracker, run_id=run, siblings=siblings(), stop=rule) as one:
        assert not feed(one, 2.3, upto=2000, wait=True).should_stop
    assert tracker.runs("e")[0].tags["unsl.verdict"] == "doomed (dry run)"


class GoneTracker(MemoryTracker):
    """Answers with an error, or not at all until told to."""

    def __init__(self, silent: threading.Event | None = None) -> None:
        super().__init__()
        self.silent = silent

    def log_metrics(self, run_id: str, values: Mapping[str, float], *, step: int) -> None:
        if self.silent is None:
            raise TrackerUnavailable("there is an answer", got=500)
        self.silent.wait(30)


def test_a_tracker_that_is_gone_is_counted_and_decisions_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tracker = GoneTracker()
    run = tracker.new_run("e")
    with monitor(tracker=tracker, run_id=run, siblings=siblings()) as one:
        assert feed(one, 2.3, upto=2000, wait=True).verdict == "doomed"
        assert one.errors["tracker"] > 1
    assert len([r for r in caplog.records if "tracker failed" in r.getMessage()]) == 1


def test_a_tracker_that_does_not_answer_delays_neither_decisions_nor_the_end() -> None:
    silent = threading.Event()
    tracker = GoneTracker(silent)
    run = tracker.new_run("e")
    one = monitor(tracker=tracker, run_id=run, siblings=siblings())
    for step, value in zip(PLACES[:30], curve(2.3)[:30], strict=True):
        one.log(int(step), float(value))
        one.workers()[0].flush(20)
    assert one.decision.verdict == "doomed"
    started = time.monotonic()
    assert not one.close(timeout=0.3)
    assert time.monotonic() - started < 3
    silent.set()


# --- the process ---------------------------------------------------------------------------------

PROGRAM = """
import os, signal, sys, threading, time
import unsl_tracking as ut
monitor = ut.RunMonitor("loss", horizon={"step": 10**6})
for step in range(1, 400):
    monitor.log(step, 2.0 + 3.0 * step ** -0.4)
"""


def run_program(ending: str, *, timeout: float = 120.0) -> tuple[int, str, float]:
    """Return code, output and seconds from the word `ready` to the end of the process."""
    code = PROGRAM + 'print("ready", time.monotonic(), flush=True)\n' + textwrap.dedent(ending)
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        cwd=Path(__file__).parent,
    )
    ended = time.monotonic()
    assert done.stdout.startswith("ready"), done.stdout
    return done.returncode, done.stdout, ended - float(done.stdout.split()[1])


@pytest.mark.parametrize(
    ("ending", "codes"),
    [
        ("", {0}),
        ("raise SystemExit(3)", {3}),
        ("1 / 0", {1}),
        ("os.kill(os.getpid(), signal.SIGTERM)", {-signal.SIGTERM}),
        (
            """
            signal.signal(signal.SIGTERM, lambda *a: sys.exit(4))
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(20)
            """,
            {4},
        ),
        # Python forgets that it was a Ctrl-C, and ends with 1, if anything is exec-ed at exit.
        (
            """
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(20)
            """,
            {-signal.SIGINT, 1},
        ),
    ],
    ids=["end", "exit", "exception", "SIGTERM", "SIGTERM handled", "Ctrl-C"],
)
def test_a_process_ends_as_it_would_without_us(ending: str, codes: set[int]) -> None:
    found, output, seconds = run_program(ending)
    assert found in codes, output
    assert seconds < 15


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_has_threads_and_locks_of_its_own() -> None:
    found, output, _ = run_program(
        """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads, Python 3.12
        monitor._live._lock.acquire()  # as if another thread were just logging
        child = os.fork()
        if child == 0:
            monitor.log(400, 2.3)
            ok = monitor.flush(30) and monitor.forecast is not None and not monitor.errors
            os._exit(0 if ok else 7)
        monitor._live._lock.release()
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """
    )
    assert found == 0, output
