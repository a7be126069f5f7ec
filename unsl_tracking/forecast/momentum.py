"""Each curve goes on from where it is, and errors of curves that look alike are alike.

* On its own, a falling curve goes on with `GOES_ON` of its slope, a rising one stays; the scatter
  around that grows with the slope and the e-folds left (`scatter`);
* curves that look alike err alike, all curves of a group err alike, and how far curves at different
  levels come together is not known;
* how large these common errors are is not known either: three priors (`PRIORS`), from "this group
  is like any other" to "anything may still happen".
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from scipy.special import gammaincinv  # not scipy.stats, whose import takes 0.4 s

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


class Prior(NamedTuple):
    """Standard deviations of errors that curves share.

    `group`: of all curves, `alike`: of curves that look alike, both in ln y per e-fold left;
    `level`: of how much of a difference in level is made good; `own`: of all curves, in units of
    their own scatter.
    """

    weight: float
    own: float
    group: float
    alike: float
    level: float


PRIORS: Final = (
    Prior(weight=0.7, own=2.0, group=0.01, alike=0.0, level=0.0),
    Prior(weight=0.2, own=1.0, group=0.05, alike=0.05, level=0.5),
    Prior(weight=0.1, own=1.0, group=0.2, alike=0.2, level=0.7),
)
GOES_ON: Final = 0.65  # of the slope: the median over both families of curves
_SLOPE_SD: Final = 0.3  # of GOES_ON between groups
_SCATTER: Final = 0.25  # ln y per e-fold left, at a slope of 1
_POWER: Final = 0.75  # of the slope, in the scatter
_STILL: Final = 0.002  # ln y per e-fold left of a curve that stands still
_LAST: Final = 0.2  # e-folds: the scatter of the very last step
_LEAST: Final = 1e-3  # ln y
_BEND: Final = 0.003  # slopes are compared on a log scale from here on
_NORMALS: Final = 8  # of equal weight, for one Student t


def scatter(slope: Array, left: float) -> Array:
    """The standard deviation of ln y at the end around what the slope alone tells."""
    per_fold = _SCATTER * np.abs(slope) ** _POWER + _STILL
    return (left + _LAST) * per_fold + _LEAST


def by_momentum(asked: Views, left: float, known: Known) -> list[Member]:
    """A member for each of `PRIORS`; also where nothing is known."""
    n = len(known.ends)
    both = together(known.views, asked)
    expected = both.level + GOES_ON * np.minimum(both.slope, 0.0) * left
    own = scatter(both.slope, left)
    surprise = known.ends - expected[:n]
    alike = _alike(both, n)
    members = []
    for prior in PRIORS:
        shared = _shared(prior, both, own, alike, left, n)
        error = regress(shared, own, surprise)
        ends = _as_normals(expected[n:] + error.mean, error.sd, degrees(n))
        members.append(Member(math.log(prior.weight) + error.evidence, ends))
    return members


def _alike(both: Views, n: int) -> Array:
    """1 for curves that look the same, towards 0 as they differ."""
    spread = max(float(both.level[:n].std()), 0.02) if n else 1.0
    bent = np.sign(both.slope) * np.log1p(np.abs(both.slope) / _BEND)
    apart = ((both.level[:, None] - both.level) / spread) ** 2 + (bent[:, None] - bent) ** 2
    with np.errstate(under="ignore"):
        result: Array = np.exp(-0.5 * apart)
    return result


def _shared(prior: Prior, both: Views, own: Array, alike: Array, left: float, n: int) -> Array:
    """Covariance of the errors of all curves, apart from each curve's own scatter."""
    centre = float(both.level[:n].mean()) if n else float(both.level.mean())
    level = prior.level * (both.level - centre)
    slope = _SLOPE_SD * left * both.slope
    common = (left + _LAST) ** 2 * (prior.group**2 + prior.alike**2 * alike)
    common += np.outer(own, own) * (prior.own**2 + alike)
    result: Array = common + np.outer(level, level) + np.outer(slope, slope)
    return result


def _as_normals(mean: Array, sd: Array, freedom: float) -> Ends:
    """Student t as normals of equal weight, their variances at quantiles of its own."""
    stretch = _stretch(freedom)
    weight = np.full(_NORMALS, 1.0 / _NORMALS)
    return Ends(weight, np.tile(mean, (_NORMALS, 1)), stretch[:, None] * sd)


@lru_cache(maxsize=16)
def _stretch(freedom: float) -> Array:
    """Standard deviations (k,) of normals of equal weight that are together a Student t."""
    middle = (np.arange(_NORMALS) + 0.5) / _NORMALS
    quantiles = 2.0 * gammaincinv(0.5 * freedom, middle)  # of chi squared
    result: Array = np.sqrt(freedom / quantiles)
    return result
