"""What can go wrong beside a training loop, on the side of the process. Trackers: see
tests/integrations/mlflow/test_live_faults.py."""

from __future__ import annotations

import ctypes
import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import unsl_tracking as ut
from tests.waiting import at_once, until
from unsl_tracking.live.interval import OFTEN, switching_often
from unsl_tracking.runs.memory import MemoryTracker


def monitor(**changes: Any) -> ut.RunMonitor:
    return ut.RunMonitor("loss", **{"horizon": {"step": 10_000}, **changes})


def feed(one: ut.RunMonitor, start: int, end: int) -> None:
    for step in range(start, end, 10):
        one.log(step, 2.0 + 3.0 * step**-0.4)


def run_program(code: str, *, timeout: float = 90.0) -> tuple[int, str, float]:
    """Return code, output and seconds of a program."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        cwd=Path(__file__).parent,
    )
    return done.returncode, done.stdout, time.monotonic() - started


def is_asleep(thread: threading.Thread) -> bool:
    """Whether it waits to be woken. Killed elsewhere, it may leave a lock held for ever."""
    frame = sys._current_frames().get(thread.ident or 0)
    return frame is not None and frame.f_code is threading.Condition.wait.__code__


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("which", [0, 1], ids=["the one that fits", "the one that writes"])
def test_a_worker_that_was_killed_starts_again(which: int) -> None:
    tracker = MemoryTracker()
    run = tracker.new_run("e")
    with monitor(tracker=tracker, run_id=run) as one:
        feed(one, 10, 500)
        assert one.flush()
        thread = one.workers()[which]._thread
        assert thread is not None and thread.ident is not None
        until(partial(is_asleep, thread))
        # The exception arrives when the thread next runs Python, which is when it is woken.
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit)
        )
        feed(one, 500, 3000)
        assert one.flush(), "what was asked of the dead thread is done by a new one"
        thread.join(5)
        assert not thread.is_alive() and one.workers()[which].alive
        feed(one, 3000, 6000)
        assert one.flush() and one.errors == {}
    assert tracker.runs("e")[0].metric_steps["unsl/loss/final"] == 5990


def test_a_nan_storm_is_judged_in_bounded_memory_and_forgotten_when_it_passes() -> None:
    tracker = MemoryTracker()
    run = tracker.new_run("e")
    with monitor(tracker=tracker, run_id=run, share=1.0) as one:
        feed(one, 10, 2000)
        assert one.flush()
        before = len(json.dumps(one.state_dict()))
        for step in range(2000, 22_000):
            one.log(step / 10, (math.nan, math.inf, -math.inf)[step % 3])
        assert one.flush() and one.decision.verdict == "diverged"
        assert abs(len(json.dumps(one.state_dict(), allow_nan=False)) - before) < 1000
        assert one._live.snapshot().points == 199
        feed(one, 2200, 5000)
        assert one.flush() and one.errors == {}
        assert not one.decision.should_stop and "finite" not in one.decision.reason
    assert all(math.isfinite(value) for value in tracker.runs("e")[0].metrics.values())
    json.loads(tracker.read_artifact(run, "unsl/loss/decision.json"))


def test_a_metric_that_is_silent_for_long_costs_nothing_and_may_come_back() -> None:
    with monitor() as one:
        feed(one, 10, 2000)
        assert one.flush()
        thread = one.workers()[0]._thread
        assert thread is not None and thread.ident is not None
        clock = time.pthread_getcpuclockid(thread.ident)
        before, decision = time.clock_gettime(clock), one.decision
        time.sleep(1.0)
        assert time.clock_gettime(clock) - before < 0.01
        assert one.decision is decision
        feed(one, 2000, 4000)
        assert one.flush() and one.decision.at == 3990 and one.errors == {}


def test_clocks_that_go_backwards_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(2_000_000_000, 0, -3600))
    with monitor() as steady:
        feed(steady, 10, 3000)
        assert steady.flush()
    monkeypatch.setattr(time, "time", lambda: float(next(now)))
    monkeypatch.setattr(time, "time_ns", lambda: int(next(now)) * 10**9)
    with monitor() as one:
        for start in range(10, 3000, 1000):
            feed(one, start, min(start + 1000, 3000))
            assert one.flush(30)
        assert one.errors == {} and one.forecast is not None and steady.forecast is not None
        assert one.forecast.median == pytest.approx(steady.forecast.median, rel=0.01)


CTRL_C = """
import os, signal, sys, threading, time
import unsl_tracking as ut
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it
monitor = ut.RunMonitor("loss", horizon={"step": 10**6}, share=1.0)
worker = monitor.workers()[0]
caught = 0
step = 0

