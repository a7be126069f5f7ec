"""unsl_tracking for MLflow: reads runs losslessly and writes forecasts back."""

from unsl_mlflow.tracker import MlflowTracker as MlflowTracker

__all__ = ["MlflowTracker"]
