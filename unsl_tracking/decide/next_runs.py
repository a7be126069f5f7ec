"""Which runs to train next, so that the forecast at a target gets surer most cheaply.

Greedy: the run whose observation is expected to remove most of the variance at the target
(`belief`), then the next given that one, and so on. "Most" is counted once per unit of cost, which
is within a logarithmic factor of the cheapest set that reaches a given width where gains diminish
(Wolsey 1982), and once as it is, within what may be spent; the better of the two plans is taken,
for each alone can be arbitrarily bad (Leskovec et al. 2007): the first may collect trifles, the
second spend all on one run. Runs that a plan turns out not to need are dropped again, and for a
width each is replaced by the cheapest one that does as well; the cheapest single run is a plan too.
docs/next-runs.md has what the order saved on real ladders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unsl_tracking.decide.belief import Belief
from unsl_tracking.decide.candidates import Candidates, read_candidates, target_point
from unsl_tracking.decide.checks import positive, whole
from unsl_tracking.decide.run_plan import NextRuns
from unsl_tracking.forecast import FittedLaw, ForecastWarning
from unsl_tracking.forecast.decisions import decision

Array = NDArray[np.float64]

LEAST: Final = 0.02
"""Share of the variance that a run must be expected to remove: one that nobody notices is no use,
however cheap it is."""
SHARE: Final = 0.1
"""Of the cost of the target, what may be spent on finding out whether to spend it."""


@decision
def next_runs(
    law: FittedLaw,
    candidates: pd.DataFrame | None = None,
    *,
    target: Mapping[str, float],
    cost: str,
    count: int = 5,
    budget: float | None = None,
    width: float | None = None,
    given: Mapping[str, float] | None = None,
    measured: pd.DataFrame | None = None,
) -> NextRuns:
    """The runs that make the forecast at the target surest for their cost, in order.

    Args:
        law: Of the runs so far. Where it has a run column and axes that grow along runs, a
            candidate is a whole run, observed on its way as well as at its end.
        candidates: A row per run one could train, with a column per axis; other columns are carried
            along. Where absent: a grid between the smallest run and the target, of about the shapes
            (tokens per parameter) observed, up to half of what the target costs.
        target: The scale to forecast, by axis.
        cost: Of a run: arithmetic over axes, columns of the candidates, given numbers and measured
            columns, such as `6*params*tokens`.
        count: At most so many runs.
        budget: For all of them together, in the unit of the cost; a tenth of what the target costs
            where absent.
        width: As cheaply as possible, shrink the 80% interval to this share of its present width.
        given: Numbers that the cost names.
        measured: See `allocate`.

    Raises:
        DataError: a number or an expression breaks a rule, or there are no candidates.
        AxisError: the target or a candidate lacks an axis.

    Examples:
        >>> at = {"params": 7e9, "tokens": 1.4e11}
        >>> plan = ut.next_runs(law, target=at, cost="6*params*tokens", count=2)
        >>> len(plan), bool(plan.runs["width"].iloc[-1] < 1.0)
        (2, True)
        >>> list(plan.runs)
        ['params', 'tokens', 'cost', 'total_cost', 'gain', 'width']
    """
    count = whole("the count", count, least=1)
    goal = 0.0 if width is None else positive("the width", width, below=1.0)
    at = target_point(law, target)
    possible = read_candidates(law, candidates, target, cost, given, measured)
    limit = positive("the budget", SHARE * possible.cost_of_target if budget is None else budget)
    start = Belief.of(law.mixture, at)
    plans = [_greedy(start, possible, count, limit, goal, per_cost=p) for p in (True, False)]
    found = [_pruned(start, possible, plan, goal) for plan in plans]
    if goal:
        found = [_exchanged(start, possible, picks, goal) for picks in found]
        found += _cheapest_alone(start, possible, limit, goal)
    picks = min(found, key=_worth(goal))
    plan = _plan(law, dict(target), cost, possible, picks, goal)
    dear = 0 if candidates is None else int((possible.cost > _most(limit)).sum())
    return replace(plan, warnings=(*plan.warnings, *_over_budget(dear, len(possible), limit)))


@dataclass(frozen=True)
class _Picks:
    """Rows of the candidates in order, the width after each (1 before all), the cost of all."""

    rows: tuple[int, ...]
    widths: tuple[float, ...]
    cost: float

    @property
    def width(self) -> float:
        """After all of them."""
        return self.widths[-1] if self.widths else 1.0


def _most(limit: float) -> float:
    """What costs are compared with: sums of them are off by rounding."""
    return limit * (1.0 + 1e-9)


def _worth(goal: float) -> Callable[[_Picks], tuple[float, float]]:
    """What is better comes first: reaching the goal cheaply, else the narrowest interval."""
    return lambda picks: (max(picks.width, goal), picks.cost)


def _greedy(
    belief: Belief, possible: Candidates, count: int, limit: float, goal: float, *, per_cost: bool
) -> list[int]:
    """Rows of the candidates in the order in which they are picked."""
    features = [belief.features(log_x) for log_x in possible.points]
    first = belief.variance
    left = list(range(len(possible)))
    rows: list[int] = []
    while len(rows) < count and belief.variance > goal**2 * first:
        spent = float(possible.cost[rows].sum())
        left = [i for i in left if spent + possible.cost[i] <= _most(limit)]
        if not left:
            break
        after = belief.after([possible.points[i] for i in left], [features[i] for i in left])
        gain = 1.0 - after / belief.variance
        worth = gain / possible.cost[left] if per_cost else gain
        worth = np.where(gain >= LEAST, worth, 0.0)
        if not worth.max() > 0.0:
            break
        rows.append(left.pop(int(np.argmax(worth))))
        belief = belief.seeing(possible.points[rows[-1]])
    return rows


def _pruned(start: Belief, possible: Candidates, rows: list[int], goal: float) -> _Picks:
    """Without runs that are not needed for the goal, or for what all together reach.

    The most expensive are tried first.
    """
    picks = _measured(start, possible, rows)
    limit = goal if picks.width <= goal else picks.width * (1.0 + 0.5 * LEAST)
    for row in sorted(rows, key=lambda i: -possible.cost[i]):
        fewer = _measured(start, possible, [i for i in picks.rows if i != row])
        picks = fewer if fewer.width <= limit else picks
    return picks


def _exchanged(start: Belief, possible: Candidates, picks: _Picks, goal: float) -> _Picks:
    """With cheaper runs in the place of single ones as long as the goal is still reached."""
    if picks.width > goal:
        return picks
    by_cost = np.argsort(possible.cost, kind="stable").tolist()
    for row in sorted(picks.rows, key=lambda i: -possible.cost[i]):
        others = [i for i in picks.rows if i != row]
        for cheaper in by_cost:
            if possible.cost[cheaper] >= possible.cost[row]:
                break
            if cheaper not in others:
                other = _measured(start, possible, [*others, cheaper])
                if other.width <= goal:
                    picks = other
                    break
    return picks


def _cheapest_alone(start: Belief, possible: Candidates, limit: float, goal: float) -> list[_Picks]:
    """The cheapest run that reaches the goal by itself, if one does."""
    rows = np.flatnonzero(possible.cost <= _most(limit))
    points = [possible.points[i] for i in rows]
    if not points:
        return []
    after = start.after(points, [start.features(log_x) for log_x in points])
    enough = rows[after <= goal**2 * start.variance]
    if not len(enough):
        return []
    return [_measured(start, possible, [int(enough[np.argmin(possible.cost[enough])])])]


def _measured(start: Belief, possible: Candidates, rows: Sequence[int]) -> _Picks:
    first, belief, widths = start.variance, start, []
    for row in rows:
        belief = belief.seeing(possible.points[row])
        widths.append(float(np.sqrt(belief.variance / first)))
    return _Picks(tuple(rows), tuple(widths), float(possible.cost[list(rows)].sum()))


def _plan(
    law: FittedLaw,
    target: dict[str, float],
    cost: str,
    possible: Candidates,
    picks: _Picks,
    goal: float,
) -> NextRuns:
    now = law.predict(target)
    before = (1.0, *picks.widths[:-1])
    rows = list(picks.rows)
    runs = possible.frame.iloc[rows].reset_index(drop=True)
    runs["cost"] = possible.cost[rows]
    runs["total_cost"] = np.cumsum(possible.cost[rows])
    runs["gain"] = [1.0 - (a / b) ** 2 for a, b in zip(picks.widths, before, strict=False)]
    runs["width"] = list(picks.widths)
    return NextRuns(
        metric=law.value,
        mode=law.mode,
        target=target,
        cost_expression=cost,
        now=now,
        runs=runs,
        expected=tuple(now.spread_by(width) for width in picks.widths),
        warnings=tuple(_cautions(picks, possible, goal)),
    )


def _over_budget(dear: int, of: int, limit: float) -> list[ForecastWarning]:
    """That candidates which somebody named cost more than all runs together may."""
    if not dear:
        return []
    text = (
        f"{dear} of {of} candidates cost more than the budget of {limit:.4g} by themselves and are"
        f" not looked at; where no budget is given it is {SHARE:.0%} of what a run at the target"
        " costs"
    )
    return [ForecastWarning("over_budget", text, value=float(dear))]


def _cautions(picks: _Picks, possible: Candidates, goal: float) -> list[ForecastWarning]:
    found = []
    if not picks.rows:
        text = f"none of {len(possible)} candidates is expected to make the forecast surer"
        text += f" by as much as {LEAST:.0%} of its variance within the budget"
        found.append(ForecastWarning("no_run_helps", text))
    if goal and picks.width > goal:
        text = f"the interval is expected to shrink to {picks.width:.0%} of its width, "
        text += f"not to {goal:.0%}"
        found.append(ForecastWarning("width_not_reached", text, value=round(picks.width, 4)))
    return found
