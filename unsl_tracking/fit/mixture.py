"""The mixture: forms that were fitted and scored, each with the weight that it has earned.

A weight is share · (e² + (σ/2)²)^(−POWER/2) with e the geometric mean over origins of the error on
the next larger points, later origins counting more, and σ the typical residual: forms whose errors
differ by less than the noise are not told apart. Forms by which more scale does harm beyond the
data keep half of their share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unsl_tracking.fit.component import Component
from unsl_tracking.fit.ladder import Rung
from unsl_tracking.fit.origins import Origin
from unsl_tracking.fit.points import Points

Array = NDArray[np.float64]

_POWER = 2.0
_RECENCY = 0.8  # an origin counts this much of the next later one
_RISING = 0.5  # share left to a form that rises with scale beyond the data
_AHEAD, _FLAT = 2.0, 0.005  # e-folds beyond the largest point; ln y that counts as no rise
_NEGLIGIBLE = 0.01  # share of the heaviest component below which a component is dropped
_UNSCORED = 0.1  # error assumed of a form that no origin could score
_NORMAL = 1.2533  # standard deviation over mean absolute deviation, sqrt(pi/2)


class Fitted(NamedTuple):
    """A rung, its fit to all it sees, and its errors (in ln y) on the points above each origin."""

    rung: Rung
    component: Component
    errors: tuple[Array, ...]


@dataclass(frozen=True)
class Member:
    """One rung in the mixture: its fit, its weight, its errors at the rolling origins."""

    rung: Rung
    component: Component
    weight: float
    origin_errors: tuple[float, ...]  # typical size of the error in ln y, latest origin first

    @property
    def origin_error(self) -> float:
        """Typical error over origins; NaN when there were none."""
        return typical_error(self.origin_errors) if self.origin_errors else np.nan


@dataclass(frozen=True)
class Mixture:
    """Members by falling weight, and the scale at which their origin errors were measured."""

    members: tuple[Member, ...]
    horizon: float  # mean distance of scored points from their origin, e-folds of size
    origin_errors: tuple[float, ...]  # of the weighted average forecast, latest origin first
    highest: Array  # (m,) largest log_x per axis
    lowest: Array
    scale: NDArray[np.bool_]
    directions: Array  # (d, m) ways to go beyond the data: to larger sizes, along each axis, …
    reached: Array  # (d,) how far the data go in each direction
    steepness: float  # how far ln y ranges per e-fold of size that the data span
    width: float = 1.0  # factor on the origin errors in intervals, learned from a backtest
    unscheduled: bool = False  # along the steps of a run whose learning rate may still change

    def beyond(self, log_x: Array) -> Array:
        """How far points (n, m) lie beyond the data in any direction (n,), e-folds, at least 0."""
        return np.asarray(self._excess(log_x).max(axis=1), dtype=float)

    def more_repeated(self, log_x: Array) -> Array:
        """How many more e-folds points repeat their data than any that was observed (n,)."""
        contrasts = self.directions.min(axis=1) < 0.0  # more seen for the same unique data
        excess = self._excess(log_x)[:, contrasts]
        return np.asarray(excess.max(axis=1, initial=0.0), dtype=float)

    def past_half_span(self, log_x: Array) -> Array:
        """How much farther beyond the data points lie than half of what the data span (n,)."""
        spans = np.abs(self.directions) @ (self.highest - self.lowest)
        past = self._excess(log_x) - 0.5 * spans
        return np.asarray(np.maximum(past.max(axis=1), 0.0), dtype=float)

    def _excess(self, log_x: Array) -> Array:
        return np.asarray(np.maximum(log_x @ self.directions.T - self.reached, 0.0), dtype=float)


def weigh(
    fitted: list[Fitted], points: Points, origins: list[Origin], directions: Array
) -> Mixture:
    """The mixture of what was fitted; `directions` (d, m) are those of `Mixture`."""
    noise = float(np.median([f.component.sigma for f in fitted]))
    scores = [
        tuple(_size(e, points, o) for e, o in zip(f.errors, origins, strict=True)) for f in fitted
    ]
    typical = np.array([typical_error(s) if s else _UNSCORED for s in scores])
    log_weight = -0.5 * _POWER * np.log(typical**2 + (0.5 * noise) ** 2)
    log_weight += np.log([f.rung.share * _trust(f.component, points) for f in fitted])
    weight = np.exp(log_weight - log_weight.max())
    weight[weight < _NEGLIGIBLE] = 0.0
    weight /= weight.sum()
    members = [
        Member(f.rung, f.component, float(w), s)
        for f, s, w in zip(fitted, scores, weight, strict=True)
        if w > 0.0
    ]
    averaged = [
        np.sum([w * f.errors[i] for f, w in zip(fitted, weight, strict=True)], axis=0)
        for i in range(len(origins))
    ]
    return Mixture(
        members=tuple(sorted(members, key=lambda m: -m.weight)),
        horizon=float(np.mean([o.horizon for o in origins])) if origins else np.nan,
        origin_errors=tuple(_size(e, points, o) for e, o in zip(averaged, origins, strict=True)),
        highest=points.log_x.max(axis=0),
        lowest=points.log_x.min(axis=0),
        scale=points.scale,
        directions=directions,
        reached=(points.log_x @ directions.T).max(axis=0),
        steepness=steepness(points),
    )


def steepness(points: Points) -> float:
    """Range of ln y over the e-folds of size that the points span; infinite over no size at all."""
    span = float(np.ptp(points.size))
    return float(np.ptp(points.ln_y)) / span if span > 0.0 else np.inf


def _trust(component: Component, points: Points) -> float:
    """Less for a form by which more scale does harm: rare, and mostly a break that went wrong.

    Where the data themselves rise, so do all forms that fit them, and nothing changes.
    """
    top = points.log_x[int(np.argmax(points.size))]
    ahead = np.stack([top, top + _AHEAD * points.scale])
    at_top, beyond = component.predict(ahead)[0]
    return _RISING if beyond > at_top + _FLAT else 1.0


def typical_error(errors: tuple[float, ...]) -> float:
    """Geometric mean: one origin that everything misses must not decide between forms."""
    weights = _RECENCY ** np.arange(len(errors))
    return float(np.exp(np.average(np.log(np.maximum(errors, 1e-9)), weights=weights)))


def _size(error: Array, points: Points, origin: Origin) -> float:
    """Standard deviation that normal errors of this mean absolute size would have."""
    return _NORMAL * float(np.average(np.abs(error), weights=points.weight[origin.above]))
