"""A scale-up report as one HTML file: no script runs, nothing is fetched, it prints.

Needs jinja2 and matplotlib (`pip install 'unsl-tracking[report]'`).
"""

from __future__ import annotations

from collections.abc import Mapping

from unsl_tracking.report import numbers, tables
from unsl_tracking.report.drawings import Drawing, drawings_of
from unsl_tracking.report.lead import VERDICT_WORDS, headline, lead
from unsl_tracking.report.methods import CITATIONS, methods
from unsl_tracking.report.page import MOST_FORMS, axis_row, form_row, other_forms
from unsl_tracking.report.palette import DARK, LIGHT
from unsl_tracking.report.scale_report import ScaleReport
from unsl_tracking.report.templates import colours, safe, template

_COMPARISONS = ("clears", "misses", "straddles")  # which the first sentence tells
MARKS = {"yes": ("✓", "speaks for it"), "no": ("✗", "speaks against it"), "unknown": ("?", "open")}


def report_page(report: ScaleReport, drawings: Mapping[str, Drawing] | None = None) -> str:
    """The report as HTML text; `drawings` are those of `drawings_of`, made here where absent."""
    document, decision = report.document, report.decision
    drawn = {
        name: {"svg": safe(each.svg)} for name, each in (drawings or drawings_of(report)).items()
    }
    title, rows = tables.observation_rows(report)
    return template("report.html.j2").render(
        report=report,
        document=document,
        decision=decision,
        reasons=[each for each in decision.reasons if each.code not in _COMPARISONS]
        if decision is not None
        else [],
        headline=headline(report),
        verdict_words=_words(report),
        where=numbers.point(report.answer.point),
        group=", ".join(f"{k}={v}" for k, v in document.evidence.group.items()),
        lead=lead(report),
        warnings=document.all_warnings(),
        checks=report.checks(),
        marks=MARKS,
        drawings={"allocation": None, "next-runs": None, **drawn},
        laws=[each for name, each in drawn.items() if name.startswith("law-")],
        gains=[{"axis": axis, "cells": cells} for axis, *cells in tables.gain_rows(report)],
        parts=[{"words": w, "value": v, "share": s} for w, v, s in tables.part_rows(report)],
        error_name=error_name(report),
        past=tables.past_rows(report.tested) if report.tested is not None else [],
        supported=supported(report),
        allocation=_allocation(report),
        next_runs=_next_runs(report),
        formula=_formula(report),
        means=numbers.point(report.formula().means),
        heaviest=form_row(document.law.forms[0]),
        forms=[form_row(row) for row in document.law.forms[:MOST_FORMS]],
        others=other_forms(document.law.forms[MOST_FORMS:]),
        axes=[axis_row(axis) for axis in document.evidence.axes],
        left_out=(*document.evidence.dropped, *report.missing),
        rows_title=title,
        rows=rows,
        methods=methods(report),
        citations=CITATIONS,
        json=safe(_inert(report.to_json())),
        colours=colours(LIGHT),
        dark_colours=colours(DARK),
        n=numbers,
    )


def _words(report: ScaleReport) -> str:
    if report.decision is not None:
        return VERDICT_WORDS[report.decision.verdict]
    return f"80%: {numbers.interval(*report.answer.intervals[0.8])}"


def error_name(report: ScaleReport) -> str:
    """What the law is of: the metric, or its distance to the ceiling."""
    ceiling, metric = report.law.ceiling, report.document.metric
    return metric if ceiling is None else f"{numbers.scale(ceiling)} − {metric}"


def supported(report: ScaleReport) -> str:
    """How far the backtest supports forecasts to 5%, as a sentence."""
    if report.tested is None:
        return ""
    decades = report.tested.supported_decades(max_error=0.05)
    if decades <= 0.0:
        return "Not even its nearest forecasts were within 5% (root mean square)."
    return f"Its forecasts were within 5% (root mean square) up to {decades:.2g} decades ahead."


def _formula(report: ScaleReport) -> dict[str, object]:
    formula = report.formula()
    return {
        "symbols": safe(formula.symbols.element),
        "numbers": safe(formula.numbers.element),
        "known": [
            (
                safe(each.symbol.inline),
                each.meaning,
                *(numbers.parameter(v) for v in (each.estimate, each.low, each.high)),
            )
            for each in formula.known
        ],
    }


def _allocation(report: ScaleReport) -> dict[str, object] | None:
    found = report.allocation
    if found is None:
        return None
    return {
        "sentence": tables.allocation_sentence(found),
        "rows": tables.allocation_rows(found),
        "tolerance": f"{100.0 * found.tolerance:.2g}%",
        "warnings": found.warnings,
    }


def _next_runs(report: ScaleReport) -> dict[str, object] | None:
    found = report.next_runs
    if found is None or not len(found):
        return None
    return {
        "sentence": tables.next_sentence(found, report),
        "columns": tables.next_columns(found),
        "rows": tables.next_rows(found),
    }


def _inert(json: str) -> str:
    """JSON that cannot end the element that it stands in."""
    return json.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
