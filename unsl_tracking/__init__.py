"""Where will this training metric end, where at a larger scale, and how sure are we?

>>> import unsl_tracking as ut
>>> law = ut.fit(frame, axes=["params", "tokens"], value="val_loss")
>>> low, high = law.predict({"params": 7e9, "tokens": 1.4e11}).interval(0.8)

One way through the house: runs → law ← fit → forecast → decide; trackers at both ends.
"""

from __future__ import annotations

from unsl_tracking._version import __version__
from unsl_tracking.decide import (
    Allocation,
    Decision,
    GateDecision,
    NextRuns,
    StopRule,
    allocate,
    gate,
    next_runs,
)
from unsl_tracking.errors import (
    AxisError,
    DataError,
    MissingDependency,
    NotFound,
    TooLittleEvidence,
    TrackerError,
    TrackerReadOnly,
    TrackerUnavailable,
    UnslError,
)
from unsl_tracking.forecast import (
    Backtest,
    FittedLaw,
    Forecast,
    ForecastWarning,
    LawSummary,
    chinchilla_law,
    fit,
    given_law,
)
from unsl_tracking.law import Form
from unsl_tracking.live import RunMonitor, attach, detach
from unsl_tracking.runs.axes import Axis
from unsl_tracking.runs.observations import Observations, observe
from unsl_tracking.runs.run import Run
from unsl_tracking.runs.tracker import Tracker

__all__ = [
    "Allocation",
    "Axis",
    "AxisError",
    "Backtest",
    "DataError",
    "Decision",
    "FittedLaw",
    "Forecast",
    "ForecastWarning",
    "Form",
    "GateDecision",
    "LawSummary",
    "MissingDependency",
    "NextRuns",
    "NotFound",
    "Observations",
    "Run",
    "RunMonitor",
    "StopRule",
    "TooLittleEvidence",
    "Tracker",
    "TrackerError",
    "TrackerReadOnly",
    "TrackerUnavailable",
    "UnslError",
    "__version__",
    "allocate",
    "attach",
    "chinchilla_law",
    "detach",
    "fit",
    "gate",
    "given_law",
    "next_runs",
    "observe",
]
