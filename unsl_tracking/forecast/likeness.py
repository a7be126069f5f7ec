"""Curves that came the same way end alike, and there is an end that none goes much below.

Ends of a group crowd near the best of them, with a tail of runs that did worse. Seen as they are,
such a spread leaves every middling run a fair chance to beat the best one: on AlgoPerf, runs that
a normal distribution gave 22% did it in 1% of the cases, with 30 and more finished siblings. So
ends are seen by their excess over the best one, on a scale that is linear below it and near it and
logarithmic above (`_Excess`). How near is near is not known: `NEAR` are shares of the spread of
the ends. On this scale the end is a Gaussian process over the way that curves came, their levels at
a few places from the start to here; the mean is the level now, of which a part counts (`_LEVEL`).

`NEAR` and `LENGTH` are lists because the ends of the group itself tell which of them fit. Chosen by
the log density of ends at 1,500 checks of TaskSet and AlgoPerf: other numbers near these changed it
by less than 0.03 (a length of 1.5 alone by 0.08), while the whole gained about 1.1 (AlgoPerf) and
0.13 (TaskSet) over momentum alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from scipy.special import stdtrit  # not scipy.stats, whose import takes 0.4 s

from unsl_tracking.forecast.kriging import (
    Array,
    Ends,
    Known,
    Member,
    Views,
    degrees,
    regress,
    together,
)
from unsl_tracking.forecast.same_recipe import pairs

WEIGHT: Final = 0.3  # of all members together, before anything is known
FEWEST: Final = 2  # known ends: one has no spread
NEAR: Final = (0.03, 0.1, 0.3, 1.0)  # of the spread of the ends: where the scale turns to logs
LENGTH: Final = (0.35, 0.7)  # how far apart curves are still alike, in spreads of their levels
_OWN: Final = 0.301  # standard deviation of what no other curve tells, that of likeness being 1
_GROUP: Final = 2.0  # of what all curves share
_RECIPE: Final = 1.0  # of what runs of one recipe share
_LEVEL: Final = 0.7  # of how much of a difference in level is made good
_LEAST_SPREAD: Final = 0.003  # ln y, of ends
_LEAST_APART: Final = 0.002  # ln y, of levels
_BEYOND: Final = 0.5  # ln y above all that is known: no end is farther off
_FINEST: Final = 1e-5  # ln y
# Quantiles at which a Student t is taken to the scale of ln y, close where stops are decided.
_TAIL: Final = (0.002, 0.006, 0.012, 0.02, 0.035, 0.05, 0.075)


@dataclass(frozen=True)
class _Excess:
    """z = (u − best) / near below the best end, log(1 + (u − best) / near) above it."""

    best: float
    near: float
    most: float  # ln y

    def of(self, ln_y: Array) -> Array:
        """z at ln y."""
        over = (ln_y - self.best) / self.near
        result: Array = np.where(over < 0.0, over, np.log1p(np.maximum(over, 0.0)))
        return result

    def per_ln_y(self, ln_y: Array) -> Array:
        """dz / d ln y."""
        result: Array = 1.0 / (self.near + np.maximum(ln_y - self.best, 0.0))
        return result

    def ln_y(self, z: Array) -> Array:
        """ln y at z, at most `most`."""
        highest = math.log1p(max(self.most - self.best, 0.0) / self.near)
        over = np.where(z < 0.0, z, np.expm1(np.clip(z, 0.0, highest)))
        return self.best + self.near * over


def by_likeness(asked: Views, known: Known) -> list[Member]:
    """A member for each of `NEAR` and `LENGTH`; none where fewer than `FEWEST` ends are known."""
    if len(known.ends) < FEWEST:
        return []
    both = together(known.views, asked)
    apart = _apart(both, len(known.ends))
    spread = max(float(known.ends.std()), _LEAST_SPREAD)
    best = float(known.ends.min())
    most = max(float(known.ends.max()), float(both.level.max())) + _BEYOND
    with np.errstate(under="ignore"):
        alike = [np.exp(-0.5 * apart / length**2) for length in LENGTH]
    same = pairs(both.recipe)
    if same.sum() > len(same):  # runs of one recipe are there
        alike += [each + _RECIPE**2 * same for each in alike]
    log_weight = math.log(WEIGHT / (len(NEAR) * len(alike)))
    scales = [_Excess(best, near * spread, most) for near in NEAR]
    return [_member(log_weight, both, known, s, a) for s in scales for a in alike]


def _member(log_weight: float, both: Views, known: Known, scale: _Excess, alike: Array) -> Member:
    n = len(known.ends)
    now, ends = scale.of(both.level), scale.of(known.ends)
    per_ln_y = scale.per_ln_y(known.ends)
    level = _LEVEL * (now - now[:n].mean())
    shared = _GROUP**2 + alike + np.outer(level, level)
    own = np.full(len(now), _OWN)
    error = regress(shared, own, ends - now[:n])
    evidence = error.evidence + float(np.log(per_ln_y).sum())  # of ln y, not of z
    found = _as_normals(now[n:] + error.mean, error.sd, degrees(n), scale)
    return Member(log_weight + evidence, found)


def _apart(both: Views, n: int) -> Array:
    """Mean square distance (n + q, n + q) of the ways that curves came, in spreads of the known."""
    ways = np.column_stack([both.level, both.past])
    ways = ways / np.maximum(ways[:n].std(axis=0), _LEAST_APART)
    size = (ways**2).sum(axis=1)
    squares = size[:, None] + size - 2.0 * ways @ ways.T
    result: Array = np.maximum(squares, 0.0) / ways.shape[1]
    return result


def _as_normals(mean: Array, sd: Array, freedom: float, scale: _Excess) -> Ends:
    """A narrow normal at each of the quantiles."""
    at, edges, weight = _quantiles(freedom)
    ends = scale.ln_y(mean + at[:, None] * sd)
    width = np.diff(scale.ln_y(mean + edges[:, None] * sd), axis=0)
    return Ends(weight, ends, np.maximum(width / 3.0, _FINEST))


@lru_cache(maxsize=16)
def _quantiles(freedom: float) -> tuple[Array, Array, Array]:
    """Of a Student t: places (k,), edges around them (k + 1,), weights (k,)."""
    low = np.array(_TAIL)
    levels = np.concatenate([low, np.linspace(0.1, 0.9, 17), 1.0 - low[::-1]])
    between = 0.5 * (levels[1:] + levels[:-1])
    weight = np.diff(np.concatenate([[0.0], between, [1.0]]))
    edges = np.concatenate([[0.0005], between, [0.9995]])
    nodes, borders = (np.asarray(stdtrit(freedom, at), dtype=float) for at in (levels, edges))
    return nodes, borders, weight
