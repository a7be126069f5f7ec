"""The seam through which a tracker's adapter reports what a program logs.

An adapter announces a function `(watcher: Watcher, load: bool) -> Undo | None` by the entry point
group `unsl_tracking.observers`; the name of the entry point is the tracker's. From then on it tells
`watcher` of every value of `watcher.metric` that the program hands to the tracker, in that order,
each once. With `load=False` it returns None where the tracker has not been imported; with
`load=True` it imports it, and returns None only where that version cannot be observed (it says so
in a warning). The undo function ends the reporting; calling it twice changes nothing.

What an adapter changes in a tracker must pass every call on with the arguments it came with, return
what it returns and raise what it raises, whatever a watcher does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Final, NamedTuple, Protocol

from unsl_tracking.errors import DataError, MissingDependency
from unsl_tracking.runs.tracker import Tracker

GROUP: Final = "unsl_tracking.observers"
_log = logging.getLogger("unsl_tracking.live")

Undo = Callable[[], None]


class SeenRun(NamedTuple):
    """A run that a program logs to. `experiment` is asked on a worker: it may need a request."""

    tracker: Tracker
    run_id: str
    experiment: Callable[[], str]


class Watcher(Protocol):
    """What an adapter tells. Its methods return at once and never raise."""

    metric: str

    def saw(
        self, run_id: str, value: object, step: float | None, open_run: Callable[[], SeenRun]
    ) -> None:
        """The program logs a value of the metric; `step` is None where it gave none.

        `open_run` is called at the first value of a run; it must not wait for the tracker.
        """

    def ended(self, run_id: str) -> None:
        """The program ends the run."""


def observe(watcher: Watcher, trackers: Sequence[str] | None) -> dict[str, Undo]:
    """Have a program's logging reported to the watcher; how to end that, by tracker.

    Without `trackers` these are the ones that the program has imported, or all that are installed
    where it has imported none yet.

    Raises:
        DataError: there is no adapter of that name.
        MissingDependency: a tracker that was asked for is not installed.
    """
    known = {point.name: point for point in entry_points(group=GROUP)}
    if trackers is not None:
        if unknown := sorted({*trackers} - {*known}):
            raise DataError(f"trackers are among {', '.join(sorted(known))}", got=unknown)
        return _begin(watcher, [known[name] for name in trackers], load=True, asked=True)
    points = [known[name] for name in sorted(known)]
    return _begin(watcher, points, load=False) or _begin(watcher, points, load=True)


def _begin(
    watcher: Watcher, points: Sequence[EntryPoint], *, load: bool, asked: bool = False
) -> dict[str, Undo]:
    begun: dict[str, Undo] = {}
    for point in points:
        try:
            undo: Undo | None = point.load()(watcher, load)
        except MissingDependency:
            if asked:
                raise
            continue
        except Exception as error:  # a tracker in trouble must not end training
            _log.warning("%s cannot be observed (%s: %s)", point.name, type(error).__name__, error)
            continue
        if undo is not None:
            begun[point.name] = undo
    return begun
