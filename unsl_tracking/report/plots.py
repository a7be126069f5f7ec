"""The figure of a forecast: its number as the title, the law, and the run's own curve beside it.

    png = forecast_png(document, law_picture, curve_picture)        # bytes, light
    png = forecast_png(document, law_picture, palette=DARK)         # without a curve

Needs matplotlib (`pip install 'unsl-tracking[report]'`). Nothing here touches pyplot or rcParams,
so figures can be drawn from any thread. The same input gives the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unsl_tracking.report import numbers
from unsl_tracking.report.canvas import drawable, new_figure, png, style
from unsl_tracking.report.document import Answer, Document
from unsl_tracking.report.palette import LIGHT, Palette
from unsl_tracking.report.panels import draw_curve, draw_law
from unsl_tracking.report.pictures import CurvePicture, LawPicture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HEIGHT = 4.8
_READING = (
    "Line: median forecast.  Shades: 50, 80 and 95%.  Bar: 80% (thick) and 95% (thin) at the"
    " forecast point."
)
_HEADER = 0.80  # share of the height below which the panels end


def forecast_png(
    document: Document,
    law: LawPicture,
    curve: CurvePicture | None = None,
    *,
    palette: Palette = LIGHT,
) -> bytes:
    """One or two panels under the document's headline, as PNG."""
    return png(forecast_figure(document, law, curve, palette=palette))


def forecast_figure(
    document: Document,
    law: LawPicture,
    curve: CurvePicture | None = None,
    *,
    palette: Palette = LIGHT,
) -> Figure:
    """The same as a matplotlib Figure."""
    width = 6.6 if curve is None else 10.4
    figure = new_figure(width, _HEIGHT, palette)
    left, right = 0.62 / width, 1 - 0.22 / width
    if curve is None:
        panels = [figure.add_axes((left, 0.15, right - left, _HEADER - 0.215))]
    else:
        each = (right - left - 0.75 / width) / 2
        panels = [
            figure.add_axes((left, 0.15, each, _HEADER - 0.215)),
            figure.add_axes((right - each, 0.15, each, _HEADER - 0.215)),
        ]
    for panel in panels:
        style(panel, palette)
    draw_law(panels[0], law, palette)
    _title(panels[0], _law_title(law), palette)
    _header(figure, document.metric, law.answer, left, palette)
    if curve is not None:
        draw_curve(panels[1], curve, palette)
        _title(panels[1], _curve_title(document, curve), palette)
        if curve.answer is not law.answer:
            _header(figure, document.metric, curve.answer, panels[1].get_position().x0, palette)
    figure.text(left, 0.022, _READING, color=palette.muted, fontsize=7.5)
    return figure


def _header(figure: Figure, metric: str, answer: Answer, left: float, palette: Palette) -> None:
    """Where, then the number, its interval and, when known, what really happened."""
    low, high = answer.intervals[0.8]
    decimals = numbers.digits_for(low, high)
    where = drawable(f"{metric} at {numbers.point(answer.point)}", 70)
    figure.text(left, 0.935, where, color=palette.muted, fontsize=10, parse_math=False)
    parts = [
        (numbers.metric(answer.median, decimals), palette.ink, 19.0, "bold"),
        (f"80%: {numbers.interval(low, high)}", palette.answer, 10.5, "normal"),
    ]
    if answer.actual is not None:
        parts.append((_actual_text(answer, decimals), palette.actual, 10.5, "bold"))
    for text, colour, size, weight in parts:
        drawn = figure.text(
            left, 0.852, text, color=colour, fontsize=size, fontweight=weight, va="baseline"
        )
        width = drawn.get_window_extent(figure.canvas.get_renderer()).width  # type: ignore[attr-defined]
        left += (width / figure.dpi + 0.14) / figure.get_size_inches()[0]


def _actual_text(answer: Answer, decimals: int) -> str:
    verdict = "inside" if answer.inside(0.8) else "outside"
    assert answer.actual is not None
    return f"actual {numbers.metric(answer.actual, decimals)}, {verdict}"


def _law_title(law: LawPicture) -> str:
    fixed = numbers.point(law.band.fixed)
    return f"Along {law.band.axis}" + (f", band at {fixed}" if fixed else "")


def _curve_title(document: Document, curve: CurvePicture) -> str:
    name = document.run.name if document.run is not None else ""
    return f"{name or 'This run'} along {curve.band.axis}"


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
