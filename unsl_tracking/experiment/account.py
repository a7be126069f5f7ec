"""What was found while reading an experiment, in sentences for the report."""

from __future__ import annotations

from collections.abc import Mapping

from unsl_tracking.forecast import ForecastWarning
from unsl_tracking.report.numbers import plural
from unsl_tracking.runs import Run
from unsl_tracking.runs.observations import Observations
from unsl_tracking.runs.rows import Dropped

_MOST_NAMES = 3
_MOST_KEYS = 12


def axes_and_why(seen: Observations) -> dict[str, str]:
    """Each axis in use: why it is one, where its numbers come from and on how many runs."""
    told = {each.name: each for each in seen.detections if each.chosen}
    result = {}
    for axis in seen.axes:
        found = told.get(axis.name)
        parts = [] if found is None else [found.reason, f"on {plural(found.runs_with, 'run')}"]
        source = axis.source if found is None else found.source
        if source and source != axis.name:
            parts.append(f"from {source}")
        result[axis.name] = ", ".join(part for part in parts if part)
    return result


def others_and_why_not(seen: Observations) -> dict[str, str]:
    """Each candidate that is not an axis, and why not."""
    return {each.name: each.reason for each in seen.detections if not each.chosen}


def notes_on(seen: Observations) -> tuple[str, ...]:
    """How keys that differ between runs were treated, and what else is worth knowing."""
    keys = []
    for each in seen.keys[:_MOST_KEYS]:
        does = "splits the runs into groups" if each.splits else "does not split groups"
        keys.append(f"{each.key} ({plural(each.values, 'value')}) {does}: {each.reason}")
    return (*seen.notes, *keys)


def cautions_on(seen: Observations, group: str) -> tuple[ForecastWarning, ...]:
    """Warnings for the law of a group: that values from before its rate fell are pooled."""
    decay = seen.decay_of(group)
    if decay is None or not decay.warning:
        return ()
    code = "curves_asked_for" if decay.asked else "curves_pooled"
    return (ForecastWarning(code, decay.warning, value=float(decay.scales)),)


def left_out(seen: Observations, runs: Mapping[str, Run]) -> tuple[tuple[str, str], ...]:
    """(what, why) of everything that was left out, one pair per reason."""
    reasons: dict[str, list[Dropped]] = {}
    for each in seen.dropped:
        reasons.setdefault(each.reason, []).append(each)
    return tuple((_what(there, runs), reason) for reason, there in reasons.items())


def _what(dropped: list[Dropped], runs: Mapping[str, Run]) -> str:
    rows = sum(each.rows for each in dropped)
    names = [_name(runs, each.run_id) for each in dropped[:_MOST_NAMES]]
    more = len(dropped) - len(names)
    listed = ", ".join(names) + (f" and {more} more" if more else "")
    of = f"{plural(rows, 'row')} of " if rows else ""
    return f"{of}{plural(len(dropped), 'run')} ({listed})"


def _name(runs: Mapping[str, Run], run_id: str) -> str:
    run = runs.get(run_id)
    return run.name if run is not None and run.name else run_id
