from __future__ import annotations

from typing import Any

import numpy as np
import pytest

optuna = pytest.importorskip("optuna")

from optuna.trial import TrialState  # noqa: E402

from unsl_optuna import ForecastPruner  # noqa: E402
from unsl_tracking import StopRule  # noqa: E402
from unsl_tracking.errors import DataError  # noqa: E402

STEPS = 40
optuna.logging.set_verbosity(optuna.logging.WARNING)


def objective(trial: Any) -> float:
    """A learning curve whose limit depends on the learning rate; the best one is 1e-2."""
    lr = trial.suggest_float("lr", 1e-4, 1.0, log=True)
    rng = np.random.default_rng(trial.number)
    value = 0.0
    for step in range(STEPS):
        value = 1.0 + 0.3 * np.log10(lr / 1e-2) ** 2 + 3.0 * (step + 1) ** -0.8
        value *= float(np.exp(rng.normal(scale=0.003)))
        trial.report(value, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return value


def study_with(pruner: Any, **more: object) -> Any:
    sampler = optuna.samplers.RandomSampler(seed=1)
    return optuna.create_study(sampler=sampler, pruner=pruner, **more)


def steps_of(study: Any) -> int:
    return sum(len(trial.intermediate_values) for trial in study.trials)


def test_doomed_trials_are_pruned_and_a_careful_rule_keeps_the_best_one() -> None:
    whole = study_with(optuna.pruners.NopPruner())
    whole.optimize(objective, n_trials=24)
    forecast = study_with(ForecastPruner(stop=StopRule.careful()))
    forecast.optimize(objective, n_trials=24)
    pruned = [trial for trial in forecast.trials if trial.state == TrialState.PRUNED]
    assert len(pruned) >= 12
    assert forecast.best_value == whole.best_value
    assert steps_of(forecast) < 0.75 * steps_of(whole)


def test_a_dry_run_prunes_nothing_and_says_once_what_it_would_have(
    caplog: pytest.LogCaptureFixture,
) -> None:
    study = study_with(ForecastPruner(stop=StopRule.eager(dry_run=True)))
    with caplog.at_level("INFO", logger="unsl_tracking.live"):
        study.optimize(objective, n_trials=8)
    assert all(trial.state == TrialState.COMPLETE for trial in study.trials)
    told = [record.getMessage() for record in caplog.records if "dry run" in record.getMessage()]
    assert 1 <= len(told) <= 7 and len({text.split()[1] for text in told}) == len(told)


def test_two_ends_that_happen_to_be_close_do_not_end_the_search() -> None:
    def parallel(trial: Any) -> float:
        limit = trial.suggest_float("limit", 1.5, 3.0)
        for step in range(30):
            value = limit + 3.0 * (step + 1) ** -0.5
            trial.report(value, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(value)

    study = study_with(ForecastPruner())
    for limit in (2.323, 2.317):
        study.enqueue_trial({"limit": limit})
    study.optimize(parallel, n_trials=20)
    best = min(trial.params["limit"] for trial in study.trials)
    assert study.best_params["limit"] == best < 2.0
    assert steps_of(study) < 0.6 * 20 * 30


def test_a_search_comes_near_the_best_for_a_fraction_of_the_compute() -> None:
    # It gives up a gain of 2% here, for which a trial would have to run to its end.
    whole = study_with(optuna.pruners.NopPruner())
    whole.optimize(objective, n_trials=12)
    forecast = study_with(ForecastPruner())
    forecast.optimize(objective, n_trials=12)
    assert forecast.best_value <= 1.03 * whole.best_value
    assert steps_of(forecast) < 0.5 * steps_of(whole)


def test_without_a_finished_trial_or_a_number_of_steps_only_divergence_is_pruned() -> None:
    study = study_with(ForecastPruner())

    def storm(trial: Any) -> float:
        for step in range(STEPS):
            trial.report(float("nan") if step > 3 else 2.0, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return 1.0

    study.optimize(storm, n_trials=1)
    assert study.trials[0].state == TrialState.PRUNED
    assert study.trials[0].last_step == 5


def test_accuracies_to_maximise_are_pruned_likewise() -> None:
    study = study_with(ForecastPruner(steps=STEPS), direction="maximize")

    def accuracy(trial: Any) -> float:
        top = trial.suggest_float("top", 0.5, 0.9)
        value = 0.0
        for step in range(STEPS):
            value = top - 0.4 * (step + 1) ** -0.8
            trial.report(value, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    study.optimize(accuracy, n_trials=10)
    states = [trial.state for trial in study.trials]
    assert states.count(TrialState.PRUNED) >= 3
    best = max(study.trials, key=lambda trial: trial.params["top"])
    assert best.state == TrialState.COMPLETE


def test_a_dry_run_prunes_nothing_and_a_bad_rule_raises_at_once() -> None:
    study = study_with(ForecastPruner(stop=StopRule(dry_run=True)))
    study.optimize(objective, n_trials=2)
    assert all(trial.state == TrialState.COMPLETE for trial in study.trials)
    with pytest.raises(DataError):
        ForecastPruner(steps=0)


def test_an_error_inside_is_no_error_of_the_study(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(ForecastPruner, "_decide", broken)
    study = study_with(ForecastPruner())
    study.optimize(objective, n_trials=2)
    assert all(trial.state == TrialState.COMPLETE for trial in study.trials)
