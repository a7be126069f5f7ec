"""The figures of a scale-up report, each of its own: verdict, law, residuals, split, next runs.

Needs matplotlib (`pip install 'unsl-tracking[report]'`). The same input gives the same figure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from unsl_tracking.decide import Allocation, NextRuns
from unsl_tracking.report import numbers
from unsl_tracking.report.canvas import (
    add_lines,
    drawable,
    limits,
    log_ticks,
    metric_ticks,
    new_figure,
    ramp,
    style,
)
from unsl_tracking.report.document import LEVELS, Answer
from unsl_tracking.report.fit_check import FitCheck
from unsl_tracking.report.palette import Palette
from unsl_tracking.report.panels import draw_goal, draw_law
from unsl_tracking.report.pictures import LawPicture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT = 5.4, 3.7  # inches
_FEW = 1e-4  # a range that is narrower than this share of its middle is drawn as wide as this


def verdict_figure(answer: Answer, goal: float | None, palette: Palette) -> Figure:
    """The forecast's intervals on a ruler, and the target where there is one."""
    figure = new_figure(9.6, 1.25, palette)
    axes = figure.add_axes((0.02, 0.3, 0.96, 0.42))
    style(axes, palette)
    axes.grid(visible=False)
    axes.set_yticks([])
    for level, alpha in zip(sorted(LEVELS, reverse=True), palette.band_alphas, strict=True):
        low, high = answer.intervals[level]
        axes.fill_between([low, high], -1, 1, color=palette.band, alpha=1.6 * alpha, linewidth=0)
    axes.plot([answer.median] * 2, [-1, 1], color=palette.band, linewidth=2.4)
    ends = [*answer.intervals[0.95], *([] if goal is None else [goal])]
    low, high = min(ends), max(ends)
    margin = max(0.1 * (high - low), _FEW * abs(high))
    axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(-1.25, 1.25)
    _even_ticks(axes)
    for place, text in ((answer.median, f"median {_value(answer, answer.median)}"),):
        _above(axes, place, text, palette.band)
    if goal is not None:
        axes.plot(
            [goal] * 2, [-1.25, 1.25], color=palette.actual, linewidth=1.8, linestyle=(0, (4, 2))
        )
        _below(axes, goal, f"target {goal:.5g}", palette.actual)
    return figure


def law_figure(picture: LawPicture, palette: Palette) -> Figure:
    """The law along one axis with the observations, the bands, the answer and the target."""
    figure, axes = _panel(palette, 0.13)
    draw_law(axes, picture, palette)
    others = numbers.point(picture.band.fixed)
    _title(axes, f"Along {picture.band.axis}" + (f", band at {others}" if others else ""), palette)
    return figure


def residual_figure(fit: FitCheck, palette: Palette) -> Figure:
    """Residuals in percent against size, with one and two standard deviations."""
    figure, axes = _panel(palette, 0.13)
    rows = fit.rows
    size = rows["size"].to_numpy(dtype=float)
    percent = 100.0 * rows["residual"].to_numpy(dtype=float)
    spread = 100.0 * fit.scatter
    for times, alpha in ((2.0, palette.band_alphas[0]), (1.0, palette.band_alphas[1])):
        axes.axhspan(-times * spread, times * spread, color=palette.band, alpha=alpha, linewidth=0)
    axes.axhline(0.0, color=palette.band, linewidth=1.4, zorder=2)
    axes.scatter(
        size,
        percent,
        s=26,
        c=ramp(size, palette),
        edgecolors=palette.background,
        linewidths=0.6,
        zorder=4,
    )
    axes.set_xscale("log")
    axes.set_xlim(*limits(size, logarithmic=True))
    bands = max(2.1 * spread, 1e-3)
    axes.set_ylim(*limits(np.append(percent, [-bands, bands]), logarithmic=False))
    log_ticks(axes, palette)
    metric_ticks(axes, palette, logarithmic=False)
    places = axes.get_yticks()
    step = abs(float(places[1] - places[0])) if len(places) > 1 else bands
    decimals = max(0, numbers.digits_for(0.0, step) - 1)
    axes.yaxis.set_major_formatter(lambda value, _: _signed(float(value), decimals))
    axes.set_xlabel("size (product of the scale axes)", color=palette.muted, fontsize=9.5)
    _title(axes, "Observed above or below the law", palette)
    return figure


