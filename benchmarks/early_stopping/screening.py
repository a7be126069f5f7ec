"""Protocol (b), screening a pool: all runs get their turn, and the best one should come through.

Every run is seen by the fraction of its own budget. The speed-up is the cost of all runs without
stopping over that with it. The best run is kept if it was not stopped; a run is lost if it was
stopped and would have ended better than the best that was kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.early_stopping.pools import Pool
from benchmarks.early_stopping.replay import Outcome, cost


@dataclass(frozen=True)
class Screened:
    """One ordering of one pool: runs, their cost in whole runs, and what came of the best."""

    pool: str
    runs: int
    cost: float
    best_kept: bool
    lost: int

    @property
    def speed_up(self) -> float:
        """Of the whole pool."""
        return self.runs / self.cost


def screened(pool: Pool, outcomes: Sequence[Outcome]) -> Screened:
    """What a replay of the whole pool kept and lost, by where its runs end."""
    ends = pool.finals()
    kept = [ends[o.run] for o in outcomes if not o.stopped]
    bar = min(kept, default=np.inf)
    lost = sum(bool(ends[o.run] < bar) for o in outcomes if o.stopped)
    spent = sum(cost(pool, outcome) for outcome in outcomes)
    return Screened(pool.name, len(outcomes), spent, lost == 0, lost)


@dataclass(frozen=True)
class Stops:
    """How often runs were stopped, and how often wrongly: they would have beaten the bar.

    The bar is what the best run that was finished before had reached. `better` counts all runs
    that would have beaten it, stopped or not.
    """

    stopped: int = 0
    wrongly: int = 0
    better: int = 0

    def __add__(self, other: Stops) -> Stops:
        return Stops(
            self.stopped + other.stopped,
            self.wrongly + other.wrongly,
            self.better + other.better,
        )

    @property
    def false_stops(self) -> float:
        """Share of stops that were wrong; 0 where there are none."""
        return self.wrongly / self.stopped if self.stopped else 0.0

    @property
    def missed(self) -> float:
        """Share of the runs that would have beaten the bar which were stopped."""
        return self.wrongly / self.better if self.better else 0.0


def count_stops(pool: Pool, outcomes: Sequence[Outcome]) -> Stops:
    """Stops of one replay, right and wrong; the first run has no bar and counts as neither."""
    ends = pool.finals()
    bar, found = np.inf, Stops()
    for outcome in outcomes:
        better = bool(np.isfinite(bar) and ends[outcome.run] < bar)
        found += Stops(int(outcome.stopped), int(outcome.stopped and better), int(better))
        if not outcome.stopped:
            bar = min(bar, float(ends[outcome.run]))
    return found
