"""Which run a callback writes into, where several trackers have one that is active."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import unsl_tracking as ut
from tests.plugins import install
from unsl_tracking.live import monitor_active_run
from unsl_tracking.live.active import ActiveRun, find_active_run
from unsl_tracking.runs import MemoryTracker

TRACKERS = """
from unsl_tracking.live import ActiveRun
from unsl_tracking.runs import MemoryTracker

first, second, opened = MemoryTracker(), MemoryTracker(), []

def a_first():
    return ActiveRun(first, first.new_run("e"), "e")

def b_second():
    def opening():
        opened.append("second")
        return second
    return ActiveRun(opening, second.new_run("e"), "e")

def c_none():
    return None

def d_broken():
    raise OSError("no disk")
"""
POINTS = """[unsl_tracking.active_runs]
a_first = two_trackers:a_first
b_second = two_trackers:b_second
c_none = two_trackers:c_none
d_broken = two_trackers:d_broken
"""


@pytest.fixture(autouse=True)
def trackers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two trackers with an active run, one without, one that fails."""
    install(tmp_path, "two_trackers", TRACKERS, POINTS, "two_trackers")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("UNSL_ACTIVE_TRACKER", raising=False)
    yield
    sys.modules.pop("two_trackers", None)


def written_into(monitor: ut.RunMonitor) -> object:
    with monitor:
        monitor.log(10, 2.0)
        assert monitor.flush()
    import two_trackers  # type: ignore[import-not-found]

    pairs = (("first", two_trackers.first), ("second", two_trackers.second))
    return {
        name
        for name, each in pairs
        if "e" in each.experiments() and any(run.tags for run in each.runs("e"))
    }


def test_the_first_by_name_is_taken_and_one_warning_says_how_to_choose_the_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "unsl_tracking.live")
    monitor = monitor_active_run("loss", horizon={"step": 1000})
    (told,) = [text for text in caplog.messages if "are active" in text]
    assert told == (
        "Runs of a_first and b_second are active: forecasts go into that of a_first. "
        "Next: UNSL_ACTIVE_TRACKER=b_second chooses another."
    )
    assert written_into(monitor) == {"first"}
    assert sys.modules["two_trackers"].opened == []


def test_the_environment_chooses(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("UNSL_ACTIVE_TRACKER", " B_second ")
    caplog.set_level(logging.WARNING, "unsl_tracking.live")
    assert written_into(monitor_active_run("loss", horizon={"step": 1000})) == {"second"}
    assert caplog.messages == []


@pytest.mark.parametrize("chosen", ["c_none", "d_broken", "nobody"])
def test_a_chosen_tracker_without_a_run_is_said_and_no_other_is_written_to(
    chosen: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("UNSL_ACTIVE_TRACKER", chosen)
    caplog.set_level(logging.WARNING, "unsl_tracking.live")
    assert find_active_run() is None
    assert f"UNSL_ACTIVE_TRACKER={chosen}: no active run there" in caplog.messages[-1]
    monitor = monitor_active_run("loss", horizon={"step": 1000}, siblings="experiment")
    assert monitor.log(10, 2.0).verdict == "waiting"
    monitor.close()


def test_a_run_that_cannot_be_opened_is_said_and_training_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken() -> MemoryTracker:
        raise OSError("no disk")

    caplog.set_level(logging.WARNING, "unsl_tracking.live")
    lost = ActiveRun(broken, "r", "e")
    how = {"active": lost, "siblings": "experiment", "horizon": {"step": 1000}}
    with monitor_active_run("loss", **how) as monitor:  # type: ignore[arg-type]
        monitor.log(10, 2.0)
    assert "the active run r cannot be written to: no disk" in caplog.messages
