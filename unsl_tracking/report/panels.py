"""The two panels of a figure: the law along a scale axis, and one run along its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from unsl_tracking.report import numbers
from unsl_tracking.report.canvas import (
    add_lines,
    drawable,
    limits,
    log_ticks,
    metric_ticks,
    ramp,
)
from unsl_tracking.report.document import LEVELS, Answer, Array, Band
from unsl_tracking.report.palette import Palette
from unsl_tracking.report.pictures import CurvePicture, LawPicture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_LEVELS = 6
"""With more distinct values of the second axis than this, a colour bar replaces the legend."""


def draw_law(axes: Axes, picture: LawPicture, palette: Palette) -> None:
    """Observed runs, the median and its bands, the answer and the actual value if known."""
    _draw_band(axes, picture.band, palette)
    colours = _point_colours(picture, palette)
    for line, colour in zip(picture.slices, _slice_colours(picture, palette), strict=True):
        axes.plot(line.x, line.median, color=colour, linewidth=1.1, alpha=0.75, zorder=2.5)
    ends = np.stack([picture.y, picture.fitted], axis=1)
    sticks = [
        np.array([[x, y], [x, fitted]]) for x, (y, fitted) in zip(picture.x, ends, strict=True)
    ]
    add_lines(axes, sticks, colours=colours, width=1.0, alpha=0.55, zorder=3)
    axes.scatter(
        picture.x,
        picture.y,
        s=34,
        c=colours,
        edgecolors=palette.background,
        linewidths=0.8,
        zorder=4,
    )
    if picture.highlight is not None:
        x, y = picture.highlight
        axes.scatter(
            [x], [y], s=120, facecolors="none", edgecolors=palette.ink, linewidths=1.4, zorder=5
        )
    _draw_answer(axes, picture.answer, picture.band.axis, palette)
    asked = [] if picture.goal is None else [np.array([picture.goal])]
    values = np.concatenate([picture.y, picture.fitted, *asked, *_answer_values(picture.answer)])
    _frame(axes, picture.band, values, picture.mode, palette)
    if picture.goal is not None:
        draw_goal(axes, picture.goal, palette)
    _colour_key(axes, picture, palette)


def draw_goal(axes: Axes, goal: float, palette: Palette) -> None:
    """A dashed line across the panel at the value that was asked for, named at its left end."""
    axes.axhline(goal, color=palette.actual, linewidth=1.3, linestyle=(0, (5, 3)), zorder=2.8)
    axes.annotate(
        f"target {goal:.5g}",
        (0.0, goal),
        xycoords=("axes fraction", "data"),
        xytext=(4, 4),
        textcoords="offset points",
        color=palette.actual,
        fontsize=8.5,
        zorder=9,
    )


def draw_curve(axes: Axes, picture: CurvePicture, palette: Palette) -> None:
    """The run's own points, its siblings behind, the forecast band and the expected end."""
    behind = [np.column_stack([x, y]) for x, y in picture.siblings]
    add_lines(axes, behind, colours=[palette.muted], width=0.8, alpha=0.35, zorder=1)
    _draw_band(axes, picture.band, palette)
    axes.plot(picture.x, picture.y, color=palette.ink, linewidth=1.2, alpha=0.5, zorder=3)
    axes.scatter(
        picture.x, picture.y, s=13, color=palette.ink, linewidths=0, zorder=4, label="this run"
    )
    _draw_answer(axes, picture.answer, picture.band.axis, palette)
    shown = [y[(x >= picture.band.x[0])] for x, y in picture.siblings]  # the rest is cut off
    values = np.concatenate(
        [picture.y, picture.band.median, *shown, *_answer_values(picture.answer)]
    )
    _frame(axes, picture.band, values, picture.mode, palette)


def _draw_band(axes: Axes, band: Band, palette: Palette) -> None:
    for level, alpha in zip(sorted(LEVELS, reverse=True), palette.band_alphas, strict=True):
        low, high = band.intervals[level]
        axes.fill_between(band.x, low, high, color=palette.band, alpha=alpha, linewidth=0, zorder=2)
    axes.plot(band.x, band.median, color=palette.band, linewidth=1.8, zorder=3)


def _draw_answer(axes: Axes, answer: Answer, axis: str, palette: Palette) -> None:
    """A thin bar for 95%, a thick one for 80%, a dot for the median, a diamond for the truth."""
    x = answer.point[axis]
    for level, width in ((0.95, 1.6), (0.8, 5.0)):
        axes.plot(
            [x, x],
            answer.intervals[level],
            color=palette.answer,
            linewidth=width,
            solid_capstyle="round",
            zorder=6,
        )
    axes.scatter(
        [x],
        [answer.median],
        s=52,
        color=palette.background,
        edgecolors=palette.answer,
        linewidths=2.0,
        zorder=7,
    )
    if answer.actual is not None:
        axes.scatter(
            [x],
            [answer.actual],
            s=70,
            marker="D",
            color=palette.actual,
            edgecolors=palette.background,
            linewidths=1.0,
            zorder=8,
        )


def _answer_values(answer: Answer) -> list[Array]:
    low, high = answer.intervals[0.95]
    known = [] if answer.actual is None else [answer.actual]
    return [np.array([low, high, answer.median, *known])]


def _frame(axes: Axes, band: Band, values: Array, mode: str, palette: Palette) -> None:
    axes.set_xscale("log")
    low, high = float(band.x[0]), float(band.x[-1])
    margin = (high / low) ** 0.03
    axes.set_xlim(low / margin, high * margin)
    positive = mode == "min" and bool((values > 0).all())
    axes.set_yscale("log" if positive else "linear")
    axes.set_ylim(*limits(values, logarithmic=positive))
    log_ticks(axes, palette)
    metric_ticks(axes, palette, logarithmic=positive)
    axes.set_xlabel(drawable(band.axis), color=palette.muted, fontsize=9.5, parse_math=False)


def _point_colours(picture: LawPicture, palette: Palette) -> list[str]:
    if picture.colour is None:
        return [palette.ink] * picture.x.size
    return ramp(picture.colour, palette)


def _slice_colours(picture: LawPicture, palette: Palette) -> list[str]:
    if picture.colour is None or not picture.slices:
        return []
    return ramp(np.unique(picture.colour), palette)


def _colour_key(axes: Axes, picture: LawPicture, palette: Palette) -> None:
    """A small legend of the second axis: every level, or the ends and the middle of many."""
    if picture.colour is None or picture.colour_axis is None:
        return
    levels = np.unique(picture.colour)
    if levels.size > _MOST_LEVELS:
        spread = np.linspace(0, levels.size - 1, 5).round().astype(int)
        levels = levels[spread]
    colours = ramp(levels, palette)
    handles = [
        axes.scatter([], [], s=34, color=colour, label=numbers.scale(float(level)))
        for level, colour in zip(levels, colours, strict=True)
    ]
    legend = axes.legend(
        handles=handles,
        loc="upper right" if picture.mode == "min" else "lower right",
        fontsize=8.5,
        frameon=False,
        labelcolor=palette.muted,
        handletextpad=0.1,
        borderaxespad=0.2,
        labelspacing=0.35,
    )
    legend.set_title(drawable(picture.colour_axis))
    title = legend.get_title()
    title.set_parse_math(False)  # a name is never a formula
    title.set(color=palette.muted, fontsize=8.5)
