"""Protocol (a), a random search: how much sooner a rule finds what 20 whole runs find.

The runs of a pool come in random order and are not resumed. The regret of a rule is how far the
best value known at some compute lies above the best of the pool, averaged over orderings. Its
speed-up is the compute of the search that never stops a run (20 whole runs) over the compute at
which the rule's average regret first comes down to the final one of that search.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.early_stopping.pools import Pool
from benchmarks.early_stopping.replay import Outcome, incumbents

Array = NDArray[np.float64]
BUDGET: Final = 20  # whole runs
PER_RUN: Final = 50  # points of the grid of compute in one whole run


def grid(longest: float) -> Array:
    """Places of compute, in whole runs, from 1/50 on."""
    return np.arange(1, int(np.ceil(longest * PER_RUN)) + 1) / PER_RUN


def regrets(
    pool: Pool, replays: Sequence[Sequence[Outcome]], at: Array, *, best: bool = True
) -> Array:
    """Regret (orderings, len(at)) at places of compute; before the first value, that of the worst.

    After the last run of a pool nothing changes any more.
    """
    finite = [run.values[np.isfinite(run.values)] for run in pool.runs]
    everything = pool.losses(np.concatenate(finite))
    ends = pool.bests() if best else pool.finals()
    lowest = float(ends.min())
    # A run that blows up must not decide an average: nothing known counts as the median start.
    nothing = float(np.median([pool.losses(v)[0] for v in finite if len(v)]))
    result = np.empty((len(replays), len(at)))
    for i, outcomes in enumerate(replays):
        spent, losses = incumbents(pool, outcomes, best=best)
        place = np.searchsorted(spent, at + 1e-9, side="right") - 1
        known = np.where(place >= 0, losses[np.maximum(place, 0)], np.inf)
        result[i] = np.minimum(known, max(nothing, lowest)) - lowest
    assert np.isfinite(everything).all()
    return result


def speed_up(mean_regret: Array, at: Array, goal: float) -> float:
    """`BUDGET` over the compute at which the regret comes down to `goal`; NaN if it never does."""
    reached = np.flatnonzero(mean_regret <= goal * (1.0 + 1e-9))
    return BUDGET / float(at[reached[0]]) if len(reached) else np.nan


def goal_of(no_stop: Array, at: Array) -> float:
    """The final average regret of the search that never stops, from its regrets (orderings, n)."""
    return float(no_stop[:, np.searchsorted(at, BUDGET - 1e-9)].mean())


def geometric_mean(values: Mapping[str, float]) -> float:
    """Of speed-ups; NaN where one is."""
    return float(np.exp(np.mean(np.log(list(values.values())))))
