"""Filters of runs: the part of MongoDB's language that W&B's users write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tests.integrations.wandb.server.store import Run

_ATTRIBUTES = {
    "state": "state",
    "name": "name",
    "displayName": "display_name",
    "display_name": "display_name",
    "group": "group",
    "jobType": "job_type",
    "job_type": "job_type",
    "tags": "tags",
    "sweep": "sweep",
    "createdAt": "created",
    "created_at": "created",
    "heartbeatAt": "heartbeat",
}


def matches(run: Run, filters: Mapping[str, Any] | None) -> bool:
    """True when the run passes. Raises `ValueError` for what is no filter."""
    return all(_passes(run, key, wanted) for key, wanted in (filters or {}).items())


def look_up(run: Run, key: str) -> Any:
    """A run's value under a name such as `config.width`, `summary_metrics.loss` or `state`."""
    if key in _ATTRIBUTES:
        return getattr(run, _ATTRIBUTES[key])
    root, _, rest = key.partition(".")
    if root == "config":
        name, *parts = rest.removesuffix(".value").split(".")
        value = (run.config.get(name) or {}).get("value")
    elif root in {"summary_metrics", "summaryMetrics", "summary"}:
        if rest in run.summary:
            return run.summary[rest]
        value, parts = run.summary, rest.split(".")
    else:
        return None
    for part in parts:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _passes(run: Run, key: str, wanted: Any) -> bool:
    if key == "$and":
        return all(matches(run, each) for each in wanted)
    if key == "$or":
        return any(matches(run, each) for each in wanted)
    if key == "$nor":
        return not any(matches(run, each) for each in wanted)
    if key.startswith("$"):
        raise ValueError(f"unknown top level operator: {key}")
    value = look_up(run, key)
    is_test = isinstance(wanted, Mapping) and any(op.startswith("$") for op in wanted)
    tests = wanted if is_test else {"$eq": wanted}
    return all(_compares(value, operator, other) for operator, other in tests.items())


def _compares(value: Any, operator: str, other: Any) -> bool:
    def holds(one: Any) -> bool:
        return one in value if isinstance(value, list) else bool(value == one)

    if operator in {"$eq", "$ne"}:
        return holds(other) == (operator == "$eq")
    if operator in {"$in", "$nin"}:
        return any(holds(each) for each in other) == (operator == "$in")
    if operator == "$exists":
        return (value is not None) == bool(other)
    if operator == "$regex":
        return isinstance(value, str) and re.search(other, value) is not None
    if operator not in {"$gt", "$gte", "$lt", "$lte"}:
        raise ValueError(f"unknown operator: {operator}")
    if value is None or isinstance(value, str) != isinstance(other, str):
        return False
    below, equal = bool(value < other), bool(value == other)
    return {"$gt": not (below or equal), "$gte": not below, "$lt": below, "$lte": below or equal}[
        operator
    ]
