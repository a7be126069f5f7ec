"""Tables of a report as rows of text, the same in the page and in markdown."""

from __future__ import annotations

import math

import pandas as pd

from unsl_tracking.decide import Allocation, AxisChoice, NextRuns
from unsl_tracking.forecast import Backtest
from unsl_tracking.report import numbers
from unsl_tracking.report.checks import percent
from unsl_tracking.report.document import LEVELS
from unsl_tracking.report.fit_check import FitCheck
from unsl_tracking.report.scale_report import ScaleReport

_MOST_RUNS = 200
Rows = list[tuple[str, ...]]


def gain_rows(report: ScaleReport) -> Rows:
    """Axis, median at 2 ×, its change, median at 10 ×, its change."""
    decimals = numbers.digits_for(*report.answer.intervals[0.8]) + 1
    cells: dict[str, list[str]] = {}
    for gain in report.gains():
        name = gain.axis if gain.axis is not None else "all of them"
        change = f"{100.0 * gain.change:+.1f}%"
        cells.setdefault(name, []).extend((numbers.metric(gain.median, decimals), change))
    return [(name, *texts) for name, texts in cells.items()]


def part_rows(report: ScaleReport) -> Rows:
    """What the forecast is made of: words, value, share."""
    decimals = numbers.digits_for(*report.answer.intervals[0.8])
    return [
        (part.words, numbers.metric(part.value, decimals), numbers.percent(part.share))
        for part in report.parts()
    ]


def past_rows(tested: Backtest) -> Rows:
    """Decades beyond the data, outcomes, median error, bias, share held by 50, 80 and 95%."""
    coverage = tested.coverage(LEVELS).set_index(["bin", "level"])["coverage"]
    return [
        (
            str(row["bin"]),
            str(row["rows"]),
            percent(float(row["median_error"])),
            f"{100.0 * float(row['bias']):+.1f}%",
            *(f"{coverage[row['bin'], level]:.0%}" for level in LEVELS),
        )
        for row in tested.error().to_dict(orient="records")
    ]


def allocation_rows(found: Allocation) -> Rows:
    """Axis, best, its 80% interval, what is nearly as good, exponent on the budget."""
    return [_choice_row(choice) for choice in found.choices]


def _choice_row(choice: AxisChoice) -> tuple[str, ...]:
    best = numbers.scale(choice.value) + (" (as far as was looked)" if choice.at_bound else "")
    ends = (choice.low, choice.high, choice.near_low, choice.near_high)
    exponent = "–" if math.isnan(choice.exponent) else f"{choice.exponent:.2f}"
    return (choice.axis, best, *(_scale(end) for end in ends), exponent)


def allocation_sentence(found: Allocation) -> str:
    """The split in words."""
    low, high = (float(end) for end in found.forecast.interval(0.8))
    median = numbers.metric(float(found.forecast.median), numbers.digits_for(low, high))
    cost = f"{found.cost_expression} = {numbers.scale(found.budget)}"
    text = (
        f"Of all splits of the budget ({cost}) the law expects most of "
        f"{numbers.point(found.point)}: {found.metric} {median} (80%: "
        f"{numbers.interval(low, high)})."
    )
    if found.inference_expression is not None:
        share = numbers.percent(found.inference_cost / found.cost) if found.cost else "0%"
        text += f" {share} of it is for inference ({found.inference_expression})."
    return text


def next_columns(found: NextRuns) -> list[str]:
    """Names of the columns of `next_rows`."""
    own = [str(name) for name in found.runs.columns if name not in _NEXT]
    return [*own, "cost", "in all", "variance removed", "interval then"]


_NEXT = ("cost", "total_cost", "gain", "width")


def next_rows(found: NextRuns) -> Rows:
    """A row per run: its axes, cost, cost so far, gain, the interval after it."""
    rows = []
    table = found.to_frame()
    own = [name for name in found.runs.columns if name not in _NEXT]
    for row in table.to_dict(orient="records"):
        rows.append(
            (
                *(_scale(row[name]) for name in own),
                _scale(row["cost"]),
                _scale(row["total_cost"]),
                numbers.percent(float(row["gain"])),
                numbers.interval(float(row["lo80"]), float(row["hi80"])),
            )
        )
    return rows


def next_sentence(found: NextRuns, report: ScaleReport) -> str:
    """What the runs would do, and how many decide it."""
    width = 100.0 * float(found.runs["width"].iloc[-1]) if len(found) else 100.0
    runs = numbers.plural(len(found), "run")
    text = (
        f"These {runs}, the most telling for their cost first, would leave the 80% interval at "
        f"the target {width:.0f}% as wide as it is now."
    )
    decision = report.decision
    if decision is None or not 0.5 < decision.confidence < 1.0 or not len(found):
        return text
    count = found.deciding(decision.target, decision.confidence)
    if count is None:
        return f"{text} If the median stays where it is, they do not decide the question."
    if count == 0:
        return text
    return f"{text} If the median stays where it is, the first {count} would decide the question."


def observation_rows(report: ScaleReport) -> tuple[str, Rows]:
    """A title, and the observations with the law beside them, the header first."""
    fit, law = report.fit, report.law
    rows = fit.rows
    if len(rows) > _MOST_RUNS and rows["run"].notna().all():
        rows = rows.groupby("run", sort=False).tail(1)
    rows = rows.tail(_MOST_RUNS)
    names = [] if law.run is None else ["run"]
    table: Rows = [(*names, *law.axes, law.value, "the law", "off by")]
    for row in rows.to_dict(orient="records"):
        first = [] if law.run is None else [str(row["run"])]
        places = [numbers.scale(float(row[axis])) for axis in law.axes]
        values = [f"{float(row[name]):.5g}" for name in ("actual", "fitted")]
        table.append((*first, *places, *values, f"{100.0 * float(row['residual']):+.2f}%"))
    return _rows_title(fit, len(rows)), table


def _rows_title(fit: FitCheck, shown: int) -> str:
    if shown == fit.count:
        return f"All {numbers.plural(shown, 'observation')} with the law beside them"
    return f"{shown} of {fit.count} observations with the law beside them"


def _scale(value: object) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return "–" if math.isnan(value) else numbers.scale(float(value))
    return "–" if value is None or value is pd.NA else str(value)
