"""A monitor's decision, into the run it is about.

Metrics `unsl/<metric>/p_doomed`, `final`, `final_lo80` and `final_hi80` at the step that was seen,
and the whole decision as the artifact `unsl/<metric>/decision.json`. Its verdict is also the tag
`unsl/<metric>/verdict`; `unsl.verdict`, `unsl.reason` and `unsl.metric` are of the newest decision,
where a run has monitors of several metrics.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Final

from unsl_tracking.decide import Decision
from unsl_tracking.runs.stopped import VERDICT
from unsl_tracking.runs.tracker import Tracker

_MOST_TEXT: Final = 500  # characters of a tag


def artifact_of(metric: str) -> str:
    """Where the decision about a metric is kept among a run's artifacts."""
    parts = [re.sub(r"[^\w.\- ]", "_", part) for part in metric.split("/")]
    return "/".join(["unsl", *(part for part in parts if part.strip(". ")), "decision.json"])


def write_decision(
    tracker: Tracker, run_id: str, metric: str, decision: Decision, step: int
) -> None:
    """Write one decision. Raises what the tracker raises."""
    values: dict[str, float] = {}
    if decision.probability is not None:
        values["p_doomed"] = decision.probability
    if decision.forecast is not None:
        low, high = decision.forecast.interval(0.8)
        values |= {"final": decision.forecast.median, "final_lo80": low, "final_hi80": high}
    finite = {f"unsl/{metric}/{k}": float(v) for k, v in values.items() if math.isfinite(v)}
    if finite:
        tracker.log_metrics(run_id, finite, step=step)
    recorded = " (dry run)" if decision.dry_run else ""
    tags = {
        VERDICT: decision.verdict + recorded,
        f"unsl/{metric}/verdict": decision.verdict + recorded,
        "unsl.reason": decision.reason,
        "unsl.metric": metric,
    }
    tracker.set_tags(run_id, {name: text[:_MOST_TEXT] for name, text in tags.items()})
    document = {"schema": "unsl.decision/1", "metric": metric, "step": step}
    text = json.dumps(_strict({**document, **decision.to_dict()}), indent=1, allow_nan=False)
    tracker.log_artifact(run_id, artifact_of(metric), text.encode())


class Writer:
    """The newest decision on its way to a tracker; called on a worker thread.

    A decision that could not be written is left to its successor, and the tracker to itself for a
    while: twice as long after each failure, at most `LONGEST` seconds.
    """

    FIRST: Final = 5.0
    LONGEST: Final = 300.0

    def __init__(
        self, tracker: Tracker, run_id: str, metric: str, clock: Callable[[], float]
    ) -> None:
        self._target = (tracker, run_id, metric)
        self._clock = clock
        self._newest: tuple[Decision, int] | None = None
        self._written: tuple[Decision, int] | None = None
        self._quiet_until = -math.inf
        self._pause = self.FIRST

    def offer(self, decision: Decision, step: int) -> None:
        """Make this the decision to write."""
        self._newest = (decision, step)

    def write(self, forced: bool) -> float:
        """Write the newest decision if it is not there yet; in nobody's way (see `Worker`)."""
        newest = self._newest
        if newest is None or newest is self._written:
            return 0.0
        if not forced and self._clock() < self._quiet_until:
            return 0.0
        try:
            write_decision(*self._target, *newest)
        except Exception:
            self._quiet_until = self._clock() + self._pause
            self._pause = min(2.0 * self._pause, self.LONGEST)
            raise
        self._pause, self._written = self.FIRST, newest
        return 0.0


def _strict(value: object) -> object:
    """The same with None in place of NaN and infinities, which are not JSON."""
    if isinstance(value, dict):
        return {str(key): _strict(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
