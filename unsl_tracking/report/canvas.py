"""Figures without pyplot: an Agg canvas, axis ticks that suit a metric, text that cannot fail."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from unsl_tracking.errors import MissingDependency
from unsl_tracking.report import numbers
from unsl_tracking.report.document import Array
from unsl_tracking.report.palette import Palette

try:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import LineCollection
    from matplotlib.colors import LinearSegmentedColormap, to_hex
    from matplotlib.figure import Figure
    from matplotlib.font_manager import findfont, get_font
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter
    from PIL import Image  # matplotlib needs it too
except ImportError as error:  # pragma: no cover - the minimal-install check runs this
    raise MissingDependency(
        "Pictures need matplotlib", next_step="pip install 'unsl-tracking[report]'"
    ) from error

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DPI = 160
_SHORT_DECADES = 1.3
"""Below this many decades a log axis gets evenly spaced numbers instead of powers of ten."""


def new_figure(width: float, height: float, palette: Palette) -> Figure:
    """An empty figure, sizes in inches."""
    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor=palette.background)
    FigureCanvasAgg(figure)
    return figure


def png(figure: Figure) -> bytes:
    """The figure as PNG with a palette of 256 colours, a quarter of the size of full colour.

    The same bytes for the same figure: no date, no version of a program.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    picture = Image.fromarray(pixels).convert("RGB")
    buffer = io.BytesIO()
    few = picture.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(buffer, format="PNG")
    return buffer.getvalue()


@lru_cache(maxsize=1)
def _font() -> object:
    return get_font(findfont("DejaVu Sans"))


def drawable(text: str, limit: int = 80) -> str:
    """One line of text that the font can draw: a box for unknown characters, cut at `limit`."""
    font = _font()
    line = " ".join(text.split())
    known = "".join(
        char if font.get_char_index(ord(char)) else "▯"  # type: ignore[attr-defined]
        for char in line
    )
    return known if len(known) <= limit else known[: limit - 1] + "…"


def ramp(values: Array, palette: Palette) -> list[str]:
    """A colour per positive value, by its logarithm between the smallest and the largest."""
    colours = LinearSegmentedColormap.from_list("ramp", palette.ramp)
    logs = np.log(values)
    span = logs.max() - logs.min()
    shares = (logs - logs.min()) / span if span > 0 else np.full(logs.shape, 0.5)
    return [to_hex(colours(float(share))) for share in shares]


def limits(values: Array, *, logarithmic: bool) -> tuple[float, float]:
    """The range of the values with a margin of 8% on both sides."""
    seen = np.log(values) if logarithmic else values
    low, high = float(seen.min()), float(seen.max())
    margin = 0.08 * (high - low) or 0.05
    low, high = low - margin, high + margin
    return (float(np.exp(low)), float(np.exp(high))) if logarithmic else (low, high)


def style(axes: Axes, palette: Palette) -> None:
    """A quiet frame: no box, pale horizontal lines, muted numbers."""
    axes.set_facecolor(palette.background)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(palette.grid)
    axes.grid(axis="y", color=palette.grid, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", length=0, labelsize=8.5, labelcolor=palette.muted)


def add_lines(
    axes: Axes,
    lines: Sequence[Array],
    *,
    colours: Sequence[str],
    width: float,
    alpha: float,
    zorder: float,
) -> None:
    """Many lines, each (n, 2), as one object: a tenth of the time of as many calls of `plot`."""
    axes.add_collection(
        LineCollection(lines, colors=colours, linewidths=width, alpha=alpha, zorder=zorder)
    )


def log_ticks(axes: Axes, palette: Palette) -> None:
    """About five round places on the x axis, written as people write scales (1e6, 2e6, 5e6)."""
    del palette
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(FixedLocator(_round_places(low, high)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: numbers.scale(float(value))))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()


def metric_ticks(axes: Axes, palette: Palette, *, logarithmic: bool) -> None:
    """Plain numbers on the y axis, evenly spaced unless the metric spans decades."""
    del palette
    low, high = axes.get_ylim()
    if not logarithmic or high / low < 10**_SHORT_DECADES:
        even = MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        places = [float(place) for place in even if low <= place <= high]
    else:
        places = _round_places(low, high)
    step = float(np.diff(places).min()) if len(places) > 1 else high - low
    decimals = numbers.digits_for(0.0, step * 1.0001)
    axes.yaxis.set_major_locator(FixedLocator(places))
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: _tick(float(value), decimals, logarithmic))
    )
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_minor_locator(FixedLocator([]))


def _tick(value: float, decimals: int, logarithmic: bool) -> str:
    text = numbers.metric(value, decimals)
    if "." in text and "e" not in text and not logarithmic:
        return text
    return f"{value:.4g}" if "e" not in text else text


def _round_places(low: float, high: float) -> list[float]:
    """1-2-5 places between low and high, thinned to powers of ten over many decades."""
    for factors in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
        exponents = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
        places = [factor * 10.0**exponent for exponent in exponents for factor in factors]
        places = [place for place in places if low <= place <= high]
        if len(places) <= 7:
            break
    every = max(1, int(np.ceil(len(places) / 7)))
    return places[::every]
