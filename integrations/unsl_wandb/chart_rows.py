"""What the charts show, as small tables, from a forecast of an experiment. No W&B in here.

Each table is a list of rows with the same columns, the names that the presets' fields are given.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from unsl_tracking.experiment import ExperimentForecast, GroupForecast, RunForecast, answer_at
from unsl_tracking.forecast import Backtest, FittedLaw
from unsl_tracking.report import Answer, band_to_end, law_picture
from unsl_tracking.report import numbers as n
from unsl_tracking.report.document import Array, Band

Row = dict[str, object]

LAW: Final = (
    *("part", "name", "level", "x", "y"),
    *("low80", "high80", "low95", "high95"),
)
CURVES: Final = ("part", "run", "x", "y", "low", "high")
OUTCOMES: Final = ("run", "seen", "actual", "predicted", "low", "high", "outcome")
_MOST_RUNS: Final = 6
"""Runs whose curves are drawn in one chart: those that go on, then the newest."""
_MOST_POINTS: Final = 120
_LOG_FROM: Final = 3.0
"""Largest over smallest value from which on an axis is logarithmic. On a shorter one Vega 5 labels
few ticks or none (seen from 0.77 to 0.91); the eye sees no difference there."""
_MOST_OUTCOMES: Final = 2000
"""Rows of a table in W&B: 10,000 at the most, and more than this are only a blot."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A table for one of the presets, and what the preset's texts are to say."""

    spec: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    strings: Mapping[str, str]

    @property
    def fields(self) -> dict[str, str]:
        """The preset's fields are called as the columns are."""
        return {column: column for column in self.columns}


def law_chart(result: ExperimentForecast, group: GroupForecast) -> Chart:
    """All runs over the scale axis with the fitted law, out to the target that was asked for."""
    law, answer = group.law, group.target or largest(group.law)
    along = group.along[0] if group.along else None
    picture = law_picture(law, answer, along=along, run_column=law.run)
    level = _levels(picture.colour) or ["observed"] * len(picture.x)
    rows = [_band_row("law", band) for band in _steps_of(picture.band)]
    for slice_, of in zip(picture.slices, _levels(_distinct(picture.colour)), strict=False):
        rows += [
            {"part": "slice", "x": float(x), "y": float(y), "level": of}
            for x, y in zip(slice_.x, slice_.median, strict=True)
        ]
    names = _names(group, len(picture.x))
    points = [
        {"part": "run", "x": float(x), "y": float(y), "level": of, "name": name}
        for x, y, of, name in zip(picture.x, picture.y, level, names, strict=True)
    ]
    order = np.argsort(picture.colour, kind="stable") if picture.colour is not None else None
    rows += points if order is None else [points[i] for i in order]
    rows.append(_target_row(answer, picture.band.axis))
    low, high = answer.intervals[0.8]
    median = n.metric(answer.median, n.digits_for(low, high))
    strings = {
        "title": f"{result.metric} over {picture.band.axis}",
        "subtitle": f"{median} (80%: {n.interval(low, high)}) at {n.point(answer.point)}",
        "x-title": picture.band.axis,
        "y-title": result.metric,
        "y-scale": _scale(result.mode, picture.y, answer.intervals[0.95]),
        "level-title": picture.colour_axis or "runs",
    }
    return _chart("scaling-law", LAW, rows, strings)


def curves_chart(result: ExperimentForecast, group: GroupForecast) -> Chart | None:
    """What runs have logged, and where they go; None where a run has one value only."""
    if not group.along:
        return None
    along, law = group.along[0], group.law
    rows: list[Row] = []
    for forecast in _shown(group):
        own = law.data[law.data[law.run] == forecast.run.id].sort_values(along, kind="stable")
        name = _name(forecast)
        seen = own[along].to_numpy(dtype=float)
        for place in _some(len(own)):
            value = float(own[law.value].iloc[place])
            rows.append({"part": "seen", "run": name, "x": float(seen[place]), "y": value})
        band = band_to_end(law, forecast.final, along, seen)
        rows += [_curve_row("band", name, step) for step in _steps_of(band)]
        end = forecast.final
        low, high = end.intervals[0.8]
        row = {"x": end.point[along], "y": end.median, "low": low, "high": high}
        rows.append({"part": "end", "run": name, **row})
    values = np.array([row["y"] for row in rows], dtype=float)
    strings = {
        "title": f"{result.metric} and where it goes",
        "subtitle": "dots: logged, dashed: forecast with its 80% interval, circle: the end",
        "x-title": along,
        "y-title": result.metric,
        "y-scale": _scale(result.mode, values),
    }
    return _chart("run-curves", CURVES, rows, strings)


