"""Live: forecasts while a run goes on, on a thread of their own."""

from unsl_tracking.live.judge import Judge as Judge
from unsl_tracking.live.monitor import RunMonitor as RunMonitor
from unsl_tracking.live.siblings import finished_siblings as finished_siblings

__all__ = ["Judge", "RunMonitor", "finished_siblings"]
