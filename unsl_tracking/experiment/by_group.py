"""What an experiment answers group by group, as the JSON that commands print."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from unsl_tracking.experiment.result import Refused


class Answered(Protocol):
    """Answers for the groups of an experiment, but for the answers themselves."""

    @property
    def tracker(self) -> str:
        """Its address, without credentials."""

    @property
    def experiment(self) -> str:
        """Its name."""

    @property
    def metric(self) -> str:
        """Its name."""

    @property
    def refused(self) -> tuple[Refused, ...]:
        """Groups without an answer."""


def by_group(
    answered: Answered,
    schema: str,
    version: int,
    answers: Iterable[tuple[str, Mapping[str, str], Mapping[str, object]]],
) -> dict[str, object]:
    """Strict JSON values. `answers`: of each group its label, its key, and what is said of it."""
    return {
        "schema": schema,
        "schema_version": version,
        "tracker": answered.tracker,
        "experiment": answered.experiment,
        "metric": answered.metric,
        "groups": [
            {"name": label, "group": dict(key), **content} for label, key, content in answers
        ],
        "refused": [each.to_dict() for each in answered.refused],
    }
