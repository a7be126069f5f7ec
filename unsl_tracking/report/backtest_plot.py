"""The figure of a backtest: forecasts against outcomes, and error and coverage against distance.

    png = backtest_png(law.backtest())

Needs matplotlib (`pip install 'unsl-tracking[report]'`). The same backtest gives the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from unsl_tracking.forecast import Backtest
from unsl_tracking.report import numbers
from unsl_tracking.report.canvas import (
    add_lines,
    drawable,
    limits,
    metric_ticks,
    new_figure,
    png,
    ramp,
    style,
)
from unsl_tracking.report.document import LEVELS, Array
from unsl_tracking.report.palette import LIGHT, Palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT = 13.2, 4.8
_LEFT, _GAP, _PANEL = 0.66, 0.78, 3.6  # inches
_READING = (
    "Bars: 80% intervals.  Colours: from the smallest origin or run to the largest."
    "  Dashed: what each interval promises.  Whiskers: one standard error."
)
_SMALLEST = 1e-4  # errors are drawn as at least this much, on a log axis
_MOST_POINTS = 1500
"""Outcomes drawn; more of them, evenly spread over the table, would not be told apart."""


def backtest_png(tested: Backtest, *, palette: Palette = LIGHT) -> bytes:
    """Three panels under the backtest's headline, as PNG."""
    return png(backtest_figure(tested, palette=palette))


