"""unsl_tracking for Ray Tune: stops trials whose forecast end cannot beat the bar."""

from unsl_ray.stopper import ForecastStopper as ForecastStopper

__all__ = ["ForecastStopper"]
