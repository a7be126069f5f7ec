"""The search: fit every rung of the ladder, score it by rolling origins, weigh what remains.

A weight is share · (e² + (σ/2)²)^(−POWER/2) with e the geometric mean over origins of the rung's
root mean square error on the next larger points and σ the typical residual: forms whose errors
differ by less than the noise are not told apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unsl_tracking.fit.component import Component, fit_components
from unsl_tracking.fit.ladder import Roles, Rung, ladder
from unsl_tracking.fit.origins import Origin, rolling_origins
from unsl_tracking.fit.points import Mask, Points
from unsl_tracking.fit.prior import PriorSettings

Array = NDArray[np.float64]

_POWER = 2.0
_FEWEST_IN_WINDOW = 8
_NEGLIGIBLE = 0.01  # share of the heaviest component below which a component is dropped
_STARTS, _WARM_STARTS = 16, 6
_STARTS_AT_ORIGIN = 10  # never from the fit to all points: that would show it what lies ahead
_UNSCORED = 0.1  # error assumed of a form that no origin could score


@dataclass(frozen=True)
class Member:
    """One rung in the mixture: its fit, its weight, its errors at the rolling origins."""

    rung: Rung
    component: Component
    weight: float
    origin_errors: tuple[float, ...]  # root mean square error in ln y, one per origin

    @property
    def origin_error(self) -> float:
        """Root mean square over origins; NaN when there were none."""
        return (
            float(np.sqrt(np.mean(np.square(self.origin_errors)))) if self.origin_errors else np.nan
        )


@dataclass(frozen=True)
class Mixture:
    """Members by falling weight, and the scale at which their origin errors were measured."""

    members: tuple[Member, ...]
    horizon: float  # mean distance of scored points from their origin, e-folds of size
    highest: Array  # (m,) largest log_x per axis
    lowest: Array
    largest: float  # largest size
    scale: NDArray[np.bool_]


def search(
    points: Points,
    roles: Roles,
    *,
    seed: int = 0,
    rungs: list[Rung] | None = None,
    previous: Mixture | None = None,
    settings: PriorSettings | None = None,
) -> Mixture:
    """Fit the ladder (or the given rungs) to the points and weigh it.

    With `previous`, a mixture of nearly the same points, its members start from where they were.
    """
    tried = _in_window(rungs or ladder(roles, len(points)), points)
    origins = rolling_origins(points)
    known = {m.rung: m.component for m in previous.members} if previous else {}
    centre = previous.members[0].component.centre if previous else points.centre
    fitted: list[tuple[Rung, Component, tuple[float, ...]]] = []
    for form in dict.fromkeys(rung.form for rung in tried):
        same = [rung for rung in tried if rung.form == form]
        fitted += _fit_rungs(same, points, origins, centre, known, seed, settings)
    return _weigh(fitted, points, origins)


def _fit_rungs(
    rungs: list[Rung],
    points: Points,
    origins: list[Origin],
    centre: Array,
    known: Mapping[Rung, Component],
    seed: int,
    settings: PriorSettings | None,
) -> list[tuple[Rung, Component, tuple[float, ...]]]:
    """Rungs of one form: fitted to what each sees of all the points, then at every origin."""
    form = rungs[0].form
    windows = np.stack([_window(rung, points) for rung in rungs])
    warm = [known[rung].theta for rung in rungs if rung in known]
    best = fit_components(
        form,
        points,
        windows,
        centre=centre,
        seed=seed,
        n_starts=_WARM_STARTS if len(warm) == len(rungs) else _STARTS,
        warm=np.stack([np.stack(warm)] * len(rungs)) if warm else None,
        settings=settings,
    )
    if not origins:
        return [(rung, component, ()) for rung, component in zip(rungs, best, strict=True)]
    parts = [_below(rung, points, origin) for rung in rungs for origin in origins]
    at_origins = fit_components(
        form,
        points,
        np.stack(parts),
        centre=centre,
        seed=seed,
        n_starts=_STARTS_AT_ORIGIN,
        settings=settings,
    )
    errors = [
        _error(fit, points, origin)
        for fit, origin in zip(at_origins, origins * len(rungs), strict=True)
    ]
    per_rung = np.reshape(errors, (len(rungs), len(origins)))
    return [
        (rung, component, tuple(map(float, e)))
        for rung, component, e in zip(rungs, best, per_rung, strict=True)
    ]


def _below(rung: Rung, points: Points, origin: Origin) -> Mask:
    """What the rung sees of the points below the origin."""
    part = origin.below.copy()
    part[origin.below] = _window(rung, points[origin.below])
    return part


def _error(fit: Component, points: Points, origin: Origin) -> float:
    error = fit.predict(points.log_x[origin.above])[0] - points.ln_y[origin.above]
    return float(np.sqrt(np.average(error**2, weights=points.weight[origin.above])))


def _window(rung: Rung, points: Points) -> NDArray[np.bool_]:
    """The points that a rung sees; all of them where its window holds too few."""
    size = points.size
    if rung.window is None:
        return np.ones(len(points), dtype=bool)
    inside = size >= size.max() - rung.window
    return inside if inside.sum() >= _FEWEST_IN_WINDOW else np.ones(len(points), dtype=bool)


def _in_window(rungs: list[Rung], points: Points) -> list[Rung]:
    """Drop windows that hold everything, or too little: they repeat the rung without a window."""
    return [r for r in rungs if r.window is None or not _window(r, points).all()]


def _weigh(
    fitted: list[tuple[Rung, Component, tuple[float, ...]]], points: Points, origins: list[Origin]
) -> Mixture:
    noise = float(np.median([c.sigma for _, c, _ in fitted]))
    typical = np.array([_typical(errors) for _, _, errors in fitted])
    log_weight = -0.5 * _POWER * np.log(typical**2 + (0.5 * noise) ** 2)
    log_weight += np.log([r.share for r, _, _ in fitted])
    weight = np.exp(log_weight - log_weight.max())
    weight[weight < _NEGLIGIBLE] = 0.0
    weight /= weight.sum()
    members = [
        Member(rung, component, float(w), errors)
        for (rung, component, errors), w in zip(fitted, weight, strict=True)
        if w > 0.0
    ]
    return Mixture(
        members=tuple(sorted(members, key=lambda m: -m.weight)),
        horizon=float(np.mean([o.horizon for o in origins])) if origins else np.nan,
        highest=points.log_x.max(axis=0),
        lowest=points.log_x.min(axis=0),
        largest=float(points.size.max()),
        scale=points.scale,
    )


def _typical(errors: tuple[float, ...]) -> float:
    """Geometric mean: one origin that everything misses must not decide between forms."""
    if not errors:
        return _UNSCORED
    return float(np.exp(np.mean(np.log(np.maximum(errors, 1e-9)))))
