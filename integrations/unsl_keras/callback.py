"""A Keras callback: forecasts a metric of the epochs, and stops doomed runs."""

from __future__ import annotations

from typing import Any, Literal

from unsl_tracking import Decision, RunMonitor, StopRule
from unsl_tracking.decide.evidence import Mode
from unsl_tracking.errors import MissingDependency
from unsl_tracking.live import Siblings, monitor_active_run

try:
    import keras
except ImportError as error:
    raise MissingDependency(
        "unsl_keras needs keras", next_step="pip install 'unsl-tracking[keras]'"
    ) from error


class ForecastCallback(keras.callbacks.Callback):
    """Pass it to `model.fit(callbacks=[...])`; it finds the epochs and the active MLflow run.

    Args:
        metric: a name in the logs of an epoch, like "val_loss".
        mode: "min" or "max".
        stop: when to stop; `StopRule(dry_run=True)` only records.
        siblings: as in `RunMonitor`, by `epoch` from 1, or "experiment" for the finished runs of
            the same experiment whose metric was logged by epoch.
        wait: seconds to wait for the forecast at each epoch; for short runs and tests.
        options: as `RunMonitor`.
    """

    def __init__(
        self,
        metric: str = "val_loss",
        *,
        mode: Mode = "min",
        stop: StopRule | None = None,
        siblings: Siblings | Literal["experiment"] = None,
        wait: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__()
        self.metric, self.wait = metric, wait
        self._how = {"mode": mode, "stop": stop, "siblings": siblings, **options}
        self.monitor: RunMonitor | None = None
        RunMonitor(metric, mode=mode, stop=stop, horizon={"epoch": 1}, **options)  # raise now

    @property
    def decision(self) -> Decision | None:
        """The newest decision, or None before training."""
        return None if self.monitor is None else self.monitor.decision

    def on_train_begin(self, logs: Any = None) -> None:
        self.monitor = monitor_active_run(
            self.metric, horizon={"epoch": self.params["epochs"]}, **self._how
        )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.monitor is None or not logs or self.metric not in logs:
            return
        decision = self.monitor.log(epoch + 1, logs[self.metric])
        if self.wait > 0:
            self.monitor.flush(self.wait)
            decision = self.monitor.decision
        if decision.should_stop:
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        if self.monitor is not None:
            self.monitor.close()
