"""Replays a ladder: the cheapest runs first, then further ones in some order, refitting all along.

After every further run the law is fitted anew to what was trained so far and forecasts the target.
Compute is the sum of the costs of all runs trained, the first ones included.

The designed order is asked for a width: the cheapest set of runs that is expected to reach it. Its
cheapest run is trained, the law is fitted again, and so is the set designed again, until the width
is reached.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import unsl_tracking as ut
from benchmarks.next_runs.ladders import Ladder

FIRST = 10  # cheapest runs that every order starts from
LEVEL = 0.8
CHECKS = 9  # at most so many refits of an order by size; at equal factors of compute
COUNT = 5  # runs of a designed set at most
COST = "6*params*tokens"


@dataclass(frozen=True)
class State:
    """After `runs` runs for `compute` in all: width of the 80% interval and error, in ln loss."""

    runs: int
    compute: float
    width: float
    error: float


def replay(ladder: Ladder, order: str, seed: int = 0, goal: float = 0.0) -> list[State]:
    """The states of one order: "smallest", "largest", "random" or "designed".

    `goal` is the width of the interval, in ln loss, at which a random or designed order ends; these
    two are looked at after every run.
    """
    if order == "designed":
        return list(_designed(ladder, goal))
    candidates = ladder.candidates
    further = candidates.iloc[FIRST:]
    if order == "random":
        further = further.iloc[np.random.default_rng(seed).permutation(len(further))]
        return list(_one_by_one(ladder, pd.concat([candidates.iloc[:FIRST], further]), goal))
    if order == "largest":
        further = further.iloc[::-1]
    ordered = pd.concat([candidates.iloc[:FIRST], further], ignore_index=True)
    spent = ordered["cost"].cumsum().to_numpy(dtype=float)
    return [_state(ladder, ordered.iloc[:n]) for n in _checks(spent)]


def _one_by_one(ladder: Ladder, ordered: pd.DataFrame, goal: float) -> Iterator[State]:
    for n in range(FIRST, len(ordered) + 1):
        state = _state(ladder, ordered.iloc[:n])
        yield state
        if state.width <= goal:
            return


def _checks(spent: NDArray[np.float64]) -> list[int]:
    """How many runs to fit to: at the start, the end, and where compute has grown by a factor."""
    factor = (spent[-1] / spent[FIRST - 1]) ** (1.0 / CHECKS)
    checks, last = [FIRST], spent[FIRST - 1]
    for n in range(FIRST + 1, len(spent) + 1):
        if spent[n - 1] >= last * factor * 0.999 or n == len(spent):
            checks.append(n)
            last = spent[n - 1]
    return checks


def _designed(ladder: Ladder, goal: float) -> Iterator[State]:
    trained, left = ladder.candidates.iloc[:FIRST], ladder.candidates.iloc[FIRST:]
    while True:
        law = _law(ladder, trained)
        state = _state(ladder, trained, law)
        yield state
        if left.empty or state.width <= goal:
            return
        table = left[list(ladder.axes)].assign(row=left.index)
        plan = ut.next_runs(
            law,
            table,
            target=_at(ladder),
            cost=COST,
            count=COUNT,
            budget=float(left["cost"].sum()),
            width=max(goal / state.width, 1e-6),
        )
        # Where none of them is expected to help, the largest.
        row = int(plan.runs["row"].min()) if len(plan) else int(left.index[-1])
        trained, left = pd.concat([trained, left.loc[[row]]]), left.drop(index=row)


def _law(ladder: Ladder, runs: pd.DataFrame) -> ut.FittedLaw:
    return ut.fit(runs[[*ladder.axes, "loss"]], list(ladder.axes), "loss")


def _at(ladder: Ladder) -> dict[str, float]:
    return {a: float(ladder.target[a]) for a in ladder.axes}


def _state(ladder: Ladder, runs: pd.DataFrame, law: ut.FittedLaw | None = None) -> State:
    forecast = (law or _law(ladder, runs)).predict(_at(ladder))
    low, high = forecast.interval(LEVEL)
    return State(
        len(runs),
        float(runs["cost"].sum()),
        float(np.log(high / low)),
        float(abs(np.log(forecast.median / float(ladder.target["loss"])))),
    )
