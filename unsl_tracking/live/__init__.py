"""Live: forecasts while a run goes on, on a thread of their own."""

from unsl_tracking.live.active import ActiveRun as ActiveRun
from unsl_tracking.live.active import chosen_tracker as chosen_tracker
from unsl_tracking.live.active import monitor_active_run as monitor_active_run
from unsl_tracking.live.active import resume as resume
from unsl_tracking.live.attach import attach as attach
from unsl_tracking.live.attach import detach as detach
from unsl_tracking.live.attachment import Attachment as Attachment
from unsl_tracking.live.judge import Judge as Judge
from unsl_tracking.live.monitor import RunMonitor as RunMonitor
from unsl_tracking.live.observers import SeenRun as SeenRun
from unsl_tracking.live.observers import Watcher as Watcher
from unsl_tracking.live.siblings import Group as Group
from unsl_tracking.live.siblings import Siblings as Siblings
from unsl_tracking.live.siblings import Told as Told
from unsl_tracking.live.siblings import finished_siblings as finished_siblings
from unsl_tracking.live.state import RunState as RunState

__all__ = [
    "ActiveRun",
    "Attachment",
    "Group",
    "Judge",
    "RunMonitor",
    "RunState",
    "SeenRun",
    "Siblings",
    "Told",
    "Watcher",
    "attach",
    "chosen_tracker",
    "detach",
    "finished_siblings",
    "monitor_active_run",
    "resume",
]
