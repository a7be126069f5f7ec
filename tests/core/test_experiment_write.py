"""Writing forecasts into runs: what is written, twice the same, and what happens when it fails."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from unsl_tracking.errors import TrackerError, TrackerReadOnly
from unsl_tracking.experiment import (
    ExperimentForecast,
    forecast_experiment,
    write_forecasts,
)
from unsl_tracking.runs import MemoryTracker

NASTY = '<img src=x onerror="alert(1)"> `| 日本'


@pytest.fixture
def strict_floating_point() -> Iterator[None]:
    """Not here: matplotlib computes NaN on the way to its ticks, and means to."""
    yield


class FailingTracker(MemoryTracker):
    """Refuses to write into the runs in `failing`, with the error in `error`."""

    failing: frozenset[str] = frozenset()
    error: TrackerError = TrackerError("Artifacts must fit into the quota")

    def log_artifact(self, run_id: str, path: str, data: bytes) -> None:
        if run_id in self.failing:
            raise self.error
        super().log_artifact(run_id, path, data)


class LinkingTracker(MemoryTracker):
    """Its pages can show artifacts as pictures."""

    def artifact_link(self, run_id: str, path: str) -> str:
        return f"/get/{run_id}/{path}"


def filled(tracker: MemoryTracker) -> ExperimentForecast:
    """A ladder of five widths in `tracker`, forecast to a larger one."""
    for index, params in enumerate(np.geomspace(1e4, 1e6, 5)):
        run = tracker.new_run("ladder", name=f"{NASTY} {index}", params={"params": params})
        steps = np.geomspace(20, 2000, 12).astype(int)
        tracker.log(
            run,
            "loss",
            [(0.5 + 30 * params**-0.4 + 6 * int(s) ** -0.45, int(s), int(s)) for s in steps],
        )
        tracker.finish(run)
    return forecast_experiment(tracker, "ladder", "loss", at={"params": 1e7})


def everything(tracker: MemoryTracker) -> dict[str, object]:
    """All that could change by writing."""
    runs = tracker.runs("ladder")
    names = sorted({name for run in runs for name in run.metrics})
    return {
        "runs": runs,
        "rows": tracker.history(runs, names).frame.to_dict(orient="records"),
        "files": {
            (run.id, path): tracker.read_artifact(run.id, path)
            for run in runs
            for path in tracker.files(run.id)
        },
        "notes": [tracker.read_note(run.id) for run in runs],
    }


def test_a_run_gets_metrics_files_tags_and_a_card() -> None:
    tracker = MemoryTracker()
    result = filled(tracker)
    report = write_forecasts(tracker, result)
    assert len(report.written) == 5
    assert not report.failures
    run = tracker.runs("ladder")[0]
    for name in ("final", "final_lo80", "final_hi80", "target", "target_lo80", "target_hi80"):
        assert run.metric_steps[f"unsl/loss/{name}"] == 2000
    assert run.metrics["unsl/loss/final_lo80"] < run.metrics["unsl/loss/final_hi80"]
    assert tracker.files(run.id) == [
        "unsl/forecast.html",
        "unsl/forecast.json",
        "unsl/forecast.png",
    ]
    assert run.tags["unsl.target"].endswith("at params=1e7, step=2000")
    assert tracker.read_note(run.id).splitlines()[1].startswith("**loss at params=1e7, step=2000: ")


def test_the_files_agree_with_the_metrics() -> None:
    tracker = MemoryTracker()
    write_forecasts(tracker, filled(tracker))
    for run in tracker.runs("ladder"):
        found = json.loads(tracker.read_artifact(run.id, "unsl/forecast.json"))
        answers = {answer["name"]: answer for answer in found["answers"]}
        assert found["run"]["id"] == run.id
        for name, answer in answers.items():
            assert run.metrics[f"unsl/loss/{name}"] == answer["median"]
            assert run.metrics[f"unsl/loss/{name}_hi80"] == answer["intervals"]["0.8"][1]


def test_writing_twice_changes_nothing() -> None:
    tracker = MemoryTracker()
    write_forecasts(tracker, filled(tracker))
    before = everything(tracker)
    again = forecast_experiment(tracker, "ladder", "loss", at={"params": 1e7})
    write_forecasts(tracker, again)
    assert everything(tracker) == before


def test_a_finished_run_stays_finished_and_a_note_keeps_what_people_wrote() -> None:
    tracker = MemoryTracker()
    result = filled(tracker)
    run = tracker.runs("ladder")[0]
    tracker.write_note(run.id, "my own words")
    write_forecasts(tracker, result)
    assert {run.status for run in tracker.runs("ladder")} == {"FINISHED"}
    assert tracker.read_note(run.id).endswith("my own words")


def test_names_of_runs_are_escaped_in_what_is_written() -> None:
    tracker = MemoryTracker()
    write_forecasts(tracker, filled(tracker))
    for run in tracker.runs("ladder"):
        html = tracker.read_artifact(run.id, "unsl/forecast.html").decode()
        assert "<img src=x" not in html
        assert "&lt;img src=x" in html
        assert "<img" not in tracker.read_note(run.id)


def test_the_card_shows_the_picture_where_the_tracker_can() -> None:
    tracker = LinkingTracker()
    write_forecasts(tracker, filled(tracker))
    run = tracker.runs("ladder")[0]
    assert f"](/get/{run.id}/unsl/forecast.png)" in tracker.read_note(run.id)


def test_a_run_that_fails_does_not_stop_the_others() -> None:
    tracker = FailingTracker()
    result = filled(tracker)
    second = tracker.runs("ladder")[1]
    tracker.failing = frozenset({second.id})
    report = write_forecasts(tracker, result)
    assert len(report.written) == 4
    assert [failure.run.id for failure in report.failures] == [second.id]
    assert "quota" in str(report.failures[0].error)


def test_a_store_that_cannot_be_written_to_is_asked_once() -> None:
    tracker = FailingTracker()
    result = filled(tracker)
    tracker.failing = frozenset(run.id for run in tracker.runs("ladder"))
    tracker.error = TrackerReadOnly("The store must be writable", got="a read-only file")
    report = write_forecasts(tracker, result)
    assert not report.written
    assert len(report.failures) == 5
    assert {id(failure.error) for failure in report.failures} == {id(tracker.error)}


def test_progress_counts_the_runs() -> None:
    tracker = MemoryTracker()
    seen: list[tuple[str, int, int]] = []
    write_forecasts(tracker, filled(tracker), progress=lambda *told: seen.append(told))
    assert seen == [("writing forecasts", done, 5) for done in range(1, 6)]
