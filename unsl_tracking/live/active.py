"""The run that the training process is already logging to, whichever tracker that is.

A tracker's adapter announces a function by the entry point group `unsl_tracking.active_runs`. It
returns an `ActiveRun`, or None where its tracker is not loaded or no run is active; it must not
import the tracker to find out.
"""

from __future__ import annotations

import logging
from importlib.metadata import entry_points
from typing import Any, Final, Literal, NamedTuple

from unsl_tracking.live.monitor import RunMonitor
from unsl_tracking.live.siblings import Siblings, finished_siblings
from unsl_tracking.runs.tracker import Tracker

GROUP: Final = "unsl_tracking.active_runs"
_log = logging.getLogger("unsl_tracking.live")


class ActiveRun(NamedTuple):
    """A run that is being written, and the experiment that it belongs to."""

    tracker: Tracker
    run_id: str
    experiment: str


def find_active_run() -> ActiveRun | None:
    """The active run of the first tracker that has one. Never raises."""
    for point in sorted(entry_points(group=GROUP), key=lambda each: each.name):
        try:
            found: ActiveRun | None = point.load()()
        except Exception as error:  # a tracker in trouble must not end training
            _log.warning("looking for an active run of %s failed: %s", point.name, error)
            continue
        if found is not None:
            return found
    return None


def monitor_active_run(
    metric: str,
    *,
    siblings: Siblings | Literal["experiment"] = None,
    active: ActiveRun | None = None,
    track: bool = True,
    **options: Any,
) -> RunMonitor:
    """A `RunMonitor` that writes into the active run, if there is one: what adapters call.

    `siblings="experiment"` are the finished runs of the same experiment. `active` is a run that
    the framework's own logger knows of; `track=False` writes nowhere. `options` as `RunMonitor`.
    """
    found = (active or find_active_run()) if track or siblings == "experiment" else None
    if isinstance(siblings, str):
        siblings = (
            finished_siblings(found.tracker, found.experiment, metric, leave_out=found.run_id)
            if found is not None
            else None
        )
    if track and found is not None:
        options |= {"tracker": found.tracker, "run_id": found.run_id}
    return RunMonitor(metric, siblings=siblings, **options)
