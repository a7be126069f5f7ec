"""One HTML file that holds everything about a forecast, for people who open the artifact.

Self-contained: pictures are inline, no script, no font, no request leaves it, so it works in a
sandboxed frame and offline. All text is escaped by the template engine. Light and dark.

Needs jinja2 (`pip install 'unsl-tracking[report]'`).
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence

from unsl_tracking.report import numbers
from unsl_tracking.report.document import Answer, AxisNote, Document
from unsl_tracking.report.palette import DARK, LIGHT
from unsl_tracking.report.templates import colours, template

MOST_FORMS = 6  # listed one by one
_NAMES = {"final": "End of this run", "target": "Target"}


def page(document: Document, *, light: bytes, dark: bytes | None = None) -> str:
    """The document as HTML text. `light` and `dark` are PNG files of its figure."""
    return template("page.html.j2").render(
        document=document,
        headline=document.headline,
        answers=[_answer(document, answer) for answer in document.answers],
        warnings=document.all_warnings(),
        axes=[axis_row(axis) for axis in document.evidence.axes],
        forms=[form_row(row) for row in document.law.forms[:MOST_FORMS]],
        others=other_forms(document.law.forms[MOST_FORMS:]),
        parameters=by_form(document.law.parameters),
        light=_inline(light),
        dark=_inline(dark) if dark else None,
        colours=colours(LIGHT),
        dark_colours=colours(DARK),
        n=numbers,
    )


def _inline(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _answer(document: Document, answer: Answer) -> dict[str, object]:
    low, high = answer.intervals[0.8]
    decimals = numbers.digits_for(low, high)
    return {
        "label": _NAMES.get(answer.name, answer.name),
        "median": numbers.metric(answer.median, decimals),
        "where": numbers.point(answer.point),
        "why": answer.why,
        "intervals": [
            (f"{level:.0%}", numbers.interval(*answer.intervals[level]))
            for level in (0.5, 0.8, 0.95)
        ],
        "actual": None if answer.actual is None else numbers.metric(answer.actual, decimals),
        "inside": answer.inside(0.8),
        "main": answer is document.headline,
    }


def axis_row(axis: AxisNote) -> dict[str, str]:
    """An axis as cells of a table."""
    return {
        "name": axis.name,
        "range": f"{numbers.scale(axis.low)} – {numbers.scale(axis.high)}",
        "levels": numbers.plural(axis.levels, "value"),
        "why": axis.why,
    }


def form_row(row: Mapping[str, object]) -> dict[str, object]:
    """A form of the mixture as cells of a table."""
    weight = _real(row.get("weight")) or 0.0
    return {
        "form": str(row.get("form", "")),
        "weight": numbers.percent(weight),
        "share": f"{100 * min(1.0, max(0.0, weight)):.1f}",
        "error": _maybe_percent(row.get("origin_error")),
        "parameters": str(row.get("parameters", "")),
    }


def other_forms(rows: Sequence[Mapping[str, object]]) -> dict[str, object] | None:
    """One row for all forms that are not listed."""
    if not rows:
        return None
    weight = sum(_real(row.get("weight")) or 0.0 for row in rows)
    return {**form_row({"weight": weight}), "form": numbers.plural(len(rows), "other")}


def by_form(rows: Sequence[Mapping[str, object]]) -> list[tuple[str, list[dict[str, str]]]]:
    """Parameters under their forms, in the order in which the forms come."""
    forms: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        cells = {name: str(row.get(name, "")) for name in ("parameter", "meaning")}
        for name in ("estimate", "lo80", "hi80"):
            value = _real(row.get(name))
            cells[name] = "–" if value is None else f"{value:.4g}"
        forms.setdefault(str(row.get("form", "")), []).append(cells)
    return list(forms.items())


def _maybe_percent(value: object) -> str:
    """A root mean square log error read as a relative error."""
    error = _real(value)
    return "–" if error is None else f"{100 * error:.2g}%"


def _real(value: object) -> float | None:
    if isinstance(value, (int, float)) and math.isfinite(value):
        return float(value)
    return None
