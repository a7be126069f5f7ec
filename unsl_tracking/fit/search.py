"""The search: fit every rung of the ladder to all the points and below every rolling origin.

Rungs of one form are fitted as one batch. A form also starts from the fits of the simpler forms
that it contains, so that it can only improve on them; what is fitted below an origin starts from
fits below that origin only, for the fit to all points would show it what lies ahead.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from unsl_tracking.fit.component import Component, fit_components
from unsl_tracking.fit.ladder import Roles, Rung, ladder
from unsl_tracking.fit.mixture import Fitted, Mixture, weigh
from unsl_tracking.fit.origins import Origin, rolling_origins
from unsl_tracking.fit.points import Mask, Points
from unsl_tracking.fit.prior import DataSummary, PriorSettings, prior
from unsl_tracking.law import Form
from unsl_tracking.law.nesting import embed

Array = NDArray[np.float64]

_FEWEST_IN_WINDOW = 8
_STARTS, _STARTS_AT_ORIGIN = 16, 10
_SIMPLER = 2  # starts from simpler forms, the richest of them first


@dataclass
class _Search:
    """What is searched, and what was found so far."""

    points: Points
    origins: list[Origin]
    centre: Array
    seed: int
    settings: PriorSettings | None
    found: dict[Form, list[Component]] = field(default_factory=dict)


def search(
    points: Points,
    roles: Roles,
    *,
    seed: int = 0,
    rungs: list[Rung] | None = None,
    settings: PriorSettings | None = None,
) -> Mixture:
    """Fit the ladder (or the given rungs) to the points and weigh it."""
    tried = _inwindow_of(rungs or ladder(roles, len(points)), points)
    origins = rolling_origins(points)
    directions = [points.scale.astype(float), *np.eye(len(points.axes))[points.scale]]
    if roles.repeated is not None:
        directions.append(_repeats(points, *roles.repeated))
        origins += rolling_origins(points, along=points.log_x @ directions[-1])
    state = _Search(points, origins, points.centre, seed, settings)
    fitted: list[Fitted] = []
    for form in dict.fromkeys(rung.form for rung in tried):
        fitted += _fit_form(state, form, [rung for rung in tried if rung.form == form])
    mixture = weigh(fitted, points, origins, np.stack(directions))
    return replace(mixture, unscheduled=roles.unscheduled)


def _repeats(points: Points, seen: str, unique: str) -> Array:
    """The direction (m,) along which data are seen more often."""
    identity = np.eye(len(points.axes))
    return np.asarray(identity[points.axes.index(seen)] - identity[points.axes.index(unique)])


def _fit_form(state: _Search, form: Form, rungs: list[Rung]) -> list[Fitted]:
    """All windows of one form: to all the points, then below every origin."""
    points, origins = state.points, state.origins
    whole = [window_of(rung, points) for rung in rungs]
    below = [_below(rung, points, origin) for rung in rungs for origin in origins]
    warm = _simpler(state, form, len(rungs) + len(below))
    best = _fit(state, form, whole, warm[: len(rungs)], _STARTS)
    at_origins = _fit(state, form, below, warm[len(rungs) :], _STARTS_AT_ORIGIN) if below else []
    state.found[form] = [*best, *at_origins]
    n = len(origins)
    errors = [
        _error(fit, points, o) for fit, o in zip(at_origins, origins * len(rungs), strict=True)
    ]
    return [
        Fitted(rung, component, tuple(errors[i * n : (i + 1) * n]))
        for i, (rung, component) in enumerate(zip(rungs, best, strict=True))
    ]


def _fit(
    state: _Search, form: Form, seen: list[Mask], warm: Array, n_starts: int
) -> list[Component]:
    return fit_components(
        form,
        state.points,
        np.stack(seen),
        centre=state.centre,
        seed=state.seed,
        n_starts=n_starts,
        warm=warm if warm.shape[1] else None,
        settings=state.settings,
    )


def _simpler(state: _Search, form: Form, count: int) -> Array:
    """Starts (count, s, p) from fits of simpler forms to the very same points."""
    summary = DataSummary.of(state.points.log_x - state.centre, state.points.ln_y)
    default, _ = prior(form, summary, state.settings)
    usable: list[Array] = []
    for simple, components in reversed(state.found.items()):
        embedded = [embed(simple, c.theta, form, default) for c in components]
        if len(embedded) == count and all(e is not None for e in embedded):
            usable.append(np.stack([e for e in embedded if e is not None]))
    starts = usable[:_SIMPLER]
    return np.stack(starts, axis=1) if starts else np.empty((count, 0, len(default)))


def _below(rung: Rung, points: Points, origin: Origin) -> Mask:
    """What the rung sees of the points below the origin."""
    part = origin.below.copy()
    part[origin.below] = window_of(rung, points[origin.below])
    return part


def _error(fit: Component, points: Points, origin: Origin) -> Array:
    error: Array = fit.predict(points.log_x[origin.above])[0] - points.ln_y[origin.above]
    return error


def window_of(rung: Rung, points: Points) -> Mask:
    """The points that a rung sees; all of them where its window holds too few."""
    size = points.size
    if rung.window is None:
        return np.ones(len(points), dtype=bool)
    inside = size >= size.max() - rung.window
    return inside if inside.sum() >= _FEWEST_IN_WINDOW else np.ones(len(points), dtype=bool)


def _inwindow_of(rungs: list[Rung], points: Points) -> list[Rung]:
    """Drop windows that hold everything, or too little: they repeat the rung without a window."""
    return [r for r in rungs if r.window is None or not window_of(r, points).all()]
