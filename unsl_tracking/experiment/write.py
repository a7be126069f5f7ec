"""Writing forecasts back into the runs they belong to.

Per run: metrics `unsl/<metric>/final`, `final_lo80`, `final_hi80` (and `target…` when a target was
asked for) at the step of its last logged value, three artifacts, tags `unsl.*` and a card. The
adapter sees to it that writing the same again changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from unsl_tracking.errors import TrackerError, TrackerReadOnly, TrackerUnavailable
from unsl_tracking.experiment.documents import PNG, document_of, files_of
from unsl_tracking.experiment.publish import KeepsLaws
from unsl_tracking.experiment.reading import Progress
from unsl_tracking.experiment.result import ExperimentForecast, GroupForecast, RunForecast
from unsl_tracking.report import Answer, Document, card
from unsl_tracking.report import numbers as n
from unsl_tracking.runs import Run, Tracker


@runtime_checkable
class LinksToArtifacts(Protocol):
    """A tracker whose own pages can show an artifact as a picture inside a note."""

    def artifact_link(self, run_id: str, path: str) -> str | None:
        """A link for markdown, or None where there is none."""


@dataclass(frozen=True, slots=True)
class WriteFailure:
    """A run that could not be written, wholly or in part."""

    run: Run
    error: TrackerError


@dataclass(frozen=True, slots=True)
class WriteReport:
    """Ids of the runs that were written, and those that failed with their errors."""

    written: tuple[str, ...]
    failures: tuple[WriteFailure, ...] = ()


def write_forecasts(
    tracker: Tracker, result: ExperimentForecast, *, progress: Progress | None = None
) -> WriteReport:
    """Write every forecast of `result` into its run. Writing twice changes nothing.

    A tracker that keeps laws (`publish.KeepsLaws`) is then given those of the groups.
    A run that fails does not stop the others; the report names it. A store that cannot be written
    to at all, or that is gone, ends the attempt: the runs that were not tried are failures too.
    """
    todo = [(group, forecast) for group in result.groups for forecast in group.runs]
    written: list[str] = []
    failures: list[WriteFailure] = []
    hopeless: TrackerError | None = None
    for done, (group, forecast) in enumerate(todo, start=1):
        if hopeless is not None:
            failures.append(WriteFailure(forecast.run, hopeless))
            continue
        try:
            write_run_forecast(tracker, document_of(result, group, forecast), group, forecast)
            written.append(forecast.run.id)
        except TrackerError as error:
            failures.append(WriteFailure(forecast.run, error))
            if isinstance(error, (TrackerReadOnly, TrackerUnavailable)):
                hopeless = error
        if progress is not None:
            progress("writing forecasts", done, len(todo))
    if hopeless is None and todo and isinstance(tracker, KeepsLaws):
        try:
            tracker.keep_laws(result)
        except TrackerError as error:
            place = Run(id=result.experiment, name=f"the laws of {result.experiment}")
            failures.append(WriteFailure(place, error))
    return WriteReport(tuple(written), tuple(failures))


def write_run_forecast(
    tracker: Tracker, document: Document, group: GroupForecast, forecast: RunForecast
) -> None:
    """Write one run's files, metrics, tags and card, the card last: it links to the files."""
    run_id = forecast.run.id
    for path, data in files_of(document, group, forecast).items():
        tracker.log_artifact(run_id, path, data)
    values: dict[str, float] = {}
    for answer in document.answers:
        values |= _metrics(document.metric, answer)
    tracker.log_metrics(run_id, values, step=forecast.last_step)
    tracker.set_tags(run_id, _tags(document, forecast.final))
    link = tracker.artifact_link(run_id, PNG) if isinstance(tracker, LinksToArtifacts) else None
    tracker.set_card(run_id, card(document, image=link))


def _metrics(metric: str, answer: Answer) -> dict[str, float]:
    low, high = answer.intervals[0.8]
    name = f"unsl/{metric}/{answer.name}"
    return {name: answer.median, f"{name}_lo80": low, f"{name}_hi80": high}


def _tags(document: Document, final: Answer) -> dict[str, str]:
    tags = {
        "unsl.version": document.provenance.get("unsl_tracking", ""),
        "unsl.metric": document.metric,
        "unsl.final": _sentence(final),
        "unsl.warnings": ", ".join(sorted({notice.code for notice in document.all_warnings()})),
    }
    target = document.answer("target")
    if target is not None:
        tags["unsl.target"] = _sentence(target)
    return tags


def _sentence(answer: Answer) -> str:
    low, high = answer.intervals[0.8]
    median = n.metric(answer.median, n.digits_for(low, high))
    return f"{median} (80%: {n.interval(low, high)}) at {n.point(answer.point)}"
