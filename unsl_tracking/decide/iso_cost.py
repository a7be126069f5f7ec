"""What is nearly as good as the best split: the iso-cost curve, and what leaving the optimum costs.

Scaling laws are flat around their optimum: a model much smaller than the best one, trained for
longer, loses little, and is cheaper to use ever after. The `overhead` says how much more it costs
to end where the best split ends.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unsl_tracking.decide.affordable import Affordable, Law

Array = NDArray[np.float64]

_REACH: Final = np.log(32.0)  # a factor of the best value, either way
_POINTS: Final = 81
_POINTS_SEARCHED: Final = 21  # where other axes are chosen anew at each
_FIRST: Final = 9
_MOST_OVERHEAD: Final = np.log(1e3)  # of the closing axis
_BISECTIONS: Final = 40
_SAME: Final = 1e-6  # of ln cost


class IsoCost(NamedTuple):
    """Points log_x (n, m) of the curve and how much worse than the best they are.

    `excess` (n,): ln y above the best. `match` (n,): ln of the closing axis at which the best is
    reached from there, NaN where it is not. `along`: the column that the curve follows.
    """

    log_x: Array
    excess: Array
    match: Array
    along: int


def iso_cost(space: Affordable, law: Law, best: Array, along: int) -> IsoCost:
    """The curve through the best point (m,) along a column, other axes at their best."""
    low = max(float(space.low[along]), float(best[along]) - _REACH)
    high = min(float(space.high[along]), float(best[along]) + _REACH)
    others = [j for j in space.free if j != along]
    ticks = np.linspace(low, high, _POINTS_SEARCHED if others or space.slack else _POINTS)
    ticks = np.unique(np.append(ticks, best[along]))
    if others or space.slack:
        found = [space.held({along: float(t)}).best(law, first=_FIRST) for t in ticks]
        log_x = np.array([point for point, _ in found])
    else:
        log_x = space.points(ticks[:, None]) if space.free else best[None]
    log_x = np.where((ticks == best[along])[:, None], best, log_x) if space.free else log_x
    log_x = _spent(space, log_x[space.usable(log_x)], best)
    lowest = float(law(best[None])[0])
    return IsoCost(log_x, law(log_x) - lowest, _match(space, law, log_x, lowest), along)


def _spent(space: Affordable, log_x: Array, best: Array) -> Array:
    """Points that cost as much as the best one: a bound may keep others from spending it all."""
    cost, of_best = space.cost.log(log_x), float(space.cost.log(best[None])[0])
    return log_x if space.slack else log_x[cost >= of_best - _SAME]


def _match(space: Affordable, law: Law, log_x: Array, ln_y: float) -> Array:
    """ln of the closing axis (n,) at which the law comes down to ln_y."""
    if space.closing is None:
        return np.full(len(log_x), np.nan)
    points = log_x.copy()
    low = log_x[:, space.closing]
    high = low + _MOST_OVERHEAD
    points[:, space.closing] = high
    reached = law(points) <= ln_y
    bottom, top = low.copy(), high.copy()
    for _ in range(_BISECTIONS):
        points[:, space.closing] = 0.5 * (bottom + top)
        enough = law(points) <= ln_y
        top = np.where(enough, points[:, space.closing], top)
        bottom = np.where(enough, bottom, points[:, space.closing])
    already = law(log_x) <= ln_y + 1e-12
    return np.where(already, low, np.where(reached, top, np.nan))


def near(curve: IsoCost, best: Array, excess: float) -> dict[int, tuple[float, float]]:
    """By column, ln of the range within which the curve loses at most `excess` in ln y.

    The range around the best point: a second valley beyond a ridge is not near. Between points of
    the curve the excess is taken as quadratic in ln x.
    """
    at = int(np.argmin(np.abs(curve.log_x[:, curve.along] - best[curve.along])))
    rise = np.sqrt(np.maximum(curve.excess, 0.0))
    limit = np.sqrt(excess)
    ends = [_end(curve.log_x[: at + 1][::-1], rise[: at + 1][::-1], limit)]
    ends.append(_end(curve.log_x[at:], rise[at:], limit))
    low, high = np.minimum(*ends), np.maximum(*ends)
    return {j: (float(low[j]), float(high[j])) for j in range(curve.log_x.shape[1])}


def _end(log_x: Array, rise: Array, limit: float) -> Array:
    """Where the rise (n,), from the best point outwards, first exceeds the limit (m,)."""
    past = np.flatnonzero(rise > limit)
    if not len(past):
        return np.asarray(log_x[-1])
    i = int(past[0])
    if i == 0:
        return np.asarray(log_x[0])
    share = (limit - rise[i - 1]) / (rise[i] - rise[i - 1])
    return np.asarray(log_x[i - 1] + share * (log_x[i] - log_x[i - 1]))
