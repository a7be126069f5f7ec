"""The figures that a report shows, as SVG, each with what it shows in words."""

from __future__ import annotations

from dataclasses import dataclass

from unsl_tracking.report import numbers
from unsl_tracking.report.backtest_plot import backtest_figure
from unsl_tracking.report.checks import percent
from unsl_tracking.report.pictures import law_picture
from unsl_tracking.report.report_figures import (
    allocation_figure,
    law_figure,
    next_runs_figure,
    residual_figure,
    verdict_figure,
)
from unsl_tracking.report.scale_report import ScaleReport
from unsl_tracking.report.vector import themed_svg

_MOST = 250
"""Observations or outcomes that a figure draws one by one, for a page that is quick to open."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """An `<svg>` element; `name` is its id and file name, `description` its text alternative."""

    name: str
    title: str
    description: str
    svg: str


def drawings_of(report: ScaleReport) -> dict[str, Drawing]:
    """Every figure by name: verdict, law-1 …, residuals, backtest, allocation, next-runs."""
    found = [_verdict(report), *_laws(report), _residuals(report)]
    found += [each for each in (_backtest(report), _allocation(report), _next_runs(report)) if each]
    return {each.name: each for each in found}


def _verdict(report: ScaleReport) -> Drawing:
    answer, goal = report.answer, report.goal
    low, high = answer.intervals[0.8]
    median = numbers.metric(answer.median, numbers.digits_for(low, high))
    title = f"Forecast of {report.document.metric} at {numbers.point(answer.point)}"
    text = f"Median {median}, 80% interval {numbers.interval(low, high)}"
    text += "" if goal is None else f"; target {goal:.5g}"
    svg = themed_svg(lambda palette: verdict_figure(answer, goal, palette), "verdict", title, text)
    return Drawing("verdict", title, text, svg)


def _laws(report: ScaleReport) -> list[Drawing]:
    """The law along every axis; along one that runs go along, with all points of the runs."""
    law, answer = report.law, report.answer
    within = _along_runs(report)
    drawings = []
    for number, axis in enumerate(law.axes, start=1):
        picture = law_picture(
            law,
            answer,
            along=within if axis != within else None,
            run_column=law.run,
            axis=axis,
            goal=report.goal,
            most=_MOST,
        )
        name, title = f"law-{number}", f"{law.value} along {axis}"
        x = law.data[axis]
        text = (
            f"{len(picture.x)} observations from {axis} {numbers.scale(float(x.min()))} to "
            f"{numbers.scale(float(x.max()))}, and the law's median with its 50, 80 and 95% "
            f"intervals up to {numbers.scale(answer.point[axis])}"
        )
        svg = themed_svg(lambda palette, p=picture: law_figure(p, palette), name, title, text)  # type: ignore[misc]
        drawings.append(Drawing(name, title, text, svg))
    return drawings


def _along_runs(report: ScaleReport) -> str | None:
    """The axis that grows along runs, if any."""
    law = report.law
    if law.run is None:
        return None
    varies = law.data.groupby(law.run, sort=False)[list(law.axes)].nunique().max()
    return next((axis for axis in law.axes if varies[axis] > 1), None)


def _residuals(report: ScaleReport) -> Drawing:
    fit = report.fit
    title = "Residuals against scale"
    text = (
        f"{len(fit.rows)} of {fit.count} observations, in percent above or below the law, with "
        f"bands of one and two standard deviations ({percent(fit.scatter)})"
    )
    svg = themed_svg(lambda palette: residual_figure(fit, palette), "residuals", title, text)
    return Drawing("residuals", title, text, svg)


def _backtest(report: ScaleReport) -> Drawing | None:
    tested = report.tested
    if tested is None:
        return None
    title = "Forecasts of the past against their outcomes"
    held = float(tested.coverage([0.8]).iloc[0]["coverage"])
    text = (
        f"{len(tested.frame)} outcomes; 80% intervals held {held:.0%} of them. Left: forecast "
        "against outcome. Middle: error against distance. Right: how often intervals held"
    )
    svg = themed_svg(
        lambda palette: backtest_figure(tested, palette=palette, most=_MOST),
        "backtest",
        title,
        text,
    )
    return Drawing("backtest", title, text, svg)


def _allocation(report: ScaleReport) -> Drawing | None:
    found = report.allocation
    if found is None or not any(c.role == "split" for c in found.choices) or found.curve.empty:
        return None
    title = f"Splits of the budget {numbers.scale(found.budget)}"
    best = numbers.point(found.point)
    text = f"{found.metric} along the splits that cost the same; it is best at {best}"
    svg = themed_svg(lambda palette: allocation_figure(found, palette), "allocation", title, text)
    return Drawing("allocation", title, text, svg)


def _next_runs(report: ScaleReport) -> Drawing | None:
    found = report.next_runs
    if found is None or not len(found):
        return None
    title = "What the next runs would tell"
    width = 100.0 * float(found.runs["width"].iloc[-1])
    text = f"80% interval at the target; after {len(found)} runs {width:.0f}% as wide as now"
    svg = themed_svg(
        lambda palette: next_runs_figure(found, report.goal, palette), "next-runs", title, text
    )
    return Drawing("next-runs", title, text, svg)
