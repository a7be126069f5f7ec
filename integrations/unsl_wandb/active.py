"""The W&B run that this process is logging to."""

from __future__ import annotations

import sys
from functools import partial

from unsl_tracking.live import ActiveRun


def active_run() -> ActiveRun | None:
    """`wandb.run`; None where W&B was not imported, has no run, or is disabled."""
    wandb = sys.modules.get("wandb")
    run = None if wandb is None else getattr(wandb, "run", None)
    if run is None or run.disabled:
        return None
    from unsl_wandb.live import LiveRun, path_of

    return ActiveRun(partial(LiveRun, run), path_of(run), run.project)
