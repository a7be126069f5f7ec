"""unsl_tracking for Keras: forecasts and stops."""

from unsl_keras.callback import ForecastCallback as ForecastCallback

__all__ = ["ForecastCallback"]
