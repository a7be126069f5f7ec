"""Trains the runs of a pool one after another, in a given order, as an Optuna study would."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import TrialState

from benchmarks.early_stopping.pools import Pool, Recorded
from benchmarks.early_stopping.rules import Rule

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """What became of one run: how many of its evaluations were seen, and whether it was stopped."""

    run: int
    seen: int
    stopped: bool


def replay(
    pool: Pool, order: Sequence[int], rule: Rule, *, seed: int = 0, first: int = 0
) -> list[Outcome]:
    """The runs of a pool in `order`, each until its end or until the rule stops it.

    No run is resumed. A study with the rule as its pruner sees every evaluation as a user's
    objective would report it; a run that ends with NaN fails. Optuna counts steps from 0; with
    `first` 1 they are told as recorded, from 1, which moves the rungs of successive halving.
    Hyperband draws its brackets from the name of the study, hence `seed`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        direction = "minimize" if pool.mode == "min" else "maximize"
        study = optuna.create_study(
            direction=direction,
            pruner=rule(pool),
            study_name=f"{pool.name} {seed}",
            sampler=optuna.samplers.RandomSampler(seed),
        )
    return [_train(study, pool, number, first) for number in order]


def _train(study: optuna.Study, pool: Pool, number: int, first: int) -> Outcome:
    run: Recorded = pool.runs[number]
    trial = _asked(study, pool, run)
    trial.set_user_attr("end", float(pool.losses(run.values)[-1]))
    for seen, (at, value) in enumerate(zip(run.at, run.values, strict=True), start=1):
        trial.report(float(value), int(at) - 1 + first)
        if seen < len(run.at) and trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return Outcome(int(number), seen, stopped=True)
    if math.isfinite(run.values[-1]):
        study.tell(trial, float(run.values[-1]))
    else:
        study.tell(trial, state=TrialState.FAIL)
    return Outcome(int(number), len(run.at), stopped=False)


def _asked(study: optuna.Study, pool: Pool, run: Recorded) -> optuna.Trial:
    """A trial with the settings of a run, suggested as a user's objective would."""
    study.enqueue_trial(dict(run.settings))
    trial = study.ask()
    for name in run.settings:
        trial.suggest_float(name, *pool.span(name))
    return trial


def cost(pool: Pool, outcome: Outcome) -> float:
    """In whole runs."""
    return float(pool.runs[outcome.run].at[outcome.seen - 1]) / pool.horizon


def incumbents(pool: Pool, outcomes: Sequence[Outcome], *, best: bool) -> tuple[Array, Array]:
    """The compute spent at each evaluation and the best loss known by then, both (evaluations,).

    With `best` the value of every evaluation counts (its checkpoint is kept); without, a run counts
    once it has come to its end.
    """
    spent, losses, before = [], [], 0.0
    for outcome in outcomes:
        run = pool.runs[outcome.run]
        loss = pool.losses(run.values)[: outcome.seen].copy()
        if not best:
            loss[: outcome.seen - (not outcome.stopped)] = np.inf
        spent.append(before + run.at[: outcome.seen] / pool.horizon)
        losses.append(loss)
        before += cost(pool, outcome)
    return np.concatenate(spent), np.minimum.accumulate(np.concatenate(losses))
