"""`RunMonitor`: one line in a training loop.

    training thread   log ──▶ state (bounded) ──wake──▶ worker   fit, forecast, decide ──▶ decision
                       ◀───────────── the newest decision, at once        │
                                                            writer ◀──────┘   into the tracker

The training thread never waits for a fit or a tracker and never sees an exception: what goes wrong
after construction is logged once per kind (logger `unsl_tracking.live`) and counted in `errors`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from unsl_tracking.decide import Decision, StopRule
from unsl_tracking.decide.evidence import Mode
from unsl_tracking.errors import DataError
from unsl_tracking.forecast import Forecast
from unsl_tracking.live import lifetime
from unsl_tracking.live.judge import Judge
from unsl_tracking.live.pipeline import Pipeline
from unsl_tracking.live.siblings import Group, Siblings
from unsl_tracking.live.state import SCHEMA
from unsl_tracking.live.worker import Worker
from unsl_tracking.live.writeback import Writer
from unsl_tracking.runs.stopped import STOPPING
from unsl_tracking.runs.tracker import Tracker


class RunMonitor:
    """Forecasts the end of a run while it goes on, and says when to stop it.

    Args:
        metric: the name of the metric that is logged.
        mode: "min" when lower is better, "max" when higher is.
        horizon: where the run ends, like `{"step": 100_000}` or `{"tokens": 2e9}`.
        config: settings of this run on further axes of the siblings, positive numbers.
        siblings: finished runs of the group (a frame with `run_id`, the horizon's axis and the
            metric), a fitted law, or a function that returns one of these (called on the worker).
        stop: when to stop; the default rule where absent.
        ceiling: the best value of a metric to maximise, as in `fit`.
        tracker: where decisions are written, into the run `run_id`; both or neither.
        rank: of this process among data-parallel ones; found from the environment where absent.
            Only rank 0 forecasts; others get "waiting", and the framework broadcasts the decision.
        seed: of the fit.
        share: of the time in which fits may run, in (0, 1], and so at most the part of its speed
            that training can lose to them; `flush` and `close` do not wait.
        on_stop: called once, on the worker thread, with the first decision that says stop.

    Copies (pickle, deepcopy) hold the curve and the settings but no tracker, no `on_stop` and no
    threads: a run has one writer.

    Raises:
        DataError: an argument breaks a rule.

    Examples:
        >>> with ut.RunMonitor("loss", horizon={"step": 1000}) as monitor:
        ...     for step in range(10, 500, 10):
        ...         decision = monitor.log(step=step, value=1.5 + 20.0 * step**-0.5)
        ...     _ = monitor.flush()
        >>> decision = monitor.decision
        >>> decision.verdict
        'continue'
        >>> low, high = decision.forecast.interval(0.95)
        >>> low < 1.5 + 20.0 * 1000**-0.5 < high
        True
    """

    def __init__(
        self,
        metric: str,
        *,
        horizon: Mapping[str, float],
        mode: Mode = "min",
        config: Mapping[str, float] | None = None,
        siblings: Siblings = None,
        stop: StopRule | None = None,
        ceiling: float | None = None,
        tracker: Tracker | None = None,
        run_id: str | None = None,
        rank: int | None = None,
        seed: int = 0,
        share: float = 0.01,
        on_stop: Callable[[Decision], object] | None = None,
    ) -> None:
        judge = Judge(metric, horizon, mode, config, stop, ceiling, seed)
        group = None if callable(siblings) else Group.of(siblings, judge.along, metric)
        if (tracker is None) != (run_id is None):
            raise DataError("a tracker and the id of the run go together", got=run_id)
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:
            raise DataError("share lies above 0 and is at most 1", got=share)
        if on_stop is not None and not callable(on_stop):
            raise DataError("on_stop is a function of a decision", got=on_stop)
        self.rank = lifetime.rank_of() if rank is None else rank
        writer = None
        if tracker is not None and run_id is not None:
            writer = Writer(tracker, run_id, metric, time.monotonic)
        self._live = Pipeline(
            judge, siblings, group=group, share=float(share), writer=writer, on_stop=on_stop
        )
        if self.rank != 0:
            text = f"Rank {self.rank} does not forecast; rank 0 does."
            self._live.decision = Decision("waiting", reason=text)
        lifetime.remember(self)

    def log(self, step: float, value: float, **axes: float) -> Decision:
        """Take in one value of the metric; returns the newest decision, without waiting for any.

        `axes` are places on the horizon's other axes (`tokens=…`). A tensor on an accelerator is
        copied to the host here, so pass numbers where you have them.
        """
        if self.rank == 0:
            self._live.log(step, value, axes)
        return self._live.decision

    @property
    def decision(self) -> Decision:
        """The newest decision."""
        return self._live.decision

    @property
    def forecast(self) -> Forecast | None:
        """The forecast that the newest decision rests on."""
        return self._live.decision.forecast

    @property
    def errors(self) -> dict[str, int]:
        """How often what went wrong: "log", "fit", "siblings", "tracker", "on_stop"."""
        self._live.settle()
        return dict(self._live.errors)

    def flush(self, timeout: float = 60.0) -> bool:
        """Wait until all that was logged is judged and written; False if that took longer."""
        return self.rank != 0 or self._live.flush(timeout)

    def close(self, timeout: float = 10.0) -> bool:
        """Judge and write what is left, within `timeout` seconds, and end the threads."""
        return self._live.close(timeout)

    def __enter__(self) -> RunMonitor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        live = self._live
        points = live.snapshot().points
        return f"RunMonitor({live.judge.metric}, {points} points, {live.decision})"

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on after a restart; strict JSON, bounded in size."""
        judge, decision = self._live.judge, self._live.decision.to_dict()
        return {
            "schema": SCHEMA,
            "metric": judge.metric,
            "mode": judge.mode,
            "state": self._live.snapshot().to_dict(),
            "decision": {**decision, "forecast": None},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken.

        A stop that was decided before does not stand: whoever resumes a run wants it to go on, or
        has another rule for it. The next check decides anew, with the streak that there was.

        Raises:
            DataError: it is of another metric, mode or horizon, or not such a state at all.
        """
        try:
            found = (state["schema"], state["metric"], state["mode"])
            decision = state["decision"]
            verdict, chance = decision["verdict"], decision["probability_doomed"]
            known = Decision(
                "waiting" if verdict in STOPPING else verdict,
                chance,
                str(decision["reason"]),
                at=float(decision["at"]),
                streak=int(decision["streak"]),
                dry_run=self._live.judge.rule.dry_run,
            )
            inner = state["state"]
        except (KeyError, TypeError, ValueError) as error:
            raise DataError("the state of a monitor is complete", got=repr(error)) from error
        expected = (SCHEMA, self._live.judge.metric, self._live.judge.mode)
        if found != expected:
            raise DataError(f"the state is of {expected}", got=found)
        self._live.resume(self._live.state.load(inner), known)

    def workers(self) -> tuple[Worker, ...]:
        """The threads: one that fits and, with a tracker, one that writes."""
        return self._live.workers

    def _after_fork(self) -> None:
        self._live = self._live.again(self._live.state)

    def __getstate__(self) -> dict[str, Any]:
        live = self._live
        return {
            "rank": self.rank,
            "judge": live.judge,
            "siblings": live.siblings if live.group is None else None,  # read once
            "group": live.group,
            "share": live.share,
            "state": live.snapshot(),
            "decision": live.decision,
        }

    def __setstate__(self, kept: dict[str, Any]) -> None:
        self.rank = kept["rank"]
        told = {name: kept[name] for name in ("group", "share", "state", "decision")}
        self._live = Pipeline(kept["judge"], kept["siblings"], **told)
        lifetime.remember(self)
