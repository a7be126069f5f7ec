"""Optuna with a pruner that forecasts: pip install 'unsl-tracking[optuna]'.

python examples/frameworks/with_optuna.py
"""

from __future__ import annotations

import numpy as np
import optuna

from unsl_optuna import ForecastPruner

STEPS = 40


def objective(trial: optuna.Trial) -> float:
    lr = trial.suggest_float("lr", 1e-4, 1.0, log=True)
    rng = np.random.default_rng(trial.number)
    value = 0.0
    for step in range(STEPS):  # stands for training and an evaluation
        limit = 1.0 + 0.3 * np.log10(lr / 1e-2) ** 2
        value = float((limit + 3.0 * (step + 1) ** -0.8) * np.exp(rng.normal(scale=0.003)))
        trial.report(value, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return value


def main() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        pruner=ForecastPruner(), sampler=optuna.samplers.RandomSampler(seed=1)
    )
    study.optimize(objective, n_trials=30)
    steps = sum(len(trial.intermediate_values) for trial in study.trials)
    print(f"best {study.best_value:.4f} at lr {study.best_params['lr']:.2g}")
    print(f"{steps} of {30 * STEPS} steps were trained")


if __name__ == "__main__":
    main()
