"""Fitted laws and forecasts as artifacts, which W&B versions and whose aliases it can act on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from unsl_tracking import __version__
from unsl_tracking.experiment import ExperimentForecast, GroupForecast, document_of
from unsl_tracking.report import Answer
from unsl_wandb.client import Connection
from unsl_wandb.home import Item, place_of, write_home

LAW: Final = "scaling-law"
FORECAST: Final = "forecast"
LAW_FILE: Final = "law.json"
_NAME: Final = re.compile(r"[^A-Za-z0-9_.-]+")
_MOST_IDS: Final = 500


def keep_laws(connection: Connection, result: ExperimentForecast) -> tuple[str, ...]:
    """Log the law and the forecasts of every group; names of the artifacts that had changed.

    A law that is the same as last time makes no new version.
    """
    place = place_of(connection, result.experiment)
    changed = write_home(connection, place, artifacts=list(items_of(result)))
    return tuple(name.partition(":")[2] for name in changed)


def items_of(result: ExperimentForecast) -> Iterator[Item]:
    """A law and a set of forecasts per group, the group with most runs first."""
    for number, group in enumerate(by_size(result), start=1):
        name = artifact_name(result.metric, number)
        about = f"{result.metric}, {group.label}"
        yield Item(
            name=f"{LAW}-{name}",
            type=LAW,
            description=f"The scaling law that unsl_tracking fitted to {about}. "
            "unsl_tracking.FittedLaw.from_json reads it.",
            files={LAW_FILE: group.law.to_json().encode()},
            metadata=_about(result, group),
        )
        documents = {
            f"{_safe(each.run.id.rpartition('/')[2])}.json": document_of(result, group, each)
            for each in group.runs
        }
        yield Item(
            name=f"{FORECAST}-{name}",
            type=FORECAST,
            description=f"Where the runs of {about} end; described in docs/forecast-json.md.",
            files={path: each.to_json().encode() for path, each in documents.items()},
            metadata=_about(result, group),
        )


def by_size(result: ExperimentForecast) -> list[GroupForecast]:
    """Groups, that with most runs first."""
    return sorted(result.groups, key=lambda group: -len(group.runs))


def artifact_name(metric: str, number: int) -> str:
    """`val_loss`, `val_loss-2` for the second group; W&B takes letters, digits, `_.-` only."""
    return _safe(metric) + ("" if number == 1 else f"-{number}")


def _safe(text: str) -> str:
    return _NAME.sub("-", text).strip("-")[:100] or "metric"


def _about(result: ExperimentForecast, group: GroupForecast) -> dict[str, object]:
    about: dict[str, object] = {
        "metric": result.metric,
        "mode": result.mode,
        "axes": list(group.law.axes),
        "group": dict(group.key),
        "points": len(group.law.data),
        "runs": [run.run.id for run in group.runs][:_MOST_IDS],
        "unsl_tracking": __version__,
    }
    return about | (_answer(group.target) if group.target is not None else {})


def _answer(target: Answer) -> dict[str, object]:
    low, high = target.intervals[0.8]
    return {
        "target_at": dict(target.point),
        "target_median": target.median,
        "target_lo80": low,
        "target_hi80": high,
    }
