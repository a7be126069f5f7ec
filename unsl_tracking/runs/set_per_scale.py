"""Settings that a recipe sets per scale: a learning rate, a batch size, a file for every size.

Such a key differs between runs and yet tells no recipes apart. It is taken for one where splitting
by it would leave most runs in groups with too few scales, and where its value follows from the
axes: every place on one of them, or on all of them together, has one value of it; or a number goes
with the axes as a power law, as rules for the learning rate do. Several values at one place are a
sweep, and split. So does a text that several places share: it is more likely another recipe.

Where most places hold a single run, each has one value of anything, be it drawn at random. There, a
number must be a hyperparameter by its name, and rise or fall with an axis.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unsl_tracking.runs.names import family_of
from unsl_tracking.runs.numbers import read_number

FEWEST_SCALES: Final = 3
"""On every axis that has so many: with fewer, a group says little about a larger scale."""
_EXPLAINED: Final = 0.9  # of the variance of ln(value), by a power law of the axes
_ORDERED: Final = 0.8  # rank correlation with an axis: of 24 random values, fewer than 1 in 10^5
_FEW: Final = 5  # places that random values too often order like that: all must be in order
_SPARE: Final = 3  # more runs than such a power law has parameters

_SHOWN: Final = 3  # keys in a note
_COMMAND: Final = 200  # characters of a command in it

_Floats = NDArray[np.float64]
Point = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Places:
    """Where runs stand.

    `fixed` (runs, k) holds the axes `names` that are constant along a run, `ends` (runs, j) where
    runs ended on the other axes; NaN where one did not finish.
    """

    fixed: _Floats
    names: tuple[str, ...]
    ends: _Floats

    @classmethod
    def of(cls, points: _Floats) -> Places:
        """Of axes that have no names."""
        return cls(points, (), np.zeros((len(points), 0)))

    def points(self) -> list[Point]:
        """`fixed` as tuples, to twelve digits: sums of sizes may differ in the last ones."""
        return [tuple(float(f"{x:.12g}") for x in row) for row in self.fixed.tolist()]


def followed(
    key: str,
    values: Sequence[str],
    places: Places,
    points: Sequence[Point],
    parts: Sequence[tuple[str, ...]],
) -> str:
    """How a key follows the axes within all parts, in words; empty where it splits them.

    `values` (runs,) are those of the key, `points` (runs,) are `places.points()`, `parts` (runs,)
    is what earlier keys split the runs into.
    """
    split = [
        rows for rows in _alike(parts, range(len(parts))) if len({values[i] for i in rows}) > 1
    ]
    if not split or 2 * _still_enough(values, points, split) >= sum(map(len, split)):
        return ""
    are_numbers = {read_number(values[i]) is not None for rows in split for i in rows}
    numeric = are_numbers == {True}
    family = family_of(key)
    for number, name in enumerate(places.names):
        column = [(point[number],) for point in points]
        if _is_function(values, column, split, shared=numeric) and (
            _confirmed(column, split) or _goes_along(family, are_numbers, values, column, split)
        ):
            return f"each `{name}` has one value of it"
    if _is_function(values, points, split, shared=numeric) and (
        _confirmed(points, split) or _goes_along(family, are_numbers, values, points, split)
    ):
        return "each place on them has one value of it"
    if numeric and family == "hyper" and _goes_with(values, places, split):
        return "it goes with them as a power law"
    return ""


def note_on_recipe(follows: Sequence[str], splitting: Sequence[str]) -> str:
    """That keys are taken for settings of one recipe, and what splits by them all the same.

    The command comes early and names few keys, as long notes are cut where they are shown.
    """
    shown = [f"`{key}`" for key in follows[:_SHOWN]]
    if len(follows) > _SHOWN:
        shown.append(f"{len(follows) - _SHOWN} more")
    listed = f"{', '.join(shown[:-1])} and {shown[-1]}" if len(shown) > 1 else shown[0]
    named = [*splitting, *follows[:_SHOWN]]
    command = f"`--group {','.join(named)}` splits by it"
    if len(command) > _COMMAND:
        command = f"`--group {','.join(follows[:_SHOWN])}`, with keys that split now, splits by it"
    return (
        f"The same recipe, with {listed} set per scale: {command}. Where runs differ in that, they"
        " differ in scale, and are one group"
    )


def _alike(values: Sequence[Hashable], rows: Iterable[int]) -> list[list[int]]:
    """The rows by their value."""
    found: dict[Hashable, list[int]] = {}
    for index in rows:
        found.setdefault(values[index], []).append(index)
    return list(found.values())


def _still_enough(
    values: Sequence[str], points: Sequence[Point], split: Sequence[Sequence[int]]
) -> int:
    """How many runs would be in groups with enough scales to fit."""
    enough = 0
    for rows in split:
        there = _levels(points, rows)
        least = min(FEWEST_SCALES, max(there))
        # An axis of two values may be lost, where another one is there to fit.
        axes = [axis for axis, count in enumerate(there) if count >= least]
        for group in _alike(values, rows):
            has = _levels(points, group)
            if all(has[axis] >= least for axis in axes):
                enough += len(group)
    return enough


def _levels(points: Sequence[Point], rows: Sequence[int]) -> list[int]:
    """How many different values these rows have on every axis."""
    return [len(set(column)) for column in zip(*(points[i] for i in rows), strict=True)]


def _is_function(
    values: Sequence[str], points: Sequence[Point], split: Sequence[Sequence[int]], *, shared: bool
) -> bool:
    """Whether every point has one value; unless shared, every value one point as well."""
    for rows in split:
        pairs = {(points[i], values[i]) for i in rows}
        if len(pairs) > len({place for place, _ in pairs}):
            return False
        if not shared and len(pairs) > len({value for _, value in pairs}):
            return False
    return True


def _confirmed(points: Sequence[Point], split: Sequence[Sequence[int]]) -> bool:
    """Whether most places hold several runs: only there could there have been several values."""
    there = [len(rows) for part in split for rows in _alike(points, part)]
    return 2 * sum(runs > 1 for runs in there) >= len(there)


def _goes_along(
    family: str,
    are_numbers: set[bool],
    values: Sequence[str],
    points: Sequence[Point],
    split: Sequence[Sequence[int]],
) -> bool:
    """Whether a key is likely set per scale though no repetition says so.

    A text that no two places share is, like a file for every size, and so is the shape of a model.
    """
    if family == "shape" or are_numbers == {False}:
        return True
    return (
        family == "hyper"
        and are_numbers == {True}
        and any(_is_ordered(values, points, split, axis) for axis in range(len(points[0])))
    )


def _is_ordered(
    values: Sequence[str], points: Sequence[Point], split: Sequence[Sequence[int]], axis: int
) -> bool:
    """Whether the number rises with an axis in every part, or falls in every part."""
    signs = set()
    for rows in split:
        pairs = {(points[i], values[i]) for i in rows}
        x = np.array([point[axis] for point, _ in pairs])
        y = np.array([read_number(value) for _, value in pairs], dtype=np.float64)
        if len(set(x)) < 2:
            return False
        ranked = float(pd.Series(x).rank().corr(pd.Series(y).rank()))
        sign = 1.0 if ranked > 0.0 else -1.0
        in_order = bool((np.diff((sign * y)[np.lexsort((sign * y, x))]) >= 0.0).all())
        if not in_order and (len(pairs) <= _FEW or abs(ranked) < _ORDERED):
            return False
        signs.add(sign)
    return len(signs) == 1


def _is_swept(x: _Floats, values: Sequence[str], rows: Sequence[int]) -> bool:
    """Whether one place, ends included, has several values. Places not known are not compared."""
    known = [i for i in rows if np.isfinite(x[i]).all()]
    pairs = {(tuple(f"{each:.12g}" for each in x[i]), values[i]) for i in known}
    return len(pairs) > len({place for place, _ in pairs})


def _goes_with(values: Sequence[str], places: Places, split: Sequence[Sequence[int]]) -> bool:
    """Whether the number is a power law in the axes, with a factor of its own in every part."""
    x = np.column_stack([places.fixed, places.ends])
    y = np.array([read_number(each) or np.nan for each in values], dtype=np.float64)
    left = total = 0.0
    for rows in split:
        if not (y[rows] > 0).all() or _is_swept(x, values, rows):
            return False
        known = [i for i in rows if (x[i] > 0).all() and np.isfinite(x[i]).all()]
        logs = np.log(x[known])
        logs = np.column_stack([np.ones(len(known)), logs - logs.mean(axis=0)]) if known else logs
        if len(known) < len(logs.T) + _SPARE:
            return False
        told = np.log(y[known])
        fit = logs @ np.linalg.lstsq(logs, told, rcond=1e-9)[0]
        left += float(((told - fit) ** 2).sum())
        total += float(((told - told.mean()) ** 2).sum())
    return left <= (1.0 - _EXPLAINED) * total
