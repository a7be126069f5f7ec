"""The workflow: tracker → runs → observations → a law per group → forecasts → tracker."""

from __future__ import annotations

from unsl_tracking.experiment.backtest import (
    ExperimentBacktest,
    GroupBacktest,
    backtest_experiment,
)
from unsl_tracking.experiment.documents import answer_at, document_of, files_of
from unsl_tracking.experiment.gate import ExperimentGate, MetricGate, gate_experiment
from unsl_tracking.experiment.mode import Mode, guess_mode
from unsl_tracking.experiment.policy_file import find_policy, read_policy
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
from unsl_tracking.experiment.write_gate import verdict_of, write_gate

__all__ = [
    "ExperimentBacktest",
    "ExperimentForecast",
    "ExperimentGate",
    "GroupBacktest",
    "GroupForecast",
    "LinksToArtifacts",
    "MetricGate",
    "Mode",
    "Refused",
    "RunForecast",
    "WriteFailure",
    "WriteReport",
    "answer_at",
    "backtest_experiment",
    "document_of",
    "files_of",
    "find_policy",
    "forecast_experiment",
    "gate_experiment",
    "guess_mode",
    "open_tracker",
    "read_policy",
    "tracker_plugins",
    "verdict_of",
    "write_forecasts",
    "write_gate",
    "write_run_forecast",
]
