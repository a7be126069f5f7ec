"""A scale-up report as markdown: for a pull request, a job's summary, a wiki.

Every text from a run is escaped; formulas are LaTeX between `$$`, which GitHub and GitLab draw.
"""

from __future__ import annotations

from collections.abc import Sequence

from unsl_tracking.report import numbers, tables
from unsl_tracking.report.card import escape
from unsl_tracking.report.lead import VERDICT_WORDS, headline, lead
from unsl_tracking.report.methods import CITATIONS, methods
from unsl_tracking.report.page import MOST_FORMS, axis_row, form_row
from unsl_tracking.report.report_page import MARKS, error_name, supported
from unsl_tracking.report.scale_report import ScaleReport

_LONGEST = 600


def report_markdown(report: ScaleReport, drawings: dict[str, str] | None = None) -> str:
    """The report as markdown; `drawings` maps names of figures to the links of their files."""
    links = drawings or {}
    blocks = [
        *_head(report, links),
        *_checks(report),
        *_law_and_data(report, links),
        *_past(report, links),
        *_budget(report, links),
        *_next(report, links),
        *_formula(report),
        *_reading(report),
        *_methods(report),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _head(report: ScaleReport, links: dict[str, str]) -> list[str]:
    document = report.document
    words = ""
    if report.decision is not None:
        words = f": {VERDICT_WORDS[report.decision.verdict]}"
    where = _e(numbers.point(report.answer.point))
    reasons = [] if report.decision is None else report.decision.reasons
    told = [each.message for each in reasons if each.code not in ("clears", "misses", "straddles")]
    warnings = [f"- **{each.code}** {_e(each.sentence)}" for each in document.all_warnings()]
    return [
        f"# {_e(document.metric)} at {where}",
        f"**{headline(report)}**{words}",
        *(_e(sentence) for sentence in lead(report)),
        "\n".join(f"- {_e(message)}" for message in told),
        _image(links, "verdict", "forecast and target"),
        _titled("## Warnings", "\n".join(warnings)),
    ]


def _checks(report: ScaleReport) -> list[str]:
    lines = [
        f"- {MARKS[check.state][0]} **{check.question}** {_e(check.answer)}"
        for check in report.checks()
    ]
    return ["## Why believe it?", "\n".join(lines)]


def _law_and_data(report: ScaleReport, links: dict[str, str]) -> list[str]:
    laws = [_image(links, name, "law") for name in links if name.startswith("law-")]
    gains = _table(("grow", "2 ×", "change", "10 ×", "change"), tables.gain_rows(report))
    parts = tables.part_rows(report)
    return [
        "## The law and the data",
        *laws,
        "What more scale buys from here:",
        gains,
        *(
            ["What the forecast is made of:", _table(("part", error_name(report), "share"), parts)]
            if parts
            else []
        ),
        _image(links, "residuals", "residuals against scale"),
    ]


def _past(report: ScaleReport, links: dict[str, str]) -> list[str]:
    if report.tested is None:
        return []
    held = ("50% held", "80% held", "95% held")
    header = ("decades beyond the data", "outcomes", "median error", "bias", *held)
    return [
        "## Was it right before?",
        supported(report),
        _table(header, tables.past_rows(report.tested)),
        _image(links, "backtest", "forecasts of the past"),
    ]


def _budget(report: ScaleReport, links: dict[str, str]) -> list[str]:
    found = report.allocation
    if found is None:
        return []
    header = ("axis", "best", "80% from", "to", "nearly as good from", "to", "exponent")
    return [
        "## How to spend the budget",
        _e(tables.allocation_sentence(found)),
        _table(header, tables.allocation_rows(found)),
        "\n".join(f"- **{each.code}** {_e(each.message)}" for each in found.warnings),
        _image(links, "allocation", "splits of the budget"),
    ]


def _next(report: ScaleReport, links: dict[str, str]) -> list[str]:
    found = report.next_runs
    if found is None or not len(found):
        return []
    return [
        "## What to run next",
        _e(tables.next_sentence(found, report)),
        _table(tables.next_columns(found), tables.next_rows(found)),
        _image(links, "next-runs", "intervals after the next runs"),
    ]


def _formula(report: ScaleReport) -> list[str]:
    formula, forms = report.formula(), report.document.law.forms
    heaviest = form_row(forms[0])
    known = [
        (f"${each.symbol.latex}$", _e(each.meaning), *map(numbers.parameter, ends))
        for each in formula.known
        for ends in ((each.estimate, each.low, each.high),)
    ]
    listed = [
        tuple(str(form_row(row)[name]) for name in ("form", "weight", "error", "parameters"))
        for row in forms[:MOST_FORMS]
    ]
    return [
        "## The law in full",
        f"An average of {numbers.plural(len(forms), 'form')}; the heaviest, "
        f"{_e(str(heaviest['form']))} ({heaviest['weight']} of the weight), reads",
        f"$${formula.symbols.latex}$$",
        f"$${formula.numbers.latex}$$",
        f"with the geometric means x̄ of the data: {_e(numbers.point(formula.means))}.",
        _rows(("", "what it is", "estimate", "80% from", "to"), known),
        _table(("form", "weight", "error when extrapolating", "parameters"), listed),
    ]


def _reading(report: ScaleReport) -> list[str]:
    evidence = report.document.evidence
    axes = [tuple(axis_row(axis).values()) for axis in evidence.axes]
    left_out = [*evidence.dropped, *report.missing]
    return [
        "## What was read, grouped and left out",
        _table(("axis", "range", "observed", "why it is one"), axes),
        "\n".join(f"- group: {_e(k)} = {_e(v)}" for k, v in evidence.group.items()),
        "\n".join(f"- other group: {_e(name)}: {_e(what)}" for name, what in report.others),
        "\n".join(f"- {_e(note)}" for note in evidence.notes),
        _table(("left out", "why"), left_out) if left_out else "Nothing was left out.",
    ]


def _methods(report: ScaleReport) -> list[str]:
    cited = [f"- {topic}: {who}, {where} ({what})" for topic, who, where, what in CITATIONS]
    made = f"Made by: {_e(report.command, 2000)}" if report.command else ""
    return ["## Methods", *(_e(p, 2000) for p in methods(report)), "\n".join(cited), made]


def _e(text: str, limit: int = _LONGEST) -> str:
    return escape(text, limit)


def _image(links: dict[str, str], name: str, what: str) -> str:
    return f"![{what}]({links[name]})" if name in links else ""


def _titled(title: str, block: str) -> str:
    return f"{title}\n\n{block}" if block else ""


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return _rows([_e(cell) for cell in header], [tuple(_e(cell) for cell in row) for row in rows])


def _rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