def allocation_figure(found: Allocation, palette: Palette) -> Figure:
    """The forecast along the iso-cost curve, what is nearly as good, and the best split."""
    figure, axes = _panel(palette, 0.13)
    axis = next(c.axis for c in found.choices if c.role == "split")
    curve = found.curve.dropna(subset=["median"])
    x, y = curve[axis].to_numpy(dtype=float), curve["median"].to_numpy(dtype=float)
    near = curve["near"].to_numpy(dtype=bool)
    if near.any():
        axes.axvspan(
            float(x[near].min()),
            float(x[near].max()),
            color=palette.band,
            alpha=palette.band_alphas[1],
            linewidth=0,
        )
    axes.plot(x, y, color=palette.band, linewidth=2.0, zorder=3)
    best = found[axis]
    draws = found.draws[axis].to_numpy(dtype=float) if axis in found.draws else np.empty(0)
    axes.set_xscale("log")
    axes.set_xlim(*limits(x, logarithmic=True))
    # A split that is decades off is so bad that the rest would be flat: look at the better half.
    worst = float(np.quantile(y, 0.7 if found.mode == "min" else 0.3))
    median = float(found.forecast.median)
    axes.set_ylim(*limits(np.array([worst, 1.25 * median - 0.25 * worst]), logarithmic=False))
    if draws.size:
        low = axes.get_ylim()[0]
        height = 0.05 * (axes.get_ylim()[1] - low)
        marks = [np.array([[d, low], [d, low + height]]) for d in draws]
        add_lines(axes, marks, colours=[palette.ink], width=0.9, alpha=0.25, zorder=2)
    axes.scatter(
        [best.value],
        [median],
        s=60,
        color=palette.background,
        edgecolors=palette.answer,
        linewidths=2.0,
        zorder=5,
    )
    log_ticks(axes, palette)
    metric_ticks(axes, palette, logarithmic=False)
    axes.set_xlabel(drawable(axis), color=palette.muted, fontsize=9.5, parse_math=False)
    _title(axes, f"{found.metric} of all splits of the budget", palette)
    return figure


def next_runs_figure(found: NextRuns, goal: float | None, palette: Palette) -> Figure:
    """The 80% interval at the target now and after each run, the median staying where it is."""
    figure, axes = _panel(palette, 0.13)
    steps = [found.now, *found.expected]
    ends = np.array([[float(end) for end in each.interval(0.8)] for each in steps])
    x = np.arange(len(steps), dtype=float)
    lines = [np.array([[p, a], [p, b]]) for p, (a, b) in zip(x, ends, strict=True)]
    add_lines(axes, lines, colours=[palette.answer], width=5.0, alpha=0.8, zorder=3)
    axes.scatter(
        x,
        [float(each.median) for each in steps],
        s=44,
        color=palette.background,
        edgecolors=palette.answer,
        linewidths=1.8,
        zorder=4,
    )
    shown = np.concatenate([ends.ravel(), [] if goal is None else [goal]])
    axes.set_ylim(*limits(shown, logarithmic=False))
    axes.set_xlim(-0.5, len(steps) - 0.5)
    axes.set_xticks(x, ["now", *(f"+ run {i}" for i in range(1, len(steps)))])
    metric_ticks(axes, palette, logarithmic=False)
    if goal is not None:
        draw_goal(axes, goal, palette)
    _title(axes, "80% interval at the target after each next run", palette)
    return figure


def _panel(palette: Palette, bottom: float) -> tuple[Figure, Axes]:
    figure = new_figure(_WIDTH, _HEIGHT, palette)
    axes = figure.add_axes((0.62 / _WIDTH, bottom, 1 - 0.84 / _WIDTH, 0.87 - bottom))
    style(axes, palette)
    return figure, axes


def _title(axes: Axes, text: str, palette: Palette) -> None:
    axes.set_title(
        drawable(text, 66),
        loc="left",
        color=palette.ink,
        fontsize=10,
        fontweight="bold",
        pad=9,
        parse_math=False,
    )


def _value(answer: Answer, value: float) -> str:
    return numbers.metric(value, numbers.digits_for(*answer.intervals[0.8]))


def _signed(value: float, decimals: int) -> str:
    return "0" if value == 0.0 else f"{value:+.{decimals}f}%".replace("-", "−")


def _even_ticks(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    low, high = axes.get_xlim()
    even = MaxNLocator(8, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    places = [float(place) for place in even if low <= place <= high]
    exact = (d for d in range(13) if all(abs(p - round(p, d)) < 1e-9 * abs(p) for p in places))
    decimals = next(exact, 12)
    axes.set_xticks(places, [numbers.metric(place, decimals) for place in places])


def _above(axes: Axes, x: float, text: str, colour: str) -> None:
    axes.annotate(
        text,
        (x, 1.25),
        xytext=(0, 4),
        textcoords="offset points",
        color=colour,
        fontsize=9.5,
        fontweight="bold",
        ha="center",
        annotation_clip=False,
    )


def _below(axes: Axes, x: float, text: str, colour: str) -> None:
    axes.annotate(
        text,
        (x, -1.25),
        xytext=(0, -24),
        textcoords="offset points",
        color=colour,
        fontsize=9.5,
        fontweight="bold",
        ha="center",
        annotation_clip=False,
    )
