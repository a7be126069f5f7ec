"""`unsl_wandb.attach`: forecasts in a W&B run, from the values that it logs anyway."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Literal
from urllib.parse import quote

from unsl_tracking import Decision, RunMonitor, StopRule
from unsl_tracking.decide.evidence import Mode
from unsl_tracking.errors import DataError
from unsl_tracking.live import ActiveRun, Siblings, monitor_active_run
from unsl_wandb.live import LiveRun, path_of
from unsl_wandb.past import Past
from unsl_wandb.project import STEP, finished_along
from unsl_wandb.rows import Call, Observation, RowJoin
from unsl_wandb.sink import Sink, sink_of
from unsl_wandb.stopping import interrupt, stop_function

_log = logging.getLogger("unsl_tracking.live")
_AT_FINISH = 10.0  # seconds that the last forecast may take when the run finishes


class Attached:
    """What watches one metric of a run; see `attach`."""

    def __init__(
        self, live: LiveRun, monitor: RunMonitor, sink: Sink, rows: RowJoin, past: Past | None
    ) -> None:
        self.monitor = monitor
        self._live, self._sink, self._rows, self._past = live, sink, rows, past
        self._told_missing: set[str] = set()
        sink.observe(self._see, self._finish)

    @property
    def decision(self) -> Decision:
        """The newest decision."""
        return self.monitor.decision

    @property
    def should_stop(self) -> bool:
        """True where training should end now; never in a dry run."""
        return self.monitor.decision.should_stop

    @property
    def errors(self) -> dict[str, int]:
        """How often what went wrong, as in `RunMonitor.errors`."""
        return self.monitor.errors

    def flush(self, timeout: float = 60.0) -> bool:
        """Wait until all that was logged is judged; it is written with the next row."""
        if self._past is not None:
            self._past.wait()
        return self.monitor.flush(timeout)

    def close(self) -> None:
        """Stop watching; what was forecast is written with the next row, or at the finish."""
        self._finish()
        self._sink.forget(self._see, self._finish)

    def __enter__(self) -> Attached:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _see(self, data: Mapping[str, Any], call: Call) -> None:
        for seen in self._rows.take(data, call):
            self._log(seen)
        if new := self._rows.missing - self._told_missing:
            self._told_missing |= new
            _log.warning(
                "%s was logged before %s was: such rows are not forecast. Next: log both in one "
                "row, or take W&B's own step as the horizon, {'step': ...}.",
                *(self._rows.metric, ", ".join(sorted(new))),
            )

    def _finish(self) -> None:
        self._live.stop = None  # the end has come anyway
        for seen in self._rows.end():
            self._log(seen)
        if self._past is not None:
            self._past.wait()
        self.monitor.close(_AT_FINISH)

    def _log(self, seen: Observation) -> None:
        if self._past is None or not self._past.keep(seen):
            self.monitor.log(seen.step, seen.value, **seen.places)


def attach(
    run: Any,
    metric: str,
    *,
    horizon: Mapping[str, float],
    mode: Mode = "min",
    stop: StopRule | None = None,
    on_stop: Callable[[], object] | Literal["stop_fn"] | None = "stop_fn",
    siblings: Siblings | Literal["experiment"] = None,
    **options: Any,
) -> Attached:
    """Forecast where a metric of this run will end, from what the run logs, while it goes on.

    Forecasts go into the user's own rows as `unsl/<metric>/final`, `final_lo80`, `final_hi80` and
    `p_doomed`, over the hidden axis `unsl/<metric>/at`; no row, step or value of the user changes.
    A run that is found doomed sends an alert.

    Args:
        run: what `wandb.init` returned.
        metric: the name under which it is logged, like "val/loss".
        horizon: where the run ends. The axis "step" is W&B's own; any other name is one that is
            logged, like `{"tokens": 2e9}` or `{"trainer/global_step": 5_000}`.
        mode: "min" or "max".
        stop: when to stop. Without it decisions are shown and nothing is stopped.
        on_stop: called once, on another thread, when the rule says so: "stop_fn" does what W&B's
            Stop button does (the run's `stop_fn`, else `KeyboardInterrupt`); None leaves it to you
            (`attached.should_stop`).
        siblings: "experiment" for the finished runs of the project that log the metric over the
            same axis, or as in `RunMonitor`.
        options: as `RunMonitor`.

    Raises:
        DataError: an argument breaks a rule.
    """
    if not callable(getattr(run, "log", None)):
        step = "Call wandb.init first; wandb.run is None before it."
        raise DataError("attach needs the run that wandb.init returned", got=run, next_step=step)
    if not (on_stop is None or on_stop == "stop_fn" or callable(on_stop)):
        raise DataError('on_stop is "stop_fn", a function, or None', got=on_stop)
    given = {"horizon": horizon, "mode": mode, "stop": stop or StopRule(dry_run=True), **options}
    of_all = None if isinstance(siblings, str) else siblings
    RunMonitor(metric, siblings=of_all, **given)  # a bad argument raises before a run is touched
    asks = stop is not None and not stop.dry_run
    live = LiveRun(run, stop=_stopping(run, on_stop) if asks else None)
    active = ActiveRun(live, path_of(run), run.project)
    if isinstance(siblings, str):
        along = next(iter(horizon))
        siblings = finished_along(live, run.project, metric, along, leave_out=active.run_id)
    monitor = monitor_active_run(metric, siblings=siblings, active=active, **given)
    axes = tuple(name for name in horizon if name != STEP)
    kept = f"unsl/monitor/{quote(metric, safe='')}.json"
    live.beside[kept] = lambda: json.dumps(monitor.state_dict()).encode()
    past = Past(monitor, lambda: live.read_artifact(path_of(run), kept)) if run.resumed else None
    return Attached(live, monitor, sink_of(run), RowJoin(metric, axes), past)


def _stopping(
    run: Any, on_stop: Callable[[], object] | Literal["stop_fn"] | None
) -> Callable[[], object] | None:
    function = stop_function(run) if on_stop == "stop_fn" else on_stop
    if function is interrupt and threading.current_thread() is not threading.main_thread():
        _log.warning(
            "This run is not logged from the main thread, which an interrupt would hit: it is not "
            "stopped. Next: look at attached.should_stop, or give the run a stop_fn."
        )
        return None
    return function