def backtest_figure(
    tested: Backtest, *, palette: Palette = LIGHT, most: int = _MOST_POINTS
) -> Figure:
    """The same as a matplotlib Figure, with at most so many outcomes drawn one by one."""
    figure = new_figure(_WIDTH, _HEIGHT, palette)
    titles = ("Forecast and outcome", "Error of the median", "Coverage of intervals")
    panels = []
    for number, title in enumerate(titles):
        left = _LEFT + number * (_PANEL + _GAP)
        panel = figure.add_axes((left / _WIDTH, 0.16, _PANEL / _WIDTH, 0.57))
        style(panel, palette)
        panel.set_title(title, loc="left", color=palette.ink, fontsize=10, fontweight="bold", pad=9)
        panels.append(panel)
    every = max(1, -(-len(tested.frame) // most))
    shown = tested.frame.iloc[::every]
    colours = ramp(1.0 + shown["unit"].to_numpy(dtype=float), palette)
    _draw_outcomes(panels[0], shown, colours, tested.mode, palette)
    _draw_errors(panels[1], tested, shown, colours, palette)
    _draw_coverage(panels[2], tested, palette)
    _header(figure, tested, palette)
    figure.text(_LEFT / _WIDTH, 0.022, _READING, color=palette.muted, fontsize=7.5)
    return figure


def _header(figure: Figure, tested: Backtest, palette: Palette) -> None:
    count = numbers.plural(len(tested.frame), "outcome")
    where = drawable(f"Backtest of {tested.metric}: {tested.replayed}, {count}", 90)
    left = _LEFT / _WIDTH
    figure.text(left, 0.935, where, color=palette.muted, fontsize=10, parse_math=False)
    overall = tested.coverage([0.8]).iloc[0]
    error = float(tested.error()["median_error"].iloc[0])
    what = "medians were" if tested.mode == "min" else "distances to the ceiling were"
    figure.text(
        left,
        0.852,
        f"80% intervals held {overall['coverage']:.0%}, {what} {_percent(error)} off",
        color=palette.ink,
        fontsize=15,
        fontweight="bold",
    )


def _draw_outcomes(
    axes: Axes, shown: pd.DataFrame, colours: list[str], mode: str, palette: Palette
) -> None:
    actual, median = (shown[name].to_numpy(dtype=float) for name in ("actual", "median"))
    low, high = (shown[name].to_numpy(dtype=float) for name in ("lo80", "hi80"))
    ends = np.concatenate([actual, median])
    logarithmic = mode == "min" and bool((ends > 0.0).all() and (low > 0.0).all())
    around = limits(ends, logarithmic=logarithmic)
    axes.plot(around, around, color=palette.muted, linewidth=1.0, alpha=0.7, zorder=2)
    bars = [np.array([[x, a], [x, b]]) for x, a, b in zip(actual, low, high, strict=True)]
    add_lines(axes, bars, colours=colours, width=1.3, alpha=0.45, zorder=3)
    _points(axes, actual, median, colours, palette)
    if logarithmic:
        axes.set_xscale("log")
        axes.set_yscale("log")
    axes.set_xlim(*around)
    axes.set_ylim(*around)
    metric_ticks(axes, palette, logarithmic=logarithmic)
    # One metric on both axes: the same places, written in the same way.
    axes.set_xticks([float(place) for place in axes.get_yticks()])
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter(axes.yaxis.get_major_formatter())
    ends_of_ramp = {"smallest": colours[0], "largest": colours[-1]}
    if len(set(colours)) > 1:
        handles = [
            axes.scatter([], [], s=26, color=colour, label=name)
            for name, colour in ends_of_ramp.items()
        ]
        _legend(axes, palette, handles=handles)
    _label(axes, "what came out", palette)


def _draw_errors(
    axes: Axes, tested: Backtest, shown: pd.DataFrame, colours: list[str], palette: Palette
) -> None:
    size = np.maximum(np.abs(shown["ln_error"].to_numpy(dtype=float)), _SMALLEST)
    _points(axes, shown["decades"].to_numpy(dtype=float), size, colours, palette)
    bins = tested.error().iloc[1:]
    x = _centres(tested)
    y = np.maximum(bins["median_error"].to_numpy(dtype=float), _SMALLEST)
    axes.plot(x, y, color=palette.actual, linewidth=1.8, zorder=5)
    axes.scatter(x, y, s=44, color=palette.actual, edgecolors=palette.background, zorder=6)
    reach = float(shown["decades"].max()) or 1.0
    axes.set_xlim(-0.04 * reach, 1.04 * reach)
    axes.set_yscale("log")
    axes.set_ylim(*limits(np.concatenate([size, y]), logarithmic=True))
    metric_ticks(axes, palette, logarithmic=True)
    axes.yaxis.set_major_formatter(lambda value, _: _percent(float(value)))
    _label(axes, "decades beyond the data (line: median)", palette)


def _draw_coverage(axes: Axes, tested: Backtest, palette: Palette) -> None:
    table = tested.coverage()
    table = table[table["bin"] != "all"]
    names = list(dict.fromkeys(table["bin"]))
    x = np.arange(len(names), dtype=float)
    shades = palette.ramp[1::2]
    for number, (level, shade) in enumerate(zip(LEVELS, (*shades, palette.ink), strict=False)):
        rows = table[table["level"] == level]
        place = x + 0.12 * (number - 1)
        held = rows["coverage"].to_numpy(dtype=float)
        axes.axhline(level, color=shade, linewidth=1.0, linestyle=(0, (4, 3)), alpha=0.8, zorder=2)
        ends = [
            np.array([[p, h - s], [p, h + s]])
            for p, h, s in zip(place, held, rows["se"].to_numpy(dtype=float), strict=True)
        ]
        add_lines(axes, ends, colours=[shade] * len(ends), width=1.2, alpha=0.6, zorder=3)
        axes.plot(
            place, held, color=shade, linewidth=0, marker="o", markersize=6, label=f"{level:.0%}"
        )
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(0.0, 1.05)
    axes.set_yticks([0.0, 0.25, 0.5, 0.75, 1.0], ["0%", "25%", "50%", "75%", "100%"])
    axes.set_xticks(x, names)
    _label(axes, "decades beyond the data", palette)
    _legend(axes, palette)


def _points(axes: Axes, x: Array, y: Array, colours: list[str], palette: Palette) -> None:
    axes.scatter(x, y, s=26, c=colours, edgecolors=palette.background, linewidths=0.6, zorder=4)


def _legend(axes: Axes, palette: Palette, **given: Any) -> None:
    """On the line of the panel's title, where no point can be."""
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.02, 0.985),
        fontsize=8.5,
        frameon=False,
        labelcolor=palette.muted,
        ncols=3,
        handletextpad=0.1,
        columnspacing=0.8,
        **given,
    )


def _label(axes: Axes, text: str, palette: Palette) -> None:
    axes.set_xlabel(text, color=palette.muted, fontsize=9.5)


def _centres(tested: Backtest) -> Array:
    """Mean distance of the outcomes in each bin (bins,)."""
    return np.array([part["decades"].mean() for _, part, _ in tested.bins()[1:]])


def _percent(error: float) -> str:
    """An error in ln as a percentage, with two digits."""
    return f"{100.0 * error:.2g}%" if error < 0.995 else f"{100.0 * error:.0f}%"
