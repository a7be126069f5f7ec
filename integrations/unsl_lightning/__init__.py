"""unsl_tracking for Lightning: forecasts and stops."""

from unsl_lightning.callback import ForecastCallback as ForecastCallback

__all__ = ["ForecastCallback"]
