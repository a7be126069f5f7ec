"""What lies between `RunMonitor.log` and a decision: an inbox, the state of the run, two workers.

`log` only puts the value into the inbox. Whoever needs the state empties the inbox into it, on the
worker as a rule: between two training steps Python's code has left the processor's caches, and to
add a value to the state takes 42 µs there, not the 4 µs of a loop that does nothing else. Putting
it into the inbox takes 5 (torch steps of 0.45 ms, a value every 10th step).
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from unsl_tracking.decide import Decision
from unsl_tracking.errors import DataError
from unsl_tracking.live.interval import switching_often
from unsl_tracking.live.judge import Judge, failed
from unsl_tracking.live.siblings import Group, Siblings
from unsl_tracking.live.state import RunState
from unsl_tracking.live.worker import Worker
from unsl_tracking.live.writeback import Writer

_log = logging.getLogger("unsl_tracking.live")
_GROWTH: Final = 1.05  # a forecast is made anew when the run is this much farther
# Looking for a divergence takes a millisecond, perhaps at every log: it gets a tenth of `share`.
_LOOKING: Final = 10.0
_MOST_WAITING: Final = 256  # values in the inbox, before `log` itself empties it
_Logged = tuple[float, float, Mapping[str, float]]
STEP_AXES: Final = frozenset({"step", "steps", "epoch", "epochs", "iteration", "iterations"})


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
        on_stop: Callable[[Decision], object] | None = None,
        inbox: Iterable[_Logged] = (),
    ) -> None:
        self.judge, self.siblings, self.group = judge, siblings, group
        self.share, self.writer = share, writer
        self.state = judge.new_state() if state is None else state
        self.decision = decision or Decision("waiting", reason="Nothing has been logged yet.")
        self.errors: Counter[str] = Counter()
        self.closed = False
        self.on_stop = on_stop
        self._ended = threading.Event()
        self._axes = tuple(judge.horizon)
        self._inbox: deque[_Logged] = deque(inbox)
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
            on_stop=self.on_stop,
            inbox=self._inbox.copy(),
        )
        result.errors, result.closed = self.errors, self.closed
        if result.closed:
            result._ended.set()
        return result

    def log(self, step: float, value: float, axes: Mapping[str, float]) -> None:
        """Take in one value. Never raises, never waits for a fit."""
        if self.closed:
            return
        try:
            places = {name: float(place) for name, place in axes.items()} if axes else axes
            self._inbox.append((float(step), float(value), places))
            if self._worker.idle:
                self._worker.wake()
            if len(self._inbox) >= _MOST_WAITING:
                self.settle()
        except Exception as error:
            self.trouble("log", error)

    def settle(self) -> None:
        """Empty the inbox into the state."""
        with self._lock:
            self._settle()

    def snapshot(self) -> RunState:
        """A copy of the state that nobody else writes to, the inbox included."""
        with self._lock:
            self._settle()
            return self.state.copy()

    def resume(self, state: RunState, decision: Decision) -> None:
        """Go on from a state that was saved."""
        with self._lock:
            self._inbox.clear()
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
        """Judge and write what is left, and end the threads; a second call waits for the first."""
        if self.closed:
            return self._ended.wait(timeout)
        self.closed = True
        deadline = time.monotonic() + timeout
        try:
            done = [worker.close(max(deadline - time.monotonic(), 0.0)) for worker in self.workers]
        finally:
            self._ended.set()
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

    def _settle(self) -> None:
        for _ in range(len(self._inbox)):
            step, value, axes = self._inbox.popleft()
            try:
                places = [axes[n] if n in axes else _place(n, step) for n in self._axes]
                self.state.add(step, value, places)
            except Exception as error:
                self.trouble("log", error)

    def _check(self, forced: bool) -> float:
        """On the worker: judge the newest state, if it says anything new; seconds of computing."""
        state = self.snapshot()
        if state.version == self._judged:
            return 0.0
        group = self._siblings_now()
        # Not by the clock on the wall, which goes on while schedulers suspend a job for hours.
        started, weight = time.thread_time(), _LOOKING
        with switching_often():
            decision = self.judge.diverged(state, self.decision)
            if decision is None and (forced or self._due(state)):
                decision, weight = self._decide(state, group), 1.0
                self._forecast_at = state.at
        took = weight * (time.thread_time() - started)
        if decision is not None:
            self._judged = state.version
            self._publish(decision, state.step)
        return took

    def _due(self, state: RunState) -> bool:
        """Whether a forecast would say something new: farther on, back, or healthy again."""
        known = self._forecast_at
        farther = state.at >= _GROWTH * known or state.at < known
        return farther or self.decision.verdict == "diverged"

    def _publish(self, decision: Decision, step: int) -> None:
        self.decision = decision
        if self.writer is not None and self._writing is not None:
            self.writer.offer(decision, step)
            self._writing.wake()
        if decision.should_stop:
            self._tell(decision)

    def _tell(self, decision: Decision) -> None:
        """Call `on_stop`, once, and not where the end has come anyway."""
        if self.closed:
            return
        told, self.on_stop = self.on_stop, None
        if told is not None:
            try:
                told(decision)
            except Exception as error:
                self.trouble("on_stop", error)

    def _decide(self, state: RunState, group: Group) -> Decision:
        try:
            return self.judge.decide(state, group, self.decision)
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
    if axis in STEP_AXES:
        return step
    raise DataError(f"log gives the place on the axis {axis}", next_step=f"Pass {axis}=….")
