from __future__ import annotations

import json
import logging
import math
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unsl_tracking as ut
from unsl_tracking.errors import DataError
from unsl_tracking.live import Attachment, SeenRun
from unsl_tracking.runs.memory import MemoryTracker

END = 100
STEPS = range(1, END + 1)


def curve(limit: float, seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    noise = np.exp(np.random.default_rng(seed).normal(scale=0.002, size=END))
    values: np.ndarray[Any, np.dtype[np.float64]] = limit + 3.0 * np.arange(1.0, END + 1) ** -0.7
    return values * noise


def attachment(**how: Any) -> Attachment:
    """As `attach` makes it, with nothing to observe but what a test tells it."""
    options = {name: how.pop(name) for name in ("siblings", "on_stop") if name in how}
    made = Attachment("loss", {"horizon": {"step": END}, **how}, **{"siblings": None, **options})
    made.begin({"memory": lambda: None})
    return made


def opened(tracker: MemoryTracker, run: str, experiment: str = "e") -> Callable[[], SeenRun]:
    return lambda: SeenRun(tracker, run, lambda: experiment)


def tell(made: Attachment, tracker: MemoryTracker, run: str, limit: float, upto: int) -> None:
    for step, value in zip(STEPS, curve(limit, 9), strict=True):
        if step <= upto:
            made.saw(run, float(value), step, opened(tracker, run))


@pytest.mark.parametrize(
    "wrong",
    [
        {"horizon": {}},
        {"horizon": 100},
        {"horizon": {"tokens": 1e9}},
        {"horizon": {"step": 10, "epoch": 2}},
        {"mode": "best"},
        {"stop": 0.95},
        {"on_stop": "interrupt"},
        {"siblings": "group"},
        {"siblings": 3},
        {"tracker": MemoryTracker(), "run_id": "r"},
        {"trackers": ["no such tracker"]},
    ],
)
def test_bad_arguments_raise_before_training_starts(wrong: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        ut.attach("loss", **{"horizon": {"step": END}, **wrong})


@pytest.mark.parametrize("off", ["0", "off", "FALSE", "no"])
def test_the_environment_switches_it_off(off: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSL_ATTACH", off)
    with ut.attach("loss", horizon={"step": END}) as made:
        assert made.trackers == ()
        made.saw("r", 1.0, 1, opened(MemoryTracker(), "r"))
        assert made.monitors == {}


def test_what_is_seen_is_forecast_and_written_into_its_run() -> None:
    tracker = MemoryTracker()
    runs = [tracker.new_run("e"), tracker.new_run("e")]
    with attachment() as made:
        for run, limit in zip(runs, (1.0, 2.0), strict=True):
            tell(made, tracker, run, limit, upto=60)
        assert made.flush() and made.errors == {}
        assert list(made.monitors) == runs
    finals = [run.metrics["unsl/loss/final"] for run in tracker.runs("e")]
    assert finals[0] == pytest.approx(1.0 + 3 * END**-0.7, rel=0.05)
    assert finals[1] == pytest.approx(2.0 + 3 * END**-0.7, rel=0.05)
    assert made.monitors == {} and made.trackers == ()


def test_finished_runs_of_the_experiment_are_its_siblings_and_a_doomed_run_is_told_once() -> None:
    tracker = MemoryTracker()
    for i in range(8):
        run = tracker.new_run("e")
        rows = zip(curve(1.0 + 0.05 * i, i), STEPS, STEPS, strict=True)
        tracker.log(run, "loss", [(float(v), int(s), int(t)) for v, s, t in rows])
        tracker.finish(run)
    told: list[tuple[str, ut.Decision, str]] = []

    def stop(run_id: str, decision: ut.Decision) -> None:
        told.append((run_id, decision, threading.current_thread().name))
        raise RuntimeError("what a user's function may do")

    mine = tracker.new_run("e")
    with attachment(siblings="experiment", on_stop=stop) as made:
        for step, value in zip(STEPS, curve(2.0, 9), strict=True):
            made.saw(mine, float(value), step, opened(tracker, mine))
            if step % 5 == 0:
                assert made.flush()
        assert made.decision is not None and made.decision.verdict == "doomed"
        assert made.monitors[mine].errors == {"on_stop": 1}
    ((run_id, decision, thread),) = told
    assert run_id == mine and decision.should_stop and thread == "unsl-fit"


def test_a_run_that_ends_is_written_in_the_background_and_let_go() -> None:
    tracker = MemoryTracker()
    run = tracker.new_run("e")
    with attachment() as made:
        tell(made, tracker, run, 1.0, upto=60)
        monitor = made.monitors[run]
        made.ended(run)
        assert made.monitors == {}
        assert made.flush()
        assert not any(worker.alive for worker in monitor.workers())
    document = json.loads(tracker.read_artifact(run, "unsl/loss/decision.json"))
    assert document["at"] == 60


@pytest.mark.parametrize(
    ("along", "steps", "places"),
    [
        ("step", [0, 10, 20, 30], [10, 20, 30]),
        ("step", [1, 2, 3], [1, 2, 3]),
        ("epoch", [0, 1, 2, 3], [1, 2, 3, 4]),
        ("epoch", [1, 2, 3], [1, 2, 3]),
        ("step", [None, None, None], [2, 3]),
        ("step", [0, 0, 0, 0], [2, 3, 4]),
        ("epoch", [0, 0, 0], [1, 2, 3]),
    ],
)
def test_steps_become_places_on_the_axis(
    along: str, steps: list[int | None], places: list[int]
) -> None:
    tracker = MemoryTracker()
    run = tracker.new_run("e")
    with attachment(horizon={along: END}) as made:
        for step in steps:
            made.saw(run, 1.0, step, opened(tracker, run))
        frame = made.monitors[run]._live.snapshot().frame("loss")
        assert frame[along].to_list() == pytest.approx(places)


def test_epochs_of_siblings_are_counted_alike() -> None:
    tracker = MemoryTracker()
    for i in range(8):
        run = tracker.new_run("e")
        rows = zip(curve(1.0, i), range(END), STEPS, strict=True)
        tracker.log(run, "loss", [(float(v), int(s), int(t)) for v, s, t in rows])
        tracker.finish(run)
    mine = tracker.new_run("e")
    with attachment(siblings="experiment", horizon={"epoch": END}) as made:
        for step, value in zip(STEPS, curve(1.0, 9), strict=True):
            if step <= 50:
                made.saw(mine, float(value), step - 1, opened(tracker, mine))
        assert made.flush()
        monitor = made.monitors[mine]
        assert monitor.errors == {} and monitor.forecast is not None
        assert [w.code for w in monitor.forecast.warnings] == ["from_siblings"]
    assert tracker.runs("e")[-1].metric_steps["unsl/loss/final"] == 49


def test_nothing_that_is_seen_raises_into_the_program(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> SeenRun:
        raise OSError("no tracker to be had")

    tracker = MemoryTracker()
    run = tracker.new_run("e")
    with attachment() as made, caplog.at_level(logging.WARNING):
        for _ in range(3):
            made.saw("other", 1.0, 1, broken)
        assert made.errors == {"observe": 3}
        for value in (math.nan, "text", None, 10**400):
            made.saw(run, value, 1, opened(tracker, run))
        made.saw(run, 1.0, "first", opened(tracker, run))  # type: ignore[arg-type]
        made.ended("never seen")
        assert made.errors == {"observe": 4} and made.monitors[run].errors == {"log": 3}
    assert len([r for r in caplog.records if "observe failed" in r.getMessage()]) == 1


def test_a_crowd_of_runs_is_watched_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = MemoryTracker()
    runs = [tracker.new_run("e") for _ in range(40)]
    with attachment() as made:
        for step in (1, 2, 3):
            for run in runs:
                made.saw(run, 1.0, step, opened(tracker, run))
        assert list(made.monitors) == runs[:32] and made.errors == {"runs": 24}
        monkeypatch.setattr("unsl_tracking.live.attachment._IDLE", 0.0)
        made.saw(runs[-1], 1.0, 4, opened(tracker, runs[-1]))
        assert len(made.monitors) == 32 and runs[0] not in made.monitors


# In a process of its own: the one that runs tests has threads of who knows whom, and a child that
# fails in it would go on as a second test runner.
FORKING = """
import os, sys, warnings
from test_attach import MemoryTracker, attachment, tell

warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads, Python 3.12
tracker = MemoryTracker()
run = tracker.new_run("e")
with attachment() as made:
    tell(made, tracker, run, 1.0, upto=30)
    child = os.fork()
    if child == 0:
        tell(made, tracker, run, 1.0, upto=60)
        fine = made.flush(30) and made.errors == {} and made.monitors[run].errors == {}
        os._exit(0 if fine else 7)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_goes_on_with_threads_of_its_own() -> None:
    here = Path(__file__).parent
    done = subprocess.run([sys.executable, "-c", FORKING], cwd=here, timeout=120)
    assert done.returncode == 0
