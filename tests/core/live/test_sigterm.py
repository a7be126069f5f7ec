"""A process that is asked to end (SIGTERM): what of its run's decisions is written."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import os, signal, sys, time
import unsl_tracking as ut
from unsl_tracking.runs import MemoryTracker

class Recorder(MemoryTracker):
    def log_metrics(self, run_id, values, *, step):
        with open(sys.argv[1], "a") as file:
            file.write(f"{step}\\n")

before = [signal.getsignal(each) for each in signal.valid_signals()]
tracker = Recorder()
monitor = ut.RunMonitor(
    "loss", horizon={"step": 10**6}, tracker=tracker, run_id=tracker.new_run("e")
)
for step in range(1, 401):
    monitor.log(step, 2.0 + 3.0 * step ** -0.4)
    if step == 200:
        assert monitor.flush()
assert before == [signal.getsignal(each) for each in signal.valid_signals()]
"""
ASK = "os.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(20)\n"
HANDLER = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"  # as in docs/live.md


def written(tmp_path: Path, code: str) -> tuple[int, list[int]]:
    """The program's status, and the steps of the decisions that it wrote."""
    place = tmp_path / "steps"
    ended = subprocess.run([sys.executable, "-c", PROGRAM + code, str(place)], timeout=60)
    return ended.returncode, [int(line) for line in place.read_text().split()]


def test_nobody_handles_it_and_what_was_decided_before_is_there(tmp_path: Path) -> None:
    status, steps = written(tmp_path, ASK)
    assert status == -signal.SIGTERM
    assert 200 in steps


def test_a_handler_of_the_users_own_has_the_last_decision_written(tmp_path: Path) -> None:
    status, steps = written(tmp_path, HANDLER + ASK)
    assert status == 143
    assert steps[-1] == 400
