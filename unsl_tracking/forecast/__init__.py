"""Forecasts: a fitted law, its predictive distribution in metric units, and its warnings."""

from unsl_tracking.forecast.backtest import Backtest as Backtest
from unsl_tracking.forecast.cautions import ForecastWarning as ForecastWarning
from unsl_tracking.forecast.fitted_law import FittedLaw as FittedLaw
from unsl_tracking.forecast.fitting import fit as fit
from unsl_tracking.forecast.forecast import Forecast as Forecast
from unsl_tracking.forecast.given import chinchilla_law as chinchilla_law
from unsl_tracking.forecast.given import given_law as given_law
from unsl_tracking.forecast.summary import LawSummary as LawSummary

__all__ = [
    "Backtest",
    "FittedLaw",
    "Forecast",
    "ForecastWarning",
    "LawSummary",
    "chinchilla_law",
    "fit",
    "given_law",
]
