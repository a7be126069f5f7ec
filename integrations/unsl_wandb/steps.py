"""Which of a run's own metrics counts its steps.

`_step` counts calls of `run.log`. Whoever has a step of their own says so by
`run.define_metric("loss", step_metric="trainer/global_step")` (Lightning and transformers do, for
all metrics), and W&B draws the metric over that. The definitions are in the run's config under
`_wandb.value.m`, as a list of protobuf messages by field number (wandb_internal.proto,
`MetricRecord`: 1 name, 2 glob_name, 4 step_metric, 5 step_metric_index counted from 1).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

STEP: Final = "_step"


@dataclass(frozen=True, slots=True)
class StepMetrics:
    """What a run's config says about the steps of its metrics: step metrics by name and by glob."""

    names: dict[str, str]
    globs: dict[str, str]

    def of(self, metric: str) -> str | None:
        """The step metric of a metric; None where `_step` is all there is."""
        if metric in self.names:
            return self.names[metric]
        if metric in self.names.values():
            return metric  # it counts itself
        for glob, step in self.globs.items():
            if fnmatchcase(metric, glob):
                return step
        return None

    def common(self, metrics: Iterable[str]) -> str | None:
        """The step metric for reading these metrics together: one for all, or None.

        Metrics are put side by side by their step, so all of a run's must be counted alike. One
        without a step metric of its own is counted by that of the others; where there are several,
        `_step` is what they share.
        """
        found = {step for step in map(self.of, metrics) if step}
        return found.pop() if len(found) == 1 else None


def step_metrics(config: Mapping[str, Any]) -> StepMetrics:
    """Read the definitions from a config as the server has it."""
    inner = config.get("_wandb")
    inner = inner.get("value", inner) if isinstance(inner, Mapping) else {}
    listed = inner.get("m") if isinstance(inner, Mapping) else None
    entries = [each for each in listed or () if isinstance(each, Mapping)]
    names: dict[str, str] = {}
    globs: dict[str, str] = {}
    for entry in entries:
        step = entry.get("4")
        place = entry.get("5")
        if not step and isinstance(place, int) and 0 < place <= len(entries):
            step = entries[place - 1].get("1")
        if not isinstance(step, str) or not step or step == STEP:
            continue
        for field, found in (("1", names), ("2", globs)):
            name = entry.get(field)
            if isinstance(name, str) and name:
                found[_literal(name)] = _literal(step)
    return StepMetrics(names, globs)


def _literal(name: str) -> str:
    """The definition of a name with a dot in it has a backslash before the dot."""
    return name.replace("\\.", ".")
