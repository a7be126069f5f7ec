"""A Lightning callback: forecasts a logged metric after each validation, and stops doomed runs."""

from __future__ import annotations

from typing import Any, Literal

from unsl_tracking import Decision, RunMonitor, StopRule
from unsl_tracking.decide.evidence import Mode
from unsl_tracking.errors import MissingDependency
from unsl_tracking.live import ActiveRun, Siblings, chosen_tracker, monitor_active_run, resume

try:
    from lightning.pytorch import Callback
    from lightning.pytorch.loggers import MLFlowLogger
    from lightning.pytorch.trainer.states import TrainerFn
except ImportError as error:
    raise MissingDependency(
        "unsl_lightning needs lightning", next_step="pip install 'unsl-tracking[lightning]'"
    ) from error


class ForecastCallback(Callback):
    """Add it to `Trainer(callbacks=[...])`; the run is that of its MLFlowLogger, or the active one.

    Args:
        metric: a name in `trainer.callback_metrics`, like "val_loss".
        mode: "min" or "max".
        stop: when to stop; `StopRule(dry_run=True)` only records.
        siblings: "experiment" for the finished runs of the same experiment, or as in `RunMonitor`.
        wait: seconds to wait for the forecast at each validation; for short runs and tests.
        options: as `RunMonitor`.

    Rank 0 forecasts and the strategy tells the others; checkpoints keep the curve.
    """

    def __init__(
        self,
        metric: str = "val_loss",
        *,
        mode: Mode = "min",
        stop: StopRule | None = None,
        siblings: Siblings | Literal["experiment"] = "experiment",
        wait: float = 0.0,
        **options: Any,
    ) -> None:
        self.metric, self.wait = metric, wait
        self._how = {"mode": mode, "stop": stop, **options}
        self._siblings = siblings
        self._saved: dict[str, Any] | None = None
        self.monitor: RunMonitor | None = None
        RunMonitor(metric, horizon={"step": 1}, **self._how)  # a bad argument raises here

    @property
    def state_key(self) -> str:
        """One for each metric, so that a trainer may have several."""
        return str(self._generate_state_key(metric=self.metric))

    @property
    def decision(self) -> Decision | None:
        """The newest decision, or None before training."""
        return None if self.monitor is None else self.monitor.decision

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        steps = trainer.estimated_stepping_batches
        if not 0 < steps < float("inf"):
            return  # training without an end has no forecast of it
        self.monitor = monitor_active_run(
            self.metric,
            siblings=self._siblings,
            active=_run_of(trainer) if trainer.is_global_zero else None,
            track=trainer.is_global_zero,
            horizon={"step": steps},
            rank=trainer.global_rank,
            **self._how,
        )
        if self._saved is not None:
            resume(self.monitor, self._saved)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        fitting = trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking
        if self.monitor is None or not fitting:
            return
        value = trainer.callback_metrics.get(self.metric)
        decision = self.monitor.decision
        if value is not None:
            decision = self.monitor.log(trainer.global_step, float(value))
            if self.wait > 0:
                self.monitor.flush(self.wait)
                decision = self.monitor.decision
        stop = trainer.strategy.reduce_boolean_decision(decision.should_stop, all=False)
        trainer.should_stop = trainer.should_stop or stop

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        if self.monitor is not None:
            self.monitor.close()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps, as JSON."""
        return {"saved": None if self.monitor is None else self.monitor.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Called before `on_train_start`."""
        self._saved = state_dict["saved"]


def _run_of(trainer: Any) -> ActiveRun | None:
    """The run of the trainer's own MLFlowLogger, if it has one and no other tracker is chosen."""
    if chosen_tracker() not in (None, "mlflow"):
        return None
    for logger in trainer.loggers:
        if isinstance(logger, MLFlowLogger) and logger.run_id is not None:
            from unsl_mlflow import MlflowTracker

            tracker = MlflowTracker(logger.experiment.tracking_uri)
            return ActiveRun(tracker, logger.run_id, str(logger.experiment_id))
    return None
