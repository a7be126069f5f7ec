"""The lowest point of a function over a box: a grid, then ever smaller grids around its best point.

Slower than a gradient method and hard to mislead: a forecast averages laws with breaks, so it may
have several minima, kinks where a budget meets a bound, and infinities where nothing is affordable.
The same function gives the same answer always.

Symbols: d axes; points (n, d); an objective maps points to values (n,).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Objective = Callable[[Array], Array]

FIRST: Final = (1, 257, 49, 17, 9)
"""Points along each axis of the first grid, by d."""
MOST_AXES: Final = len(FIRST) - 1
_LATER: Final = (1, 9, 7, 5, 5)  # of the grids after it
_SHRINK: Final = (1.0, 4.0, 2.0, 2.0, 2.0)  # of the box between grids: slowly where axes interact
_ROUNDS: Final = 60
_WIDTH: Final = 1e-7  # e-folds: as close as rounding lets one see a minimum of a smooth function


def grid(low: Array, high: Array, counts: int) -> Array:
    """All points (counts^d, d) of a regular grid over the box, its corners included."""
    ticks = [np.linspace(a, b, counts) for a, b in zip(low, high, strict=True)]
    return np.array(list(product(*ticks)), dtype=float).reshape(counts ** len(low), len(low))


def minimise(
    objective: Objective, low: Array, high: Array, *, first: int | None = None
) -> tuple[Array, float]:
    """The lowest point (d,) within [low, high] and its value, infinite where all points are.

    `first` is how many points the first grid has along each axis; see `FIRST`. d is at most 4.
    """
    d = len(low)
    points = grid(low, high, first or FIRST[d])
    best, value = _best(objective, points)
    if d == 0 or not np.isfinite(value):
        return best, value
    half = (high - low) / max((first or FIRST[d]) - 1, 1)
    for _ in range(_ROUNDS):
        if half.max() < _WIDTH:
            break
        a, b = np.maximum(best - half, low), np.minimum(best + half, high)
        found, lowest = _best(objective, grid(a, b, _LATER[d]))
        on_edge = ((found <= a) & (found > low)) | ((found >= b) & (found < high))
        moved_on = lowest < value and bool(on_edge.any())  # the minimum may lie farther that way
        if lowest < value:
            best, value = found, lowest
        if not moved_on:
            half = half / _SHRINK[d]
    return best, value


def _best(objective: Objective, points: Array) -> tuple[Array, float]:
    values = objective(points)
    at = int(np.argmin(np.where(np.isnan(values), np.inf, values)))
    return points[at], float(values[at])


def grid_minima(values: Array, low: Array, high: Array, counts: int) -> Array:
    """The lowest points (k, d) of k functions known on `grid(low, high, counts)`, values (k, n).

    Between the points of the grid by a parabola along each axis, through the best point and its two
    neighbours.
    """
    k, d = len(values), len(low)
    if d == 0:
        return np.empty((k, 0))
    cube = values.reshape(k, *([counts] * d))
    best = np.stack(np.unravel_index(np.argmin(values, axis=1), [counts] * d), axis=1)
    step = (high - low) / max(counts - 1, 1)
    found = low + best * step
    for axis in range(d):
        before, after = best.copy(), best.copy()
        before[:, axis] -= 1
        after[:, axis] += 1
        inside = (before[:, axis] >= 0) & (after[:, axis] < counts)
        at = [cube[(np.arange(k), *np.clip(p, 0, counts - 1).T)] for p in (before, best, after)]
        usable = inside & np.isfinite(at[0]) & np.isfinite(at[2])
        left, middle, right = (np.where(usable, a, 0.0) for a in at)
        bend = left - 2.0 * middle + right
        bent = usable & (bend > 0.0)
        shift = np.where(bent, 0.5 * (left - right) / np.where(bent, bend, 1.0), 0.0)
        found[:, axis] += np.clip(shift, -0.5, 0.5) * step[axis]
    return found
