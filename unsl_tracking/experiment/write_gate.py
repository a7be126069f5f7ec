"""Writing a gate's verdict back: into the tags of the recipe's runs, its experiment and models."""

from __future__ import annotations

from typing import Final

from unsl_tracking._version import __version__
from unsl_tracking.errors import TrackerError, TrackerReadOnly, TrackerUnavailable
from unsl_tracking.experiment.gate import ExperimentGate
from unsl_tracking.experiment.reading import Progress
from unsl_tracking.experiment.write import WriteFailure, WriteReport
from unsl_tracking.report import numbers
from unsl_tracking.runs import KeepsVerdicts, Run, Tracker, Verdict

_LONGEST: Final = 2000  # of a tag; trackers keep at least this


def verdict_of(result: ExperimentGate) -> Verdict:
    """The verdict with its tags: `unsl.gate`, what was asked, and why it is what it is."""
    reasons = " ".join(each.decision.reason for each in result.metrics)
    asked = "; ".join(
        f"{each.decision.metric} better than {each.decision.target:.5g} "
        f"with P ≥ {each.decision.confidence:g}"
        for each in result.metrics
    )
    at = numbers.point(result.metrics[0].decision.at)
    tags = {
        "unsl.gate": result.verdict,
        "unsl.gate.asked": f"{asked} at {at}",
        "unsl.gate.reason": reasons,
        "unsl.gate.version": __version__,
    }
    metrics = tuple(each.decision.metric for each in result.metrics)
    return Verdict(result.verdict, {name: text[:_LONGEST] for name, text in tags.items()}, metrics)


def write_gate(
    tracker: Tracker, result: ExperimentGate, *, progress: Progress | None = None
) -> WriteReport:
    """Write the verdict into every run of the recipe, then on its experiment and its models.

    Writing twice changes nothing. `written` of the report names the runs, then the experiment and
    the models, where the tracker keeps verdicts there. A store that cannot be written to at all,
    or is gone, ends the attempt; what was not tried is a failure too.
    """
    verdict = verdict_of(result)
    written: list[str] = []
    failures: list[WriteFailure] = []
    hopeless: TrackerError | None = None
    for done, run in enumerate(result.runs, start=1):
        error = hopeless or _tag(tracker, run, verdict)
        if error is None:
            written.append(run.id)
        else:
            failures.append(WriteFailure(run, error))
            hopeless = error if isinstance(error, TrackerReadOnly | TrackerUnavailable) else None
        if progress is not None:
            progress("writing the verdict", done, len(result.runs))
    if hopeless is None and isinstance(tracker, KeepsVerdicts):
        try:
            ids = [run.id for run in result.runs]
            written += tracker.set_verdict(result.experiment, ids, verdict)
        except TrackerError as error:
            place = Run(id=result.experiment, name=f"experiment {result.experiment} or its models")
            failures.append(WriteFailure(place, error))
    return WriteReport(tuple(written), tuple(failures))


def _tag(tracker: Tracker, run: Run, verdict: Verdict) -> TrackerError | None:
    """Set the tags that the run does not have yet."""
    missing = {name: text for name, text in verdict.tags.items() if run.tags.get(name) != text}
    try:
        if missing:
            tracker.set_tags(run.id, missing)
    except TrackerError as error:
        return error
    return None