def outcomes_chart(result: ExperimentForecast, label: str, tested: Backtest) -> Chart:
    """What would have been forecast before it happened, against what happened."""
    frame = tested.frame
    if len(frame) > _MOST_OUTCOMES:
        frame = frame.iloc[np.linspace(0, len(frame) - 1, _MOST_OUTCOMES).round().astype(int)]
    names = {run.run.id: _name(run) for group in result.groups for run in group.runs}
    rows = [_outcome(row, names) for row in frame.to_dict(orient="records")]
    held = sum(row["outcome"] == "held" for row in rows)
    values = np.array([row[name] for row in rows for name in ("actual", "predicted", "low")])
    strings = {
        "title": f"{result.metric}: predicted against actual",
        "subtitle": f"{label}: {tested.replayed}; 80% intervals held {held} of {len(rows)}",
        "y-title": result.metric,
        "y-scale": _scale(result.mode, values.astype(float)),
    }
    return _chart("predicted-actual", OUTCOMES, rows, strings)


def largest(law: FittedLaw) -> Answer:
    """The answer where every axis has its largest observed value."""
    point = {axis: float(law.data[axis].max()) for axis in law.axes}
    return answer_at(law, "target", point, "the largest values observed")


def _chart(
    spec: str, columns: tuple[str, ...], rows: Sequence[Row], strings: Row | Mapping[str, str]
) -> Chart:
    whole = tuple({column: row.get(column) for column in columns} for row in rows)
    return Chart(spec, columns, whole, {name: str(text) for name, text in strings.items()})


def _outcome(row: Mapping[Hashable, object], names: Mapping[str, str]) -> Row:
    low, high, actual = (float(str(row[name])) for name in ("lo80", "hi80", "actual"))
    run = row.get("run")
    return {
        "run": "" if run is None else names.get(str(run), str(run)),
        "seen": f"{row['seen']} points",
        "actual": actual,
        "predicted": float(str(row["median"])),
        "low": low,
        "high": high,
        "outcome": "held" if low <= actual <= high else "missed",
    }


def _steps_of(band: Band) -> list[Row]:
    low80, high80 = band.intervals[0.8]
    low95, high95 = band.intervals[0.95]
    columns = (band.x, band.median, low80, high80, low95, high95)
    names = ("x", "y", "low80", "high80", "low95", "high95")
    return [
        {name: float(value) for name, value in zip(names, step, strict=True)}
        for step in zip(*columns, strict=True)
    ]


def _band_row(part: str, step: Row) -> Row:
    return {"part": part, **step}


def _curve_row(part: str, run: str, step: Row) -> Row:
    values = {"x": step["x"], "y": step["y"], "low": step["low80"], "high": step["high80"]}
    return {"part": part, "run": run, **values}


def _target_row(answer: Answer, axis: str) -> Row:
    intervals = {
        f"{end}{100 * level:g}": value
        for level in (0.8, 0.95)
        for end, value in zip(("low", "high"), answer.intervals[level], strict=True)
    }
    where = {"x": answer.point[axis], "y": answer.median, "name": n.point(answer.point)}
    return {"part": "target", **where, **intervals}


def _levels(colour: Array | None) -> list[str]:
    return [] if colour is None else [n.scale(float(value)) for value in colour]


def _distinct(colour: Array | None) -> Array | None:
    return None if colour is None else np.unique(colour)


def _names(group: GroupForecast, points: int) -> list[str]:
    """Names of the runs in the order of the law picture's points."""
    law = group.law
    frame = law.data
    if group.along and law.run is not None:
        by_run = frame.sort_values(group.along[0], kind="stable").groupby(law.run, sort=False)
        frame = by_run.tail(1)
    named = {run.run.id: _name(run) for run in group.runs}
    if law.run is None or len(frame) != points:
        return [""] * points
    return [named.get(str(run), str(run)) for run in frame[law.run]]


def _name(forecast: RunForecast) -> str:
    """The run's name, with its id where that says more than the name does."""
    return forecast.run.name or forecast.run.id.rpartition("/")[2]


def _shown(group: GroupForecast) -> list[RunForecast]:
    newest = sorted(group.runs, key=lambda each: -(each.run.started or 0))
    return sorted(newest, key=lambda each: each.run.finished)[:_MOST_RUNS]


def _some(rows: int) -> list[int]:
    """Which of so many rows are drawn, the first and the last among them."""
    if rows <= _MOST_POINTS:
        return list(range(rows))
    return [int(i) for i in np.linspace(0, rows - 1, _MOST_POINTS).round()]


def _scale(mode: str, *values: object) -> str:
    """The y axis: logarithmic where values span enough of it for Vega to label such an axis."""
    every = np.concatenate([np.ravel(np.asarray(value, dtype=float)) for value in values])
    every = every[np.isfinite(every)]
    if mode != "min" or not every.size or every.min() <= 0:
        return "linear"
    return "log" if every.max() / every.min() >= _LOG_FROM else "linear"
