"""A run as the server describes it, as a `Run`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from unsl_tracking.runs.run import Run
from unsl_wandb.client import Connection
from unsl_wandb.record import OURS, SUMMARY_STEP
from unsl_wandb.steps import STEP, StepMetrics, step_metrics
from unsl_wandb.uris import RunPath
from unsl_wandb.values import INTERNAL, as_text, config_of, flat, milliseconds, number, parsed

_STATES: Final = {
    "running": "RUNNING",
    "preempting": "RUNNING",
    "pending": "SCHEDULED",
    "finished": "FINISHED",
    "failed": "FAILED",
    "crashed": "FAILED",
    "preempted": "KILLED",
    "killed": "KILLED",
}
"""W&B's states as ours. A crashed run is one that was not heard of for five minutes: it may come
back, and the rows that it then sends are read like those of any run that had ended."""

FIELDS: Final = """
    id name displayName state config summaryMetrics tags notes group jobType sweepName
    createdAt heartbeatAt historyLineCount historyKeys user { username }
"""


@dataclass(frozen=True, slots=True)
class WandbRun(Run):
    """A run with what reading its history needs to know.

    `lines` is the number of its history's rows, `rows` that of the rows with a metric in them
    (empty where the server does not tell), `last` the highest `_step`.
    """

    lines: int = 0
    rows: Mapping[str, int] = field(default_factory=dict)
    last: int = -1
    counted_by: StepMetrics = field(default_factory=lambda: StepMetrics({}, {}))


def as_run(connection: Connection, entity: str, project: str, node: Mapping[str, Any]) -> WandbRun:
    """A run from its fields in the listing."""
    sent, summary = parsed(node.get("config")), flat(parsed(node.get("summaryMetrics")))
    config = config_of(sent)
    status = _STATES.get(str(node.get("state")), "RUNNING")
    started, seen = milliseconds(node.get("createdAt")), milliseconds(node.get("heartbeatAt"))
    ended = max(seen or 0, started or 0) if status in {"FINISHED", "FAILED", "KILLED"} else None
    counted_by = step_metrics(sent)
    keys = _history_keys(node)
    metrics = _metrics(keys, summary)
    told = number(parsed(node.get("historyKeys")).get("lastStep"))
    last = -1 if told is None else int(told)
    return WandbRun(
        id=str(RunPath(entity, project, str(node["name"]))),
        name=str(node.get("displayName") or ""),
        experiment=project,
        status=status,
        params={key: as_text(value) for key, value in config.items()},
        tags=_tags(node, {key: each for key, each in summary.items() if key not in metrics}),
        config=config,
        metrics=metrics,
        metric_steps=_metric_steps(metrics, {STEP: last, **summary}, counted_by),
        started=started,
        ended=ended,
        url=connection.page_of(entity, project, str(node["name"])),
        lines=int(node.get("historyLineCount") or 0),
        rows={key: count for key, (count, _) in keys.items()},
        last=last,
        counted_by=counted_by,
    )


def _metrics(keys: Mapping[str, tuple[int, Any]], summary: Mapping[str, Any]) -> dict[str, float]:
    """The latest value of everything that is logged: as in the summary, or the history's last.

    A summary has something else where `define_metric(…, summary="min")` said so.
    """
    found = {}
    for key, (_, previous) in keys.items():
        value = number(summary.get(key))
        value = number(summary.get(f"{key}.last")) if value is None else value
        value = number(previous) if value is None else value
        if value is not None and key not in INTERNAL:
            found[key] = value
    ours = {key: each for key, each in summary.items() if key.startswith(OURS)}
    for key, each in (ours if keys else summary).items():
        value = number(each)
        if value is not None and key not in INTERNAL and key != SUMMARY_STEP:
            found.setdefault(key, value)
    return found


def _history_keys(node: Mapping[str, Any]) -> dict[str, tuple[int, Any]]:
    """Of every key of the history: how many rows have a number there, and the last of them."""
    listed = parsed(node.get("historyKeys")).get("keys")
    found = {}
    for key, about in (listed if isinstance(listed, Mapping) else {}).items():
        counts = about.get("typeCounts") or [] if isinstance(about, Mapping) else []
        count = sum(int(each.get("count") or 0) for each in counts if each.get("type") == "number")
        if count:
            found[str(key)] = count, about.get("previousValue")
    return found


def _metric_steps(
    metrics: Mapping[str, float], summary: Mapping[str, Any], counted_by: StepMetrics
) -> dict[str, int]:
    """The step of the last row; a metric that is logged seldom may have had its last one before."""
    found = {}
    for name in metrics:
        counter = SUMMARY_STEP if name.startswith(OURS) else counted_by.of(name)
        for key in (counter, STEP):
            step = number(summary.get(key)) if key else None
            if step is not None and step.is_integer() and (key != STEP or step >= 0):
                found[name] = int(step)
                break
    return found


def _tags(node: Mapping[str, Any], summary: Mapping[str, Any]) -> dict[str, str]:
    """Labels (`baseline`, `team:vision`), and what else tells runs apart but is no setting.

    Values that are only in the summary (`summary.params`) are here and not among the params: as
    results they would split every group of runs.
    """
    found = {}
    for label in node.get("tags") or ():
        name, colon, value = str(label).partition(":")
        found[name if colon else str(label)] = value
    for name, key in (("group", "group"), ("job_type", "jobType"), ("sweep", "sweepName")):
        if node.get(key):
            found[f"wandb.{name}"] = str(node[key])
    for key, value in summary.items():
        if key.startswith(OURS) and isinstance(value, str):
            found[key] = value
        elif key not in INTERNAL and not key.startswith("_wandb.") and key != SUMMARY_STEP:
            if isinstance(value, (str, int, float)):
                found[f"summary.{key}"] = str(value)
    return found
