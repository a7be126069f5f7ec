"""Live: forecasts while a run goes on, on a thread of their own."""

from unsl_tracking.live.active import ActiveRun as ActiveRun
from unsl_tracking.live.active import monitor_active_run as monitor_active_run
from unsl_tracking.live.judge import Judge as Judge
from unsl_tracking.live.monitor import RunMonitor as RunMonitor
from unsl_tracking.live.siblings import Group as Group
from unsl_tracking.live.siblings import Siblings as Siblings
from unsl_tracking.live.siblings import finished_siblings as finished_siblings
from unsl_tracking.live.state import RunState as RunState

__all__ = [
    "ActiveRun",
    "Group",
    "Judge",
    "RunMonitor",
    "RunState",
    "Siblings",
    "finished_siblings",
    "monitor_active_run",
]
