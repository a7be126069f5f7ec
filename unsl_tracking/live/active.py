"""The run that the training process is already logging to, whichever tracker that is.

A tracker's adapter announces a function by the entry point group `unsl_tracking.active_runs`; the
name of the entry point is the tracker's. It returns an `ActiveRun`, or None where its tracker is
not loaded or no run is active; it must not import the tracker to find out, nor touch the run.

Where several trackers have an active run, that of the one which `UNSL_ACTIVE_TRACKER` names is
taken, else that of the first by name, and one warning says so.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, Literal, NamedTuple

from unsl_tracking.errors import DataError
from unsl_tracking.live.monitor import RunMonitor
from unsl_tracking.live.siblings import Siblings, finished_siblings
from unsl_tracking.runs.tracker import Tracker

GROUP: Final = "unsl_tracking.active_runs"
CHOICE: Final = "UNSL_ACTIVE_TRACKER"
_log = logging.getLogger("unsl_tracking.live")


class ActiveRun(NamedTuple):
    """A run that is being written, and the experiment that it belongs to.

    `tracker` may be a function that opens it: called for the run that is taken, and no other.
    """

    tracker: Tracker | Callable[[], Tracker]
    run_id: str
    experiment: str


def chosen_tracker() -> str | None:
    """The name of the tracker that the user has chosen for this process; None without a choice."""
    return os.environ.get(CHOICE, "").strip().lower() or None


def find_active_run() -> ActiveRun | None:
    """The active run of the chosen tracker, or of the first that has one. Never raises."""
    known = sorted(entry_points(group=GROUP), key=lambda each: each.name)
    chosen = chosen_tracker()
    found = {
        point.name: run
        for point in known
        if chosen in (None, point.name) and (run := _active(point)) is not None
    }
    if chosen is not None and not found:
        names = ", ".join(point.name for point in known)
        _log.warning("%s=%s: no active run there (known: %s)", CHOICE, chosen, names)
    if len(found) > 1:
        first, *others = found
        _log.warning(
            "Runs of %s are active: forecasts go into that of %s. Next: %s=%s chooses another.",
            *(" and ".join(found), first, CHOICE, others[0]),
        )
    return next(iter(found.values()), None)


def _active(point: EntryPoint) -> ActiveRun | None:
    try:
        found: ActiveRun | None = point.load()()
    except Exception as error:  # a tracker in trouble must not end training
        _log.warning("looking for an active run of %s failed: %s", point.name, error)
        return None
    return found


def _opened(found: ActiveRun) -> Tracker | None:
    try:
        return found.tracker() if callable(found.tracker) else found.tracker
    except Exception as error:
        _log.warning("the active run %s cannot be written to: %s", found.run_id, error)
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
    tracker = None if found is None else _opened(found)
    if isinstance(siblings, str):
        siblings = (
            finished_siblings(tracker, found.experiment, metric, leave_out=found.run_id)
            if found is not None and tracker is not None
            else None
        )
    if track and found is not None and tracker is not None:
        options |= {"tracker": tracker, "run_id": found.run_id}
    return RunMonitor(metric, siblings=siblings, **options)


def resume(monitor: RunMonitor, saved: Mapping[str, Any]) -> None:
    """Go on where a checkpoint was taken, where that is possible. For callbacks: never raises."""
    try:
        monitor.load_state_dict(saved)
    except DataError as error:
        _log.warning("The curve in the checkpoint is not taken up, a new one begins: %s", error)
