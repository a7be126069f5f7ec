"""What the figures show, as arrays, taken from a fitted law. No drawing happens here.

`LawPicture` is the metric along the main scale axis, `CurvePicture` one run along its steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from unsl_tracking.report.document import LEVELS, Answer, Array, Band

if TYPE_CHECKING:
    from unsl_tracking.forecast import FittedLaw

_MOST_SLICES = 6
_MARGIN = 1.25
"""Bands reach this factor beyond the outermost point, so that nothing sits on the frame."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The median along the main axis where the second axis has one of its observed values."""

    x: Array
    median: Array


@dataclass(frozen=True, slots=True)
class LawPicture:
    """Observed runs (n,) and the forecast along `band.axis`, the other axes held at the answer's.

    `fitted` is the law's median at each run's own point, so |y - fitted| is its residual.
    `slices` has one member per distinct colour, in ascending order, or none at all. `goal` is the
    value that was asked for.
    """

    metric: str
    mode: str
    x: Array
    y: Array
    fitted: Array
    colour: Array | None
    colour_axis: str | None
    band: Band
    answer: Answer
    slices: tuple[Slice, ...] = ()
    highlight: tuple[float, float] | None = None
    goal: float | None = None


@dataclass(frozen=True, slots=True)
class CurvePicture:
    """One run's logged values, those of its siblings, and where it is expected to go."""

    metric: str
    mode: str
    x: Array
    y: Array
    siblings: tuple[tuple[Array, Array], ...]
    band: Band
    answer: Answer


def band_along(
    law: FittedLaw,
    axis: str,
    fixed: Mapping[str, float],
    low: float,
    high: float,
    points: int = 48,
) -> Band:
    """The law's forecast at `points` log-spaced places of `axis` between `low` and `high`."""
    x = np.geomspace(low, high, points)
    where = {name: np.full(points, fixed[name]) for name in law.axes if name != axis}
    forecast = law.predict({**where, axis: x})
    intervals = {}
    for level in LEVELS:
        lows, highs = forecast.interval(level)
        intervals[level] = (np.asarray(lows, dtype=float), np.asarray(highs, dtype=float))
    others = {name: value for name, value in fixed.items() if name != axis}
    return Band(axis, others, x, np.asarray(forecast.median, dtype=float), intervals)


def main_axis(law: FittedLaw, point: Mapping[str, float], along: str | None) -> str:
    """The axis a reader looks along: the one that has done most to bring the metric to `point`.

    That is how far the median moves when this axis alone goes back to its smallest observed value.
    The axis along a run comes last: it has a figure of its own.
    """
    candidates = [axis for axis in law.axes if axis != along] or list(law.axes)
    if len(candidates) == 1:
        return candidates[0]
    places = pd.DataFrame([dict(point)] * (len(candidates) + 1))[list(law.axes)].astype(float)
    for row, axis in enumerate(candidates, start=1):
        places.loc[row, axis] = float(law.data[axis].min())
    here, *moved = np.asarray(law.predict(places).median, dtype=float)
    return candidates[int(np.argmax(np.abs(np.array(moved) - here)))]


def law_picture(
    law: FittedLaw,
    answer: Answer,
    *,
    run: str | None = None,
    along: str | None = None,
    run_column: str | None = None,
    axis: str | None = None,
    goal: float | None = None,
    most: int | None = None,
) -> LawPicture:
    """The law along `axis` (the main one where absent), through `answer.point`.

    `run` is highlighted, `goal` a value of the metric to be marked. Of more than `most`
    observations, as many are shown, evenly spread along the axis.

    With an axis along the run, each run is shown by its last point only.
    """
    frame = law.data
    if along is not None and run_column is not None and run_column in frame:
        frame = frame.sort_values(along, kind="stable").groupby(run_column, sort=False).tail(1)
    axis = axis or main_axis(law, answer.point, along)
    if most is not None and len(frame) > most:
        spread = np.linspace(0, len(frame) - 1, most).round().astype(int)
        frame = frame.sort_values(axis, kind="stable").iloc[spread]
    x = frame[axis].to_numpy(dtype=float)
    low, high = float(x.min()), float(x.max())
    end = answer.point[axis]
    band = band_along(law, axis, answer.point, min(low, end) / _MARGIN, max(high, end) * _MARGIN)
    colour_axis = _second_axis(law, axis, along)
    highlight = None
    if run is not None and run_column is not None and run_column in frame:
        own = frame[frame[run_column] == run]
        if len(own):
            highlight = (float(own[axis].iloc[-1]), float(own[law.value].iloc[-1]))
    return LawPicture(
        metric=law.value,
        mode=law.mode,
        x=x,
        y=frame[law.value].to_numpy(dtype=float),
        fitted=np.atleast_1d(np.asarray(law.predict(frame[list(law.axes)]).median, dtype=float)),
        colour=None if colour_axis is None else frame[colour_axis].to_numpy(dtype=float),
        colour_axis=colour_axis,
        band=band,
        answer=answer,
        slices=() if colour_axis is None else _slices(law, frame, axis, colour_axis),
        highlight=highlight,
        goal=goal,
    )


def _second_axis(law: FittedLaw, first: str, along: str | None) -> str | None:
    """The widest of the other axes; the one along a run only when there is no third."""
    frame = law.data

    def interest(axis: str) -> tuple[bool, float]:
        return axis != along, math.log(float(frame[axis].max()) / float(frame[axis].min()))

    others = [name for name in law.axes if name != first]
    return max(others, key=interest, default=None)


def _slices(law: FittedLaw, frame: pd.DataFrame, axis: str, colour_axis: str) -> tuple[Slice, ...]:
    """Medians through the points of each colour, where those points differ in `axis` alone.

    Where a third axis varies among them, a line would pass the points by for no fault of the law.
    """
    groups = [group for _, group in frame.groupby(colour_axis, sort=True)]
    others = [name for name in law.axes if name != axis]
    clean = all(group[others].nunique().max() == 1 for group in groups)
    if not clean or len(groups) > _MOST_SLICES or max(len(group) for group in groups) < 2:
        return ()
    slices = []
    for group in groups:
        low, high = float(group[axis].min()), float(group[axis].max())
        fixed = {name: float(group[name].iloc[0]) for name in others}
        x = np.geomspace(low, high, 24) if low < high else np.array([low])
        where = {name: np.full(x.size, value) for name, value in fixed.items()}
        median = np.atleast_1d(np.asarray(law.predict({**where, axis: x}).median, dtype=float))
        slices.append(Slice(x, median))
    return tuple(slices)


def curve_picture(
    law: FittedLaw,
    answer: Answer,
    *,
    along: str,
    observed: tuple[Array, Array],
    siblings: Sequence[tuple[Array, Array]] = (),
    band: Band | None = None,
) -> CurvePicture:
    """One run along `along`; `band` is from `band_to_end`, which is asked when it is not given."""
    if band is None:
        band = band_to_end(law, answer, along, observed[0])
    return CurvePicture(law.value, law.mode, *observed, tuple(siblings), band, answer)


def band_to_end(law: FittedLaw, answer: Answer, along: str, seen: Array) -> Band:
    """The forecast along a run from its first place in `seen` to the end `answer` speaks of."""
    goal = answer.point[along]
    low = min(float(seen.min()), goal) if seen.size else goal / 10
    high = max(float(seen.max()), goal) if seen.size else goal
    return band_along(law, along, answer.point, low if low < high else high / 10, high)
