"""A law in words: what each doubling of scale buys, and what a forecast is made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from unsl_tracking.forecast import FittedLaw
from unsl_tracking.law import BrokenPowerLaw, Ceiling, ImplicitSigmoid, Limit, evaluate
from unsl_tracking.law.form import Term

_FACTORS = (2.0, 10.0)
_WEIGHTS = ("log_scale", "log_limit", "log_ceiling")
_NEGLIGIBLE = 0.001  # share of the metric below which a part is not worth a line


@dataclass(frozen=True, slots=True)
class Gain:
    """The median after one axis alone (`axis`; None for all scale axes) grew by `factor`."""

    axis: str | None
    factor: float
    median: float
    change: float  # relative to the median before


@dataclass(frozen=True, slots=True)
class Part:
    """What one term of the heaviest form adds to the metric (its error for one to maximise)."""

    words: str
    value: float
    share: float


def gains(law: FittedLaw, point: Mapping[str, float]) -> tuple[Gain, ...]:
    """What growing each scale axis, and all of them, by 2 and by 10 does to the median."""
    scale = [a for a, is_scale in zip(law.axes, law.mixture.scale, strict=True) if is_scale]
    asked: list[tuple[str | None, float]] = [(a, f) for a in scale for f in _FACTORS]
    if len(scale) > 1:
        asked += [(None, f) for f in _FACTORS]
    places = [dict(point)]
    for axis, factor in asked:
        grown = scale if axis is None else [axis]
        places.append({a: v * (factor if a in grown else 1.0) for a, v in point.items()})
    frame = pd.DataFrame(places)[list(law.axes)].astype(float)
    here, *moved = np.atleast_1d(np.asarray(law.predict(frame).median, dtype=float))
    return tuple(
        Gain(axis, factor, float(median), float(median / here - 1.0))
        for (axis, factor), median in zip(asked, moved, strict=True)
    )


def parts(law: FittedLaw, point: Mapping[str, float]) -> tuple[Part, ...]:
    """The terms of the heaviest form at a point, largest first; their values sum to the metric.

    A term's value is its share of the metric, d ln y / d ln term: for plain sums the term itself,
    under a ceiling what is left of it. Empty for forms that are no sum.
    """
    component = law.mixture.members[0].component
    form = component.form
    if any(isinstance(term, ImplicitSigmoid) for term in form.terms):
        return ()
    log_x = np.log([[float(point[axis]) for axis in form.axes]])
    ln_y, jac = evaluate(form, component.theta[None], log_x, component.centre)
    value = math.exp(float(ln_y[0, 0]))
    found = []
    for term, where in zip(form.terms, form.slices, strict=True):
        kinds = [parameter.kind for parameter in form.parameters[where]]
        own = jac[0, 0, where]
        share = float(sum(d for d, kind in zip(own, kinds, strict=True) if kind in _WEIGHTS))
        if share >= _NEGLIGIBLE:
            found.append(Part(_words(term), share * value, share))
    return tuple(sorted(found, key=lambda part: -part.share))


def _words(term: Term) -> str:
    over = " and ".join(term.axes)
    match term:
        case Limit():
            return "the limit, which no scale removes"
        case Ceiling():
            return "the ceiling, what knowing nothing scores"
        case BrokenPowerLaw(layer="overfit"):
            return f"overfitting, over {over}"
        case BrokenPowerLaw() if len(term.axes) > 1:
            return f"the trend over {over} together"
        case _:
            return f"what finite {over} leaves"
