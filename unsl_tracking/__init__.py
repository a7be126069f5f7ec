"""Where will this training metric end, where at a larger scale, and how sure are we?

>>> import unsl_tracking as ut
>>> law = ut.fit(frame, axes=["params", "tokens"], value="val_loss")   # doctest: +SKIP
>>> law.predict({"params": 7e9, "tokens": 1.4e11}).interval(0.8)       # doctest: +SKIP

One way through the house: runs → law ← fit → forecast → decide; trackers at both ends.
"""

from __future__ import annotations

from unsl_tracking._version import __version__
from unsl_tracking.decide import Decision, StopRule
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
from unsl_tracking.forecast import Backtest, FittedLaw, Forecast, ForecastWarning, LawSummary, fit
from unsl_tracking.law import Form
from unsl_tracking.live import RunMonitor
from unsl_tracking.runs.axes import Axis
from unsl_tracking.runs.observations import Observations, observe
from unsl_tracking.runs.run import Run
from unsl_tracking.runs.tracker import Tracker

__all__ = [
    "Axis",
    "AxisError",
    "Backtest",
    "DataError",
    "Decision",
    "FittedLaw",
    "Forecast",
    "ForecastWarning",
    "Form",
    "LawSummary",
    "MissingDependency",
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
    "fit",
    "observe",
]
