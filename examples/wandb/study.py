"""The study of sweep.yaml: random settings, and runs that cannot beat the best one are stopped.

wandb sweep sweep.yaml                       # prints the sweep's id
wandb sweep-scheduler entity/project/id &    # in this folder; it reads this file
wandb agent entity/project/id
"""

from typing import Any

import optuna

import unsl_wandb
from unsl_tracking import StopRule


def make_study(sweep: Any) -> optuna.Study:
    return unsl_wandb.forecast_study(
        sweep,
        steps=400,
        stop=StopRule(confidence=0.95),
        sampler=optuna.samplers.RandomSampler(seed=1),
    )
