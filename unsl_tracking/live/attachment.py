"""What `attach` began: a monitor for each run that the program logs to, until `detach`."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, Literal

import pandas as pd

from unsl_tracking.decide import Decision
from unsl_tracking.errors import DataError
from unsl_tracking.live import lifetime
from unsl_tracking.live.monitor import RunMonitor
from unsl_tracking.live.observers import SeenRun, Undo
from unsl_tracking.live.pipeline import STEP_AXES
from unsl_tracking.live.siblings import RUN, Siblings, finished_siblings
from unsl_tracking.live.worker import Worker

_MOST: Final = 32  # runs watched at a time: each holds a thread or two
_IDLE: Final = 60.0  # seconds without a value after which a run may make room for another
_TO_FINISH: Final = 30.0  # seconds that an ended run's last decision may take, in the background
_log = logging.getLogger("unsl_tracking.live")


class Attachment:
    """Made by `attach`; ends with `detach`, with its `with` block, or with the program.

    It is the `Watcher` that adapters tell what the program logs. `how` are arguments of
    `RunMonitor`.
    """

    def __init__(
        self,
        metric: str,
        how: Mapping[str, Any],
        *,
        siblings: Siblings | Literal["experiment"] = "experiment",
        on_stop: Callable[[str, Decision], object] | None = None,
    ) -> None:
        if on_stop is not None and not callable(on_stop):
            raise DataError("on_stop is a function of a run's id and a decision", got=on_stop)
        if taken := sorted({"tracker", "run_id"} & {*how}):
            raise DataError("attach finds the tracker and the run by itself", got=taken)
        if isinstance(siblings, str) and siblings != "experiment":
            raise DataError('siblings are "experiment" or as in RunMonitor', got=siblings)
        RunMonitor(metric, siblings=None if isinstance(siblings, str) else siblings, **how)
        if len(how["horizon"]) != 1 or not {*how["horizon"]} <= STEP_AXES:
            raise DataError(
                f"attach sees only steps, so a horizon is one of {', '.join(sorted(STEP_AXES))}",
                got=dict(how["horizon"]),
                next_step="RunMonitor.log takes places on any axes.",
            )
        self.metric = metric
        self._along: str = next(iter(how["horizon"]))
        self._how, self._siblings, self._on_stop = how, siblings, on_stop
        self._undo: dict[str, Undo] = {}
        self._open: dict[str, _OpenRun] = {}
        self._finishing: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._errors: Counter[str] = Counter()
        self._active = False

    @property
    def trackers(self) -> tuple[str, ...]:
        """The trackers that are observed; empty after `detach`."""
        return tuple(self._undo)

    @property
    def monitors(self) -> dict[str, RunMonitor]:
        """The monitors of the runs that have not ended, by the run's id."""
        return {run_id: each.monitor for run_id, each in list(self._open.items())}

    @property
    def decision(self) -> Decision | None:
        """The newest decision about the run that logged last, or None where none is open."""
        last = max(list(self._open.values()), key=lambda each: each.seen, default=None)
        return None if last is None else last.monitor.decision

    @property
    def errors(self) -> dict[str, int]:
        """How often what went wrong: "observe", "runs" (too many at a time)."""
        return dict(self._errors)

    def begin(self, undo: Mapping[str, Undo]) -> None:
        """Take in what trackers report, which `undo` ends."""
        self._undo, self._active = dict(undo), True
        lifetime.remember(self)
        if not undo:
            _log.warning("attach found no tracker to observe: %s is not forecast", self.metric)

    def saw(
        self, run_id: str, value: object, step: float | None, open_run: Callable[[], SeenRun]
    ) -> None:
        """See `Watcher`."""
        if not self._active:
            return
        try:
            found = self._open.get(run_id) or self._begin_run(run_id, open_run)
            if found is not None:
                found.log(value, step)
        except Exception as error:
            self._trouble("observe", error)

    def ended(self, run_id: str) -> None:
        """See `Watcher`. The run's last decision is written in the background."""
        try:
            with self._lock:
                found = self._open.pop(run_id, None)
                if found is not None:
                    self._finish(found.monitor)
        except Exception as error:
            self._trouble("observe", error)

    def flush(self, timeout: float = 60.0) -> bool:
        """Wait until all that was seen is judged and written; False if that took longer."""
        deadline = time.monotonic() + timeout
        done = [m.flush(max(deadline - time.monotonic(), 0.0)) for m in self.monitors.values()]
        return self._join(deadline) and all(done)

    def detach(self, timeout: float = 10.0) -> bool:
        """Look no longer; True if the last decisions were written within `timeout` seconds."""
        self._active = False
        undo, self._undo = self._undo, {}
        for each in undo.values():
            try:
                each()
            except Exception as error:
                self._trouble("observe", error)
        return self.close(timeout)

    def close(self, timeout: float = 10.0) -> bool:
        """Judge and write what is left of the runs so far, within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        with self._lock:
            left, self._open = list(self._open.values()), {}
            for each in left:
                self._finish(each.monitor)
        return self._join(deadline)

    def workers(self) -> tuple[Worker, ...]:
        """None; the monitors have their own."""
        return ()

    def __enter__(self) -> Attachment:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.detach()

    def __repr__(self) -> str:
        where = ", ".join(self.trackers) or "nothing"
        return f"Attachment({self.metric} in {where}, {len(self._open)} runs)"

    def _begin_run(self, run_id: str, open_run: Callable[[], SeenRun]) -> _OpenRun | None:
        with self._lock:
            if run_id in self._open or not self._active:
                return self._open.get(run_id)
            if len(self._open) >= _MOST and not self._make_room():
                self._trouble("runs", DataError(f"at most {_MOST} runs are watched at a time"))
                return None
            seen = open_run()
            monitor = RunMonitor(
                self.metric,
                siblings=self._siblings_of(seen),
                tracker=seen.tracker,
                run_id=seen.run_id,
                on_stop=_of_run(self._on_stop, run_id),
                **self._how,
            )
            found = self._open[run_id] = _OpenRun(monitor, self._along)
            return found

    def _siblings_of(self, seen: SeenRun) -> Siblings:
        if not isinstance(self._siblings, str):
            return self._siblings
        metric, along = self.metric, self._along

        def read() -> pd.DataFrame:
            of_experiment = finished_siblings(
                seen.tracker, seen.experiment(), metric, leave_out=seen.run_id
            )
            return _counted_along(of_experiment(), along)

        return read

    def _make_room(self) -> bool:
        """Let the run go that has been silent for longest, if that is long."""
        run_id, silent = min(self._open.items(), key=lambda item: item[1].seen)
        if time.monotonic() - silent.seen < _IDLE:
            return False
        del self._open[run_id]
        self._finish(silent.monitor)
        return True

    def _finish(self, monitor: RunMonitor) -> None:
        """Close a monitor without waiting for it."""
        thread = threading.Thread(
            target=monitor.close, args=(_TO_FINISH,), name="unsl-finish", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # the interpreter is ending: `lifetime` closes what is left
            return
        self._finishing = [*(each for each in self._finishing if each.is_alive()), thread]

    def _join(self, deadline: float) -> bool:
        for thread in self._finishing:
            thread.join(max(deadline - time.monotonic(), 0.0))
        return not any(thread.is_alive() for thread in self._finishing)

    def _trouble(self, kind: str, error: Exception) -> None:
        """Count it, and log the first of its kind."""
        self._errors[kind] += 1
        if self._errors[kind] == 1:
            _log.warning(
                "attach to %s: %s failed (%s: %s). The program goes on; further ones are counted.",
                *(self.metric, kind, type(error).__name__, error),
            )

    def _after_fork(self) -> None:
        self._lock, self._finishing = threading.Lock(), []


class _OpenRun:
    """A run that is being logged to: its monitor, and how its steps are counted."""

    def __init__(self, monitor: RunMonitor, along: str) -> None:
        self.monitor = monitor
        self.seen = time.monotonic()
        self._along = along
        self._shift = 0
        self._count = 0
        self._unnumbered = True

    def log(self, value: Any, step: float | None) -> None:
        self.seen = time.monotonic()
        self._count += 1
        step = step or 0
        if self._count == 1:
            self._shift = int(_counts_epochs(self._along) and step == 0)
        self._unnumbered = self._unnumbered and step == 0
        # Step 0 again and again is what trackers make of values logged without one.
        again = self._unnumbered and self._count > 1
        place = self._count if again else step + self._shift
        if self._along == "step":
            self.monitor.log(place, value)
        else:
            self.monitor.log(step, value, **{self._along: place})


def _counts_epochs(along: str) -> bool:
    return along.startswith("epoch")


def _counted_along(frame: pd.DataFrame, along: str) -> pd.DataFrame:
    """The frame with its steps as places on the axis, epochs from 1."""
    place = frame["step"]
    if _counts_epochs(along):
        place = place + (place.groupby(frame[RUN]).transform("min") == 0)
    return frame.assign(**{along: place})


def _of_run(
    on_stop: Callable[[str, Decision], object] | None, run_id: str
) -> Callable[[Decision], object] | None:
    return None if on_stop is None else lambda decision: on_stop(run_id, decision)