def train(steps):
    global step
    for _ in range(steps):
        step += 10
        monitor.log(step, 2.0 + 3.0 * step ** -0.4)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_in_the_middle_of_a_fit_reaches_the_program_and_not_the_fit() -> None:
    code, output, _ = run_program(
        CTRL_C
        + """
for _ in range(5):
    try:
        train(300)
        while not worker._busy.locked():  # until a fit is under way
            train(1)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(20)
    except KeyboardInterrupt:
        caught += 1
        assert monitor.flush(60)
        assert monitor.forecast is not None and monitor.decision.at == step
assert caught == 5 and monitor.errors == {}, (caught, monitor.errors)
assert monitor.close(30)
"""
    )
    assert code == 0, output


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_while_waiting_for_a_fit_ends_the_waiting_only() -> None:
    code, output, _ = run_program(
        CTRL_C
        + """
gate = threading.Event()
class Slow:
    def __call__(self):
        gate.wait(60)
monitor = ut.RunMonitor("loss", horizon={"step": 10**6}, share=1.0, siblings=Slow())
train(300)
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
began = time.monotonic()
try:
    monitor.flush(60)
except KeyboardInterrupt:
    caught += 1
assert caught == 1 and time.monotonic() - began < 30
gate.set()
train(10)
assert monitor.flush(60) and monitor.forecast is not None and monitor.errors == {}
"""
    )
    assert code == 0, output


@pytest.mark.slow
def test_a_million_logs_as_fast_as_can_be_from_several_threads() -> None:
    tracker = MemoryTracker()
    run = tracker.new_run("e")
    with monitor(tracker=tracker, run_id=run, horizon={"step": 2_000_000}) as one:

        def train(first: int) -> None:
            for step in range(first, 1_000_001, 4):
                one.log(step, 2.0 + 3.0 * step**-0.4)

        at_once(*(partial(train, i) for i in (1, 2, 3, 4)), limit=300)
        assert one.flush() and one.errors == {}
        assert one._live.snapshot().points == 1_000_000
        assert len(json.dumps(one.state_dict())) < 60_000
        assert one.forecast is not None
        low, high = one.forecast.interval(0.95)
        assert low < 2.0 + 3.0 * 2_000_000**-0.4 < high


def test_two_monitors_of_one_run_keep_both_decisions() -> None:
    tracker = MemoryTracker()
    run = tracker.new_run("e")
    where: dict[str, Any] = {"tracker": tracker, "run_id": run, "horizon": {"step": 1000}}
    with ut.RunMonitor("loss", **where) as one, ut.RunMonitor("val/loss", **where) as two:
        for step in range(10, 800, 10):
            one.log(step, 2.0 + 3.0 * step**-0.4)
            two.log(step, 4.0 + 3.0 * step**-0.4)
        assert one.flush() and two.flush() and one.errors == two.errors == {}
    found = tracker.runs("e")[0]
    assert found.metrics["unsl/val/loss/final"] > found.metrics["unsl/loss/final"] + 1
    for metric in ("loss", "val/loss"):
        kept = json.loads(tracker.read_artifact(run, f"unsl/{metric}/decision.json"))
        assert kept["metric"] == metric and kept["at"] == 790
    assert found.tags["unsl.metric"] in ("loss", "val/loss")


