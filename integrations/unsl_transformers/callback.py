"""A `TrainerCallback`: forecasts a metric that the Trainer logs, and stops doomed runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal

from unsl_tracking import Decision, RunMonitor, StopRule
from unsl_tracking.decide.evidence import Mode
from unsl_tracking.errors import MissingDependency
from unsl_tracking.live import Siblings, monitor_active_run, resume

try:
    from transformers import TrainerCallback
    from transformers.trainer_callback import ExportableState
except ImportError as error:
    raise MissingDependency(
        "unsl_transformers needs transformers",
        next_step="pip install 'unsl-tracking[transformers]'",
    ) from error


class ForecastCallback(TrainerCallback, ExportableState):
    """Add it to `Trainer(callbacks=[...])`; it finds `max_steps` and the active MLflow run.

    Args:
        metric: a name in the Trainer's logs, like "eval_loss" or "loss".
        mode: "min" or "max".
        stop: when to stop; `StopRule(dry_run=True)` only records. Also as a mapping.
        siblings: "experiment" for the finished runs of the active run's experiment, or as in
            `RunMonitor`. Tables and laws are not kept in checkpoints, nor are options that are not
            JSON.
        wait: seconds to wait for the forecast at each log; for short runs and tests.
        options: as `RunMonitor`.

    With several processes rank 0 forecasts and broadcasts whether to stop; all stop together.
    After resuming from a checkpoint the curve goes on where the checkpoint was taken.
    """

    def __init__(
        self,
        metric: str = "eval_loss",
        *,
        mode: Mode = "min",
        stop: StopRule | Mapping[str, Any] | None = None,
        siblings: Siblings | Literal["experiment"] = "experiment",
        wait: float = 0.0,
        **options: Any,
    ) -> None:
        rule = StopRule(**stop) if isinstance(stop, Mapping) else stop
        self.metric, self.mode, self.wait = metric, mode, wait
        self._siblings, self._rule, self._options = siblings, rule, options
        self.monitor: RunMonitor | None = None
        RunMonitor(metric, mode=mode, stop=rule, horizon={"step": 1}, **options)  # raise now

    @property
    def decision(self) -> Decision | None:
        """The newest decision, or None before training."""
        return None if self.monitor is None else self.monitor.decision

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.monitor = monitor_active_run(
            self.metric,
            mode=self.mode,
            stop=self._rule,
            siblings=self._siblings,
            track=state.is_world_process_zero,
            horizon={"step": state.max_steps},
            rank=0 if state.is_world_process_zero else 1,
            **self._options,
        )
        kept = state.stateful_callbacks.get(type(self).__name__) or []
        for each in kept if isinstance(kept, list) else [kept]:
            saved = each["attributes"].get("saved")
            if saved and each["args"].get("metric") == self.metric:
                resume(self.monitor, saved)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        if self.monitor is None or not logs or self.metric not in logs:
            return
        decision = self.monitor.log(state.global_step, logs[self.metric])
        if self.wait > 0:
            self.monitor.flush(self.wait)
            decision = self.monitor.decision
        if _of_rank_zero(decision.should_stop):
            control.should_training_stop = True

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.monitor is not None:
            self.monitor.close()

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, as JSON."""
        arguments = {
            "metric": self.metric,
            "mode": self.mode,
            "stop": None if self._rule is None else asdict(self._rule),
            "siblings": "experiment" if self._siblings == "experiment" else None,
            "wait": self.wait,
        }
        saved = None if self.monitor is None else self.monitor.state_dict()
        options = {name: each for name, each in self._options.items() if _is_json(each)}
        return {"args": {**arguments, **options}, "attributes": {"saved": saved}}


def _is_json(value: object) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _of_rank_zero(flag: bool) -> bool:
    """The flag of rank 0, on every rank: over whatever accelerate, the Trainer's own means, runs.

    The Trainer asks for this on every rank at every log; alone it is the flag itself.
    """
    from accelerate.utils import broadcast_object_list

    flags = [flag]
    broadcast_object_list(flags, from_process=0)
    return bool(flags[0])
