"""unsl_tracking for Optuna: prunes trials whose forecast end cannot beat the bar."""

from unsl_optuna.pruner import ForecastPruner as ForecastPruner

__all__ = ["ForecastPruner"]
