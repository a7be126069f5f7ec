"""Runs every rule over every pool and keeps the figures of both protocols."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context

import numpy as np
import optuna
from numpy.typing import NDArray

from benchmarks.early_stopping import search
from benchmarks.early_stopping.pools import Pool
from benchmarks.early_stopping.replay import Outcome, replay
from benchmarks.early_stopping.rules import NO_STOP, RULES
from benchmarks.early_stopping.screening import Screened, Stops, count_stops, screened

Array = NDArray[np.float64]


@dataclass
class Figures:
    """One rule on one pool. `regret` (len(at),) is the average over orderings, 0 at the best run.

    `speed_up` is NaN where the goal was never reached, `by_final` the same where only finished runs
    count. `screened` has one entry per ordering.
    """

    pool: str
    rule: str
    at: Array
    regret: Array
    goal: float
    speed_up: float
    by_final: float
    stops: Stops
    screened: list[Screened] = field(default_factory=list)
    seconds: float = 0.0


def orders(pool: Pool, count: int, seed: int) -> list[list[int]]:
    """Random orders of the runs of a pool; the same for all rules."""
    made = np.random.SeedSequence(seed).spawn(count)
    return [np.random.default_rng(s).permutation(len(pool.runs)).tolist() for s in made]


def judge(pool: Pool, *, rules: Sequence[str], count: int, seed: int, first: int) -> list[Figures]:
    """Every rule on one pool, in the same orders."""
    logging.getLogger("unsl_tracking.live").setLevel(logging.ERROR)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    at = search.grid(max(len(pool.runs), search.BUDGET))
    given = orders(pool, count, seed)
    goals: dict[bool, float] = {}
    found = []
    for name in [NO_STOP, *(r for r in rules if r != NO_STOP)]:
        started = time.process_time()
        replays = [
            replay(pool, order, RULES[name], seed=seed + i, first=first)
            for i, order in enumerate(given)
        ]
        seconds = time.process_time() - started
        found.append(_figures(pool, name, replays, at, goals))
        found[-1].seconds = seconds
    return found


def _figures(
    pool: Pool, name: str, replays: list[list[Outcome]], at: Array, goals: dict[bool, float]
) -> Figures:
    mean = {}
    for best in (True, False):
        regret = search.regrets(pool, replays, at, best=best)
        if name == NO_STOP:
            goals[best] = search.goal_of(regret, at)
        mean[best] = regret.mean(axis=0)
    stops = sum((count_stops(pool, r) for r in replays), Stops())
    return Figures(
        pool.name,
        name,
        at,
        mean[True],
        goals[True],
        search.speed_up(mean[True], at, goals[True]),
        search.speed_up(mean[False], at, goals[False]),
        stops,
        [screened(pool, r) for r in replays],
    )


def run(
    pools: Sequence[Pool],
    rules: Sequence[str],
    *,
    count: int,
    seed: int = 0,
    first: int = 0,
    jobs: int = 1,
) -> list[Figures]:
    """All rules on all pools, several pools at a time; in the order of the pools."""
    one: Callable[[Pool], list[Figures]]
    one = partial(judge, rules=tuple(rules), count=count, seed=seed, first=first)
    found: dict[int, list[Figures]] = {}
    if jobs == 1:
        for i, pool in enumerate(pools):
            found[i] = one(pool)
            print(f"{i + 1}/{len(pools)} {pool.name}", file=sys.stderr, flush=True)
    else:
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as executor:
            waiting = {executor.submit(one, pool): i for i, pool in enumerate(pools)}
            for future in as_completed(waiting):
                found[waiting[future]] = future.result()
                text = f"{len(found)}/{len(pools)} {pools[waiting[future]].name}"
                print(text, file=sys.stderr, flush=True)
    return [figures for i in range(len(pools)) for figures in found[i]]
