"""What the panels' first one says in words: the numbers, and what to doubt about them."""

from __future__ import annotations

from typing import Final

from unsl_tracking.experiment import ExperimentForecast, GroupForecast
from unsl_tracking.report import numbers as n
from unsl_tracking.report.card import escape
from unsl_wandb.chart_rows import largest
from unsl_wandb.law_artifact import by_size

_MOST_GROUPS: Final = 6
_MOST_WARNINGS: Final = 6


def summary_text(result: ExperimentForecast) -> str:
    """Markdown; everything in it that came from a run is escaped."""
    blocks = [_group(result, group) for group in by_size(result)[:_MOST_GROUPS]]
    refused = [f"- {escape(each.name)}: {escape(each.reason, 300)}" for each in result.refused]
    if refused:
        blocks.append("**Not forecast**\n\n" + "\n".join(refused[:_MOST_WARNINGS]))
    blocks.append(
        "Charts of this section but the first three show tables of the run `unsl-forecasts` as of "
        "the last `unsl panels`; it must be among the runs that are shown."
    )
    return "\n\n".join(blocks) + "\n"


def _group(result: ExperimentForecast, group: GroupForecast) -> str:
    answer = group.target or largest(group.law)
    low, high = answer.intervals[0.8]
    median = n.metric(answer.median, n.digits_for(low, high))
    evidence = f"{n.plural(len(group.runs), 'run')}, {n.plural(len(group.law.data), 'point')}"
    text = (
        f"**{escape(result.metric, 80)} at {escape(n.point(answer.point))}: {median}** "
        f"(80%: {n.interval(low, high)}). {escape(group.label)}: {evidence}."
    )
    notices = [*(w.message for w in group.law.warnings), *(w.message for w in answer.warnings)]
    told = [f"- {escape(text, 300)}" for text in dict.fromkeys(notices)][:_MOST_WARNINGS]
    return text + ("\n\n" + "\n".join(told) if told else "")
