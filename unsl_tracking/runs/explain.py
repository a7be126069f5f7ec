"""What was detected and why, for people (plain text) and for machines (JSON-able values)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from unsl_tracking.runs.axes import Axis
from unsl_tracking.runs.detect import Detection
from unsl_tracking.runs.grouping import Group, KeyVerdict
from unsl_tracking.runs.names import family_of
from unsl_tracking.runs.rows import Dropped
from unsl_tracking.runs.set_per_scale import note_on_recipe

if TYPE_CHECKING:
    from unsl_tracking.runs.observations import Observations

SCHEMA: Final = "unsl.observations/1"
_MOST: Final = 20  # lines of one kind
_FEW_RUNS: Final = 3  # of a group, say little about a larger scale


def as_text(seen: Observations) -> str:
    """A few short sections; every line is about one axis, key, group or reason."""
    rows, logged = len(seen.frame), int(seen.frame["count"].sum())
    runs = seen.frame["run_id"].nunique()
    of = f" (means of {logged:,} logged rows)" if logged > rows else ""
    lines = [f"{seen.metric}: {rows:,} observations{of} of {runs} runs", "", "Axes"]
    lines += [
        f"  {axis}  [{axis.kind}]  {_reason(axis.name, seen.detections)}" for axis in seen.axes
    ]
    refused = [each for each in seen.detections if not each.chosen]
    if refused:
        lines += ["", "Not an axis"]
        lines += _cut([f"  {each.name}: {each.reason}" for each in refused])
    lines += ["", f"Groups ({len(seen.groups)})"]
    lines += _cut([f"  {group.label}: {_runs(len(group.runs))}" for group in seen.groups])
    if seen.keys:
        lines += ["", "Keys that differ between runs"]
        for each in seen.keys:
            does = "splits groups" if each.splits else "does not split groups"
            lines.append(f"  {each.key} ({each.values} values) {does}: {each.reason}")
    if seen.plans:
        lines += ["", "Where unfinished runs end"]
        for plan in seen.plans:
            kept = f"as {_runs(plan.kept_by)} did" if plan.kept_by else "none has finished yet"
            lines.append(f"  {plan.axis} as `{plan.key}` says on {_runs(len(plan.ends))}, {kept}")
    if seen.dropped:
        lines += ["", "Left out", *_cut(_by_reason(seen.dropped))]
    if seen.notes:
        lines += ["", "Notes", *(f"  {note}." for note in seen.notes)]
    return "\n".join(lines) + "\n"


def as_dict(seen: Observations) -> dict[str, Any]:
    """Everything but the frame. Numbers that JSON does not know are None."""
    return {
        "schema": SCHEMA,
        "metric": seen.metric,
        "mode": seen.mode,
        "observations": len(seen.frame),
        "logged_rows": int(seen.frame["count"].sum()),
        "axes": [asdict(axis) for axis in seen.axes],
        "detections": [
            {
                **asdict(each),
                "low": each.low if math.isfinite(each.low) else None,
                "high": each.high if math.isfinite(each.high) else None,
            }
            for each in seen.detections
        ],
        "groups": [
            {"label": group.label, "key": dict(group.key), "runs": list(group.runs)}
            for group in seen.groups
        ],
        "keys": [asdict(each) for each in seen.keys],
        "plans": [asdict(each) for each in seen.plans],
        "decays": [asdict(each) for each in seen.decays],
        "dropped": [asdict(each) for each in seen.dropped],
        "notes": list(seen.notes),
    }


def candidates(detections: Sequence[Detection]) -> str:
    """One sentence about what could have been an axis, for error messages."""
    if not detections:
        return "No param, config value, tag, metric or step is a number that varies."
    shown = [f"{each.name} ({each.reason})" for each in detections[:6]]
    more = f" and {len(detections) - 6} more" if len(detections) > 6 else ""
    return f"Candidates: {'; '.join(shown)}{more}."


def notes_on_groups(
    groups: Sequence[Group], keys: Sequence[KeyVerdict], axes: Sequence[Axis]
) -> Iterator[str]:
    """Where keys are set per scale, and where most groups are small: what to do about it."""
    splitting = [each for each in keys if each.splits]
    follows = [each.key for each in keys if each.follows]
    follows.sort(key=lambda key: family_of(key) != "hyper")  # what matters most is shown
    names = [axis.name for axis in axes]
    if follows:
        yield note_on_recipe(follows, [each.key for each in splitting])
    few = sum(len(group.runs) <= _FEW_RUNS for group in groups)
    if len(groups) < 3 or 2 * few <= len(groups):
        return
    single = sum(len(group.runs) == 1 for group in groups)
    held = f"{few} of {len(groups)} groups hold {_FEW_RUNS} runs or fewer"
    if 2 * single > len(groups):
        held = f"{single} of {len(groups)} groups hold a single run"
    many = ", ".join(f"{each.key} ({each.values} values)" for each in splitting)
    swept = next((each.key for each in splitting if family_of(each.key) == "hyper"), "")
    model = f" (`--axes {','.join([*names, swept])}`)" if swept else ""
    leave = f" (`--ignore {swept or splitting[0].key}`)" if splitting else ""
    yield (
        f"{held}. What splits them: {many}. Name such a key as an axis{model}, leave it out{leave},"
        " or say what to group by (`--group`)"
    )


def _reason(name: str, detections: Sequence[Detection]) -> str:
    for each in detections:
        if each.name == name:
            return f"{each.reason}; on {_runs(each.runs_with)}"
    return ""


def _by_reason(dropped: Sequence[Dropped]) -> list[str]:
    reasons: dict[str, list[Dropped]] = {}
    for each in dropped:
        reasons.setdefault(each.reason, []).append(each)
    lines = []
    for reason, there in reasons.items():
        rows = sum(each.rows for each in there)
        many = f"{rows:,} row{'s' if rows != 1 else ''} of " if rows else ""
        named = ", ".join(each.run_id for each in there[:3])
        rest = f" and {len(there) - 3} more" if len(there) > 3 else ""
        lines.append(f"  {reason}: {many}{_runs(len(there))} ({named}{rest})")
    return lines


def _runs(count: int) -> str:
    return f"{count} run{'s' if count != 1 else ''}"


def _cut(lines: list[str]) -> list[str]:
    if len(lines) <= _MOST:
        return lines
    return [*lines[:_MOST], f"  … and {len(lines) - _MOST} more"]
