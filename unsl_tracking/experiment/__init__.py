"""The workflow: tracker → runs → observations → a law per group → forecasts → tracker."""

from __future__ import annotations

from unsl_tracking.experiment.backtest import (
    ExperimentBacktest,
    GroupBacktest,
    backtest_experiment,
)
from unsl_tracking.experiment.documents import answer_at, document_of, files_of
from unsl_tracking.experiment.mode import Mode, guess_mode
from unsl_tracking.experiment.result import (
    ExperimentForecast,
    GroupForecast,
    Refused,
    RunForecast,
)
from unsl_tracking.experiment.trackers import open_tracker, tracker_plugins
from unsl_tracking.experiment.workflow import forecast_experiment
from unsl_tracking.experiment.write import (
    LinksToArtifacts,
    WriteFailure,
    WriteReport,
    write_forecasts,
    write_run_forecast,
)

__all__ = [
    "ExperimentBacktest",
    "ExperimentForecast",
    "GroupBacktest",
    "GroupForecast",
    "LinksToArtifacts",
    "Mode",
    "Refused",
    "RunForecast",
    "WriteFailure",
    "WriteReport",
    "answer_at",
    "backtest_experiment",
    "document_of",
    "files_of",
    "forecast_experiment",
    "guess_mode",
    "open_tracker",
    "tracker_plugins",
    "write_forecasts",
    "write_run_forecast",
]
