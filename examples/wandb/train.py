"""A training that logs to W&B, with one line that forecasts where its loss will end.

    python train.py                 # or WANDB_MODE=offline python train.py, and wandb sync later

The forecast, its interval and P(doomed) appear in the run's own charts as unsl/loss/…, the verdict
in its summary. With `stop=` the run ends itself once it cannot reach the target any more.
"""

import time

import numpy as np
import wandb

import unsl_wandb
from unsl_tracking import StopRule

STEPS = 400


def main() -> None:
    stopped = unsl_wandb.StopFlag()  # set by W&B's Stop button, by a sweep, or by a forecast
    settings = wandb.Settings(stop_fn=stopped)
    with wandb.init(project="unsl-example", config={"lr": 0.3}, settings=settings) as run:
        # share: this run is over in 20 seconds; a real one can leave fits at their 2% of the time.
        rule = StopRule(target=1.2)
        unsl_wandb.attach(run, "loss", horizon={"step": STEPS}, stop=rule, share=0.5)
        lr, draw = run.config["lr"], np.random.default_rng(0)
        for step in range(STEPS):
            loss = 1.0 + 0.3 * np.log10(lr / 0.01) ** 2 + 3.0 * (step + 1) ** -0.6
            run.log({"loss": loss * np.exp(draw.normal(scale=0.003)), "lr": lr})
            time.sleep(0.05)
            if stopped.asked:
                print(f"stopped at step {step}: {run.summary.get('unsl.reason', 'from outside')}")
                break


if __name__ == "__main__":
    main()
