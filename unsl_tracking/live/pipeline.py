"""What lies between `RunMonitor.log` and a decision: the state of the run and two workers."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Final

from unsl_tracking.decide import Decision
from unsl_tracking.errors import DataError
from unsl_tracking.live.judge import Judge, failed
from unsl_tracking.live.siblings import Group, Siblings
from unsl_tracking.live.state import RunState
from unsl_tracking.live.worker import Worker
from unsl_tracking.live.writeback import Writer

_log = logging.getLogger("unsl_tracking.live")
_GROWTH: Final = 1.05  # a forecast is made anew when the run is this much farther
_STEPS: Final = frozenset({"step", "steps", "epoch", "epochs", "iteration", "iterations"})


class Pipeline:
    """The moving parts of a monitor. Its threads hold it, so it must not hold the monitor.

    `decision` is the newest one, `errors` counts what went wrong by kind.
    """

    def __init__(
        self,
        judge: Judge,
        siblings: Siblings,
        *,
        group: Group | None,
        share: float,
        writer: Writer | None = None,
        state: RunState | None = None,
        decision: Decision | None = None,
    ) -> None:
        self.judge, self.siblings, self.group = judge, siblings, group
        self.share, self.writer = share, writer
        self.state = judge.new_state() if state is None else state
        self.decision = decision or Decision("waiting", reason="Nothing has been logged yet.")
        self.errors: Counter[str] = Counter()
        self.closed = False
        self._axes = tuple(judge.horizon)
        self._lock = threading.Lock()
        self._judged = self.state.version
        self._forecast_at = 0.0
        self._worker = Worker(
            self._check, lambda error: self.trouble("fit", error), name="unsl-fit", share=share
        )
        self._writing: Worker | None = None
        if writer is not None:
            self._writing = Worker(
                writer.write, lambda error: self.trouble("tracker", error), name="unsl-write"
            )

    @property
    def workers(self) -> tuple[Worker, ...]:
        """The worker that fits and, with a tracker, the one that writes."""
        return (self._worker,) if self._writing is None else (self._worker, self._writing)

    def again(self, state: RunState) -> Pipeline:
        """The same with locks and threads of its own, for a forked process."""
        result = Pipeline(
            self.judge,
            self.siblings,
            group=self.group,
            share=self.share,
            writer=self.writer,
            state=state,
            decision=self.decision,
        )
        result.errors, result.closed = self.errors, self.closed
        return result

    def log(self, step: float, value: float, axes: Mapping[str, float]) -> None:
        """Take in one value. Never raises, never waits for a fit."""
        if self.closed:
            return
        try:
            places = [float(axes[n] if n in axes else _place(n, step)) for n in self._axes]
            number, value = float(step), float(value)
            with self._lock:
                self.state.add(number, value, places)
            self._worker.wake()
        except Exception as error:
            self.trouble("log", error)

    def snapshot(self) -> RunState:
        """A copy of the state that nobody else writes to."""
        with self._lock:
            return self.state.copy()

    def resume(self, state: RunState, decision: Decision) -> None:
        """Go on from a state that was saved."""
        with self._lock:
            self.state, self._judged = state, state.version
        self.decision, self._forecast_at = decision, 0.0

    def flush(self, timeout: float) -> bool:
        """Wait until all that was logged is judged and written."""
        if self.closed:
            return True
        deadline = time.monotonic() + timeout
        for worker in self.workers:
            if not worker.flush(max(deadline - time.monotonic(), 0.0)):
                return False
        return True

    def close(self, timeout: float) -> bool:
        """Judge and write what is left, and end the threads."""
        if self.closed:
            return True
        self.closed = True
        deadline = time.monotonic() + timeout
        done = [worker.close(max(deadline - time.monotonic(), 0.0)) for worker in self.workers]
        return all(done)

    def trouble(self, kind: str, error: Exception) -> None:
        """Count it, and log the first of its kind."""
        self.errors[kind] += 1
        if self.errors[kind] == 1:
            _log.warning(
                "%s: %s failed (%s: %s). Training goes on; further ones are only counted.",
                *(self.judge.metric, kind, type(error).__name__, error),
                exc_info=_log.isEnabledFor(logging.DEBUG),
            )

    def _check(self, forced: bool) -> None:
        """On the worker: judge the newest state, if it says anything new."""
        state = self.snapshot()
        if state.version == self._judged:
            return
        decision = self.judge.diverged(state, self.decision)
        if decision is None and (forced or state.at >= _GROWTH * self._forecast_at):
            decision = self._decide(state)
            self._forecast_at = state.at
        if decision is None:
            return
        self._judged = state.version
        self.decision = decision
        if self.writer is not None and self._writing is not None:
            self.writer.offer(decision, state.step)
            self._writing.wake()

    def _decide(self, state: RunState) -> Decision:
        try:
            return self.judge.decide(state, self._siblings_now(), self.decision)
        except Exception as error:
            self.trouble("fit", error)
            return failed(self.decision, error, state.at)

    def _siblings_now(self) -> Group:
        """The siblings; read once, and done without when that fails."""
        if self.group is None:
            self.group = Group()
            try:
                given = self.siblings() if callable(self.siblings) else self.siblings
                self.group = Group.of(given, self.judge.along, self.judge.metric)
            except Exception as error:
                self.trouble("siblings", error)
        return self.group


def _place(axis: str, step: float) -> float:
    if axis in _STEPS:
        return step
    raise DataError(f"log gives the place on the axis {axis}", next_step=f"Pass {axis}=….")