PREEMPTED = """
import os, signal, sys, threading, time
import unsl_tracking as ut
from unsl_tracking.live.interval import OFTEN, switching_often
from unsl_tracking.runs.memory import MemoryTracker

class Silent(MemoryTracker):
    def log_metrics(self, *given, **named):
        time.sleep(300)

tracker = Silent()
run = tracker.new_run("e")
monitor = ut.RunMonitor("loss", horizon={"step": 10**6}, tracker=tracker, run_id=run, share=1.0)
for step in range(10, 3000, 10):
    monitor.log(step, 2.0 + 3.0 * step ** -0.4)
monitor.workers()[0].flush(30)
assert monitor.forecast is not None
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        ("", 0),
        ("raise RuntimeError('training broke')", 1),
        ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)", -signal.SIGTERM),
        (
            "signal.signal(signal.SIGTERM, lambda *_: sys.exit(4))\n"
            "os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)",
            4,
        ),
        ("with monitor:\n    raise RuntimeError('training broke')", 1),
    ],
    ids=["end", "exception", "SIGTERM", "SIGTERM handled", "exception in the with block"],
)
def test_a_process_whose_tracker_hangs_ends_within_a_bound(ending: str, expected: int) -> None:
    code, output, seconds = run_program(PREEMPTED + ending)
    assert code == expected, output
    assert seconds < 60, "10 s of close, 5 s at exit, and the start of a busy machine"


def test_a_decision_is_made_on_what_was_logged_before_an_exception() -> None:
    tracker = MemoryTracker()
    run = tracker.new_run("e")
    with pytest.raises(RuntimeError), monitor(tracker=tracker, run_id=run) as one:
        feed(one, 10, 3000)
        raise RuntimeError("training broke")
    assert tracker.runs("e")[0].metric_steps["unsl/loss/final"] == 2990


def test_bad_on_stop_is_refused_and_a_good_one_is_called_once() -> None:
    with pytest.raises(ut.DataError):
        monitor(on_stop="stop")
    told: list[ut.Decision] = []
    rule = ut.StopRule(target=1.0, dry_run=True)
    with monitor(stop=rule, on_stop=told.append) as one:
        for end in (1000, 2000, 3000):
            feed(one, end - 990, end)
            assert one.flush()
        assert one.decision.verdict == "doomed" and told == [], "a dry run stops nothing"
    with monitor(stop=ut.StopRule(target=1.0), on_stop=told.append) as one:
        for end in (1000, 2000, 3000, 4000):
            feed(one, end - 990, end)
            assert one.flush()
    assert [decision.verdict for decision in told] == ["doomed"]


def test_the_interval_of_thread_switches_is_short_during_fits_and_then_as_it_was() -> None:
    before = sys.getswitchinterval()
    seen: list[float] = []
    with switching_often():
        seen.append(sys.getswitchinterval())
        with switching_often():
            seen.append(sys.getswitchinterval())
        seen.append(sys.getswitchinterval())
    assert seen == pytest.approx([OFTEN] * 3) and sys.getswitchinterval() == before
    with monitor() as one:
        feed(one, 10, 2000)
        assert one.flush()
    assert sys.getswitchinterval() == before
    with switching_often():
        sys.setswitchinterval(0.003)  # the program's own choice stands
    assert sys.getswitchinterval() == pytest.approx(0.003)
    sys.setswitchinterval(before)


def test_a_slow_reading_of_siblings_does_not_put_off_the_first_forecasts() -> None:
    def slow() -> None:
        time.sleep(1.0)

    with monitor(siblings=slow, share=0.005) as one:
        one.log(1, 3.0)
        time.sleep(1.2)
        feed(one, 10, 2000)
        # A second of reading would be 200 of rest.
        until(lambda: one.forecast is not None)


def test_a_process_that_was_suspended_in_a_fit_forecasts_again_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monitor(share=0.1) as one:
        diverged = type(one._live.judge).diverged
        suspended = threading.Event()

        def suspend_once(self: Any, *evidence: Any) -> Any:
            if not suspended.is_set():
                time.sleep(4.0)  # to the fit it is the same: the clock goes on, it does not
                suspended.set()
            return diverged(self, *evidence)

        monkeypatch.setattr(type(one._live.judge), "diverged", suspend_once)
        feed(one, 10, 500)
        assert suspended.wait(60)
        feed(one, 500, 2000)
        # Four seconds of computing would be 36 of rest.
        until(lambda: one.decision.at > 500, limit=30)
