"""unsl_tracking for the Trainer of transformers: forecasts and stops."""

from unsl_transformers.callback import ForecastCallback as ForecastCallback

__all__ = ["ForecastCallback"]
