"""A markdown card for a run's note: the number first, because trackers fold long notes away."""

from __future__ import annotations

import re

from unsl_tracking.report import numbers
from unsl_tracking.report.document import Answer, Document

_MOST_WARNINGS = 6
_LONGEST = 160
_NAMES = {"final": "end of this run", "target": "target"}
_SPECIAL = re.compile(r"([\\`*_\[\]|#~!$])")


def escape(text: str, limit: int = _LONGEST) -> str:
    """Untrusted text as one line of markdown that shows itself: no markup, HTML or new cell."""
    line = " ".join(text.split())
    if len(line) > limit:
        line = line[: limit - 1] + "…"
    line = _SPECIAL.sub(r"\\\1", line)
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def card(document: Document, *, image: str | None = None) -> str:
    """Verdict, table of answers, warnings and where the details are. At most about 4 kB.

    `image` is a link that the tracker's own page can show, such as MLflow's
    `/get-artifact?path=unsl/forecast.png&run_id=…`; the adapter knows it, this module does not.
    """
    metric = escape(document.metric, 80)
    blocks = [_verdict(metric, document.headline), _table(metric, document)]
    if image:
        blocks.append(f"![forecast of {metric}]({image})")
    notices = document.all_warnings()
    if notices:
        lines = [f"- {escape(notice.sentence, 300)}" for notice in notices[:_MOST_WARNINGS]]
        if len(notices) > _MOST_WARNINGS:
            lines.append(f"- … and {len(notices) - _MOST_WARNINGS} more in `unsl/forecast.html`")
        blocks.append("**Warnings**\n\n" + "\n".join(lines))
    blocks.append(_source(document))
    return "\n\n".join(blocks) + "\n"


def _verdict(metric: str, answer: Answer) -> str:
    low, high = answer.intervals[0.8]
    median = numbers.metric(answer.median, numbers.digits_for(low, high))
    where = escape(numbers.point(answer.point))
    text = f"**{metric} at {where}: {median}** (80%: {numbers.interval(low, high)})"
    if answer.actual is None:
        return text
    actual = numbers.metric(answer.actual, numbers.digits_for(low, high))
    return f"{text}, actual **{actual}**, {'inside' if answer.inside(0.8) else 'outside'}"


def _table(metric: str, document: Document) -> str:
    rows = [f"| forecast | {metric} | 50% | 80% | 95% | at |", "|---|---|---|---|---|---|"]
    for answer in document.answers:
        low, high = answer.intervals[0.8]
        cells = [
            _NAMES.get(answer.name, escape(answer.name)),
            numbers.metric(answer.median, numbers.digits_for(low, high)),
            *(numbers.interval(*answer.intervals[level]) for level in (0.5, 0.8, 0.95)),
            escape(numbers.point(answer.point)),
        ]
        rows.append("| " + " | ".join(cells) + " |")
    whys = [
        f"- {_NAMES.get(answer.name, escape(answer.name))}: {escape(answer.why)}"
        for answer in document.answers
        if answer.why
    ]
    return "\n".join([*rows, "", *whys])


def _source(document: Document) -> str:
    evidence = document.evidence
    axes = ", ".join(escape(axis.name, 60) for axis in evidence.axes)
    read = f"{numbers.plural(evidence.runs, 'run')}, {numbers.plural(evidence.points, 'point')}"
    text = f"A law over {axes}, fitted to {read} of experiment {escape(document.experiment, 80)}"
    if evidence.group:
        pairs = ", ".join(f"{escape(k, 40)}={escape(v, 40)}" for k, v in evidence.group.items())
        text += f" where {pairs}"
    version = document.provenance.get("unsl_tracking", "")
    return f"{text}. Details: `unsl/forecast.html`, `unsl/forecast.json`. unsl_tracking {version}"
