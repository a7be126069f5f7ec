"""The end of a run from its finished siblings, seen at the same place.

No law of the curve between here and the end is needed, only that siblings run along the same axis
to the same horizon (`forecast.kriging` is what follows from what). Of a stopped sibling the end is
not known, and it tells nothing about other ends: why it was stopped is in its curve, so what is
left out is missing at random (Rubin 1976) and the ends that are known are no biased sample of what
follows from such curves. Forecasts in place of missing ends, however unsure, made stops breed
stops: on AlgoPerf, at the same compute, the best run was lost in 17% of the pools, not in 10%.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unsl_tracking.forecast.cautions import ForecastWarning
from unsl_tracking.forecast.forecast import Forecast
from unsl_tracking.forecast.kriging import Ends, Known, Views, mixed, nearest
from unsl_tracking.forecast.likeness import by_likeness
from unsl_tracking.forecast.metric_scale import MetricScale
from unsl_tracking.forecast.momentum import by_momentum
from unsl_tracking.forecast.predictive import Predictive
from unsl_tracking.forecast.same_recipe import NOT_TOLD, Settings, recipes

Array = NDArray[np.float64]
REACHED: Final = 0.98  # of the horizon: such a sibling has ended
FEWEST: Final = 1  # finished siblings that passed the run's place
_WINDOW: Final = 1.1  # values within this factor before a place are averaged
_FOLD: Final = math.e  # a slope is taken since this factor before a place
_SHORTEST: Final = 0.3  # e-folds that a slope spans at the least
_WORSE: Final = 0.5  # ln y above where runs start; whatever is beyond counts as this bad
_SAME: Final = 1.0 + 1e-9
_GAPS: Final = 4  # between the best ends, for what one more run is worth
_STAGES: Final = 4  # of the way to a place, evenly in its log, and evenly in itself


class View(NamedTuple):
    """Level and slope at a place, and the levels on the way there."""

    level: float
    slope: float
    past: tuple[float, ...]


class Curve(NamedTuple):
    """One curve by place: `at` and `ln_y`, shape (n,), in the order of `at`.

    `finished`: whether its last value is its end; None where only the horizon can tell. `settings`:
    what was set before training, as far as it is told, without seeds and names.
    """

    at: Array
    ln_y: Array
    finished: bool | None = None
    settings: Settings = NOT_TOLD

    def level(self, place: float) -> float:
        """The mean of ln y just before a place; interpolated where nothing was logged there."""
        last = int(np.searchsorted(self.at, place * _SAME, side="right"))
        first = int(np.searchsorted(self.at, place / _WINDOW, side="right"))
        if last > first:
            return float(self.ln_y[first:last].mean())
        return float(np.interp(math.log(place), np.log(self.at), self.ln_y))

    def view(self, place: float, start: float, top: float) -> View:
        """How it looks at a place, values above `top` taken as `top`."""
        curve = self._replace(ln_y=np.minimum(self.ln_y, top))
        before = max(place / _FOLD, float(self.at[0]))
        here, there = curve.level(place), curve.level(before)
        slope = (here - there) / max(math.log(place / before), _SHORTEST)
        past = [curve.level(stage) for stage in _stages(min(start, place), place)]
        return View(here, slope, tuple(past))

    def has_ended(self, horizon: float) -> bool:
        """Whether its last value is its end."""
        if self.finished is not None:
            return self.finished
        return float(self.at[-1]) >= REACHED * horizon


class Siblings:
    """The curves of a group by run, as a forecast of any of them needs them.

    `before` is an earlier state of the same group: what it has worked out for curves that are the
    same now is kept.
    """

    def __init__(
        self, curves: Mapping[object, Curve], horizon: float, before: Siblings | None = None
    ) -> None:
        self.horizon = horizon
        self.curves = {name: curve for name, curve in curves.items() if len(curve.at)}
        self._views: dict[object, dict[float, View]] = {}
        self._stopped: dict[object, float] = {}  # where stopped siblings were expected to end
        firsts = [float(curve.ln_y[0]) for curve in self.curves.values()]
        self._top = float(np.median(firsts)) + _WORSE if firsts else math.inf
        starts = [float(curve.at[0]) for curve in self.curves.values()]
        self._start = float(np.median(starts)) if starts else math.inf
        self._ends = {
            n: self._capped(c.ln_y[-1]) for n, c in self.curves.items() if c.has_ended(horizon)
        }
        if before is not None:
            self._keep(before)

    def finished(self, place: float) -> int:
        """How many finished siblings passed a place."""
        return sum(self._passed(name, place) for name in self._ends)

    def expect(self, own: Curve) -> Ends:
        """Where a run ends."""
        place = float(own.at[-1])
        view = own.view(place, self._start, self._top)
        return self._predict([own], [view], place)

    def trail(self, own: Curve) -> bool:
        """Whether every finished sibling was worse at this place; False where none came by."""
        place = float(own.at[-1])
        levels = [self._view(n, place).level for n in self._ends if self._passed(n, place)]
        return bool(levels) and own.view(place, self._start, self._top).level < min(levels)

    def gain_of_another(self) -> float | None:
        """By how much one more run is expected to beat the best, in ln y, per compute of a run.

        Of n runs that might have come in any order, the last one beat the others by the gap between
        the two best, if it was the best: (x₂ − x₁) / n on average. Gaps farther up tell the same
        with less luck in them: where the density of ends grows exponentially, all j (xⱼ₊₁ − xⱼ)
        have one mean (Rényi 1953). A run costs the share of the horizon that those so far used.
        Stopped runs count with where they are expected to end. None for fewer than two runs.
        """
        self._expect_stopped()
        ends = np.sort([*self._ends.values(), *self._stopped.values()])
        if len(ends) < 2:
            return None
        gaps = np.arange(1, len(ends)) * np.diff(ends)
        spent = [min(float(c.at[-1]) / self.horizon, 1.0) for c in self.curves.values()]
        return float(gaps[:_GAPS].mean()) / len(ends) / float(np.mean(spent))

    def _keep(self, before: Siblings) -> None:
        same = {n for n, c in self.curves.items() if _equal(before.curves.get(n), c)}
        # The top moves a little with every sibling; what was seen below it stays as it was.
        if before._start == self._start:
            self._views = {n: v for n, v in before._views.items() if n in same}
        ended = self._ends.keys()
        if before._ends.keys() == ended <= same and before.horizon == self.horizon:
            self._stopped = {n: e for n, e in before._stopped.items() if n in same}

    def _expect_stopped(self) -> None:
        places: dict[float, list[object]] = {}
        for name, curve in self.curves.items():
            if name not in self._ends and name not in self._stopped:
                places.setdefault(float(curve.at[-1]), []).append(name)
        for place, names in places.items():
            seen = [self._view(name, place) for name in names]
            means = self._predict([self.curves[n] for n in names], seen, place).moments()[0]
            self._stopped |= {n: self._capped(m) for n, m in zip(names, means, strict=True)}

    def _predict(self, curves: Sequence[Curve], seen: Sequence[View], place: float) -> Ends:
        """Where curves end that are `seen` so at a place."""
        names = [name for name in self._ends if self._passed(name, place)]
        told = [name for curve in curves for name in curve.settings]
        every = [*(self.curves[name] for name in names), *curves]
        recipe = recipes([curve.settings for curve in every], told)
        asked = _views(seen, recipe[len(names) :])
        views = _views([self._view(n, place) for n in names], recipe[: len(names)])
        known = nearest(asked, Known(views, np.array([self._ends[n] for n in names])))
        left = max(math.log(self.horizon / place), 0.0)
        return mixed(by_momentum(asked, left, known) + by_likeness(asked, known))

    def _capped(self, ln_y: float) -> float:
        return min(float(ln_y), self._top)

    def _passed(self, name: object, place: float) -> bool:
        at = self.curves[name].at
        return bool(at[0] <= place * _SAME and at[-1] * _SAME >= place)

    def _view(self, name: object, place: float) -> View:
        views = self._views.setdefault(name, {})
        if place not in views:
            views[place] = self.curves[name].view(place, self._start, self._top)
        return views[place]


def _views(seen: Sequence[View], recipe: Array) -> Views:
    past = [view.past for view in seen]
    return Views(
        np.array([view.level for view in seen]),
        np.array([view.slope for view in seen]),
        np.array(past).reshape(len(seen), 2 * _STAGES - 1),
        recipe,
    )


def _stages(start: float, place: float) -> list[float]:
    """Places on the way from `start` to a place, the place left out."""
    shares = [stage / _STAGES for stage in range(_STAGES)]
    by_log = [start * (place / start) ** share for share in shares]
    return by_log + [start + share * (place - start) for share in shares[1:]]


def _equal(one: Curve | None, two: Curve) -> bool:
    return one is two or (
        one is not None
        and one.finished == two.finished
        and one.settings == two.settings
        and np.array_equal(one.at, two.at)
        and np.array_equal(one.ln_y, two.ln_y)
    )


def transfer(
    own: Curve, siblings: Siblings, end: pd.DataFrame, scale: MetricScale, value: str
) -> Forecast | None:
    """The forecast of `own` at `end` (one row, its first column the place along the curve).

    None where fewer than `FEWEST` finished siblings passed the run's place, or it is at the end.
    """
    place = float(own.at[-1])
    finished = siblings.finished(place)
    if finished < FEWEST or place >= siblings.horizon:
        return None
    text = f"taken from where {finished} finished siblings went from here"
    notes = (ForecastWarning("from_siblings", text, value=float(finished)),)
    return Forecast(end, value, Predictive(*siblings.expect(own)), scale, notes, single=True)
