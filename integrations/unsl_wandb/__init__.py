"""unsl_tracking for Weights & Biases: reads runs losslessly and writes forecasts back.

Names are loaded when they are asked for: looking for an active run (`unsl_wandb.active`) must not
import wandb, which takes a second, into a program that does not use it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unsl_wandb.attachment import Attached as Attached
    from unsl_wandb.attachment import attach as attach
    from unsl_wandb.offline import OfflineTracker as OfflineTracker
    from unsl_wandb.stopping import StopFlag as StopFlag
    from unsl_wandb.stopping import stop_run as stop_run
    from unsl_wandb.sweep import forecast_study as forecast_study
    from unsl_wandb.tracker import WandbTracker as WandbTracker

_MODULES = {
    "Attached": "attachment",
    "OfflineTracker": "offline",
    "StopFlag": "stopping",
    "WandbTracker": "tracker",
    "attach": "attachment",
    "forecast_study": "sweep",
    "stop_run": "stopping",
}
__all__ = [
    "Attached",
    "OfflineTracker",
    "StopFlag",
    "WandbTracker",
    "attach",
    "forecast_study",
    "stop_run",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
