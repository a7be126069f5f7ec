"""The end of a run from its siblings, seen at the same place: finished ones, and stopped ones too.

No law of the curve between here and the end is needed, only that siblings run along the same axis
to the same horizon (`forecast.kriging` is what follows from what). Of a stopped sibling the end is
not known. Its own forecast stands for it, with all of its doubt, made from those siblings that came
farther; leaving it out would leave the group with survivors only.
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
    same now is kept. Forecasts of stopped siblings are made anew when another one has finished.
    """

    def __init__(
        self, curves: Mapping[object, Curve], horizon: float, before: Siblings | None = None
    ) -> None:
        self.horizon = horizon
        self.curves = {name: curve for name, curve in curves.items() if len(curve.at)}
        self._ended = {n for n, c in self.curves.items() if c.has_ended(horizon)}
        self._views: dict[object, dict[float, View]] = {}
        self._ends: dict[object, tuple[float, float]] = {}
        firsts = [float(curve.ln_y[0]) for curve in self.curves.values()]
        self._top = float(np.median(firsts)) + _WORSE if firsts else math.inf
        starts = [float(curve.at[0]) for curve in self.curves.values()]
        self._start = float(np.median(starts)) if starts else math.inf
        if before is not None:
            self._keep(before)
        for name in self._ended:
            self._ends[name] = (min(float(self.curves[name].ln_y[-1]), self._top), 0.0)
        self._expect_stopped()

    def finished(self, place: float) -> int:
        """How many finished siblings passed a place."""
        return sum(self._passed(name, place) for name in self._ended)

    def expect(self, own: Curve) -> tuple[Ends, int]:
        """Where a run ends, and how many siblings that rests on."""
        place = float(own.at[-1])
        view = own.view(place, self._start, self._top)
        others = [n for n in self._ends if self._passed(n, place)]
        return self._predict([own], [view], place, others)

    def gain_of_another(self) -> float | None:
        """By how much one more run is expected to beat the best, in ln y, per compute of a run.

        Of n runs that might have come in any order, the last one beat the others by the gap between
        the two best, if it was the best: (x₂ − x₁) / n on average. Gaps farther up tell the same
        with less luck in them: where the density of ends grows exponentially, all j (xⱼ₊₁ − xⱼ)
        have one mean (Rényi 1953). A run costs the share of the horizon that those so far used.
        None for fewer than two runs.
        """
        ends = np.sort([end for end, _ in self._ends.values()])
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
        if self._ended == before._ended and before.horizon == self.horizon:
            self._ends = {n: e for n, e in before._ends.items() if n in same}

    def _expect_stopped(self) -> None:
        """Those that came farthest first: each rests on those that came farther still."""
        places: dict[float, list[object]] = {}
        for name, curve in self.curves.items():
            if name not in self._ends:
                places.setdefault(float(curve.at[-1]), []).append(name)
        for place in sorted(places, reverse=True):
            names = places[place]
            asked = [self._view(name, place) for name in names]
            others = [n for n in self._ends if self._passed(n, place)]
            ends, _ = self._predict([self.curves[n] for n in names], asked, place, others)
            mean, sd = ends.moments()
            self._ends |= dict(
                zip(names, zip(mean.tolist(), sd.tolist(), strict=True), strict=True)
            )

    def _predict(
        self, curves: Sequence[Curve], seen: Sequence[View], place: float, names: list[object]
    ) -> tuple[Ends, int]:
        """Where curves end that are `seen` so at a place, told by the others of these names."""
        ends = np.array([self._ends[name] for name in names]).reshape(-1, 2)
        told = [name for curve in curves for name in curve.settings]
        every = [*(self.curves[name] for name in names), *curves]
        recipe = recipes([curve.settings for curve in every], told)
        asked = _views(seen, recipe[len(names) :])
        views = _views([self._view(n, place) for n in names], recipe[: len(names)])
        known = nearest(asked, Known(views, ends[:, 0], ends[:, 1]))
        left = max(math.log(self.horizon / place), 0.0)
        return mixed(by_momentum(asked, left, known) + by_likeness(asked, known)), len(names)

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
    ends, count = siblings.expect(own)
    text = f"taken from where {finished} finished siblings went from here"
    if count > finished:
        text += f", and {count - finished} stopped ones are expected to"
    notes = (ForecastWarning("from_siblings", text, value=float(finished)),)
    return Forecast(end, value, Predictive(*ends), scale, notes, single=True)
