"""Where a run ends: the place along its own axes (steps, tokens, epochs) of its final value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from unsl_tracking.forecast import FittedLaw
from unsl_tracking.report import numbers
from unsl_tracking.runs import Run
from unsl_tracking.runs.observations import Observations
from unsl_tracking.runs.planned import SAME_FACTOR, Plan


class RunEnd(NamedTuple):
    """The point at which a run ends, how that is known, and whether its last value stands there.

    `guess` says why nothing is forecast there, where nothing is.
    """

    run: Run
    point: dict[str, float]
    why: str
    is_last: bool
    guess: str = ""


def ends_of_runs(
    seen: Observations,
    group: str,
    runs: Sequence[Run],
    law: FittedLaw,
    horizon: Mapping[str, float],
) -> list[RunEnd]:
    """Where the runs of a group end, for its law.

    Where the law is fitted to ends only, runs that finished without coming to theirs are left out;
    others are forecast at where they are going, and refused where no run has ended like that.
    """
    curves, decay = seen.of_group(group, curves=True), seen.decay_of(group)
    only_ends = decay is not None and decay.rows == "ends"
    along = axes_along_runs(curves, [axis.name for axis in seen.axes], "run_id")
    known = [axis for axis in along if axis in law.axes]
    last = last_points(curves, law.axes, "run_id", known)
    ended = decay.ended if decay and only_ends else [r.id for r in runs if r.status == "FINISHED"]
    first = seen.of_group(group).iloc[0]
    fixed = {axis: float(first[axis]) for axis in along if axis not in known}
    done = frozenset(ended)
    found = []
    for run in runs:
        if run.id not in last or (only_ends and run.status == "FINISHED" and run.id not in done):
            continue
        point, why = end_of_run(run, last, known, horizon, ended, seen.plans)
        guess = ""
        if only_ends and run.id not in done:
            why = _join(why, "its own values so far, with the rate still up, take no part")
            guess = _elsewhere(run, fixed, horizon, seen.plans)
        found.append(RunEnd(run, point, why, point == last[run.id], guess))
    return found


def _elsewhere(
    run: Run, fixed: Mapping[str, float], horizon: Mapping[str, float], plans: Sequence[Plan]
) -> str:
    """Says so where a run is to end at another place than all that have ended did."""
    planned = {plan.axis: plan.ends[run.id] for plan in plans if run.id in plan.ends}
    for axis, value in fixed.items():
        asked = horizon.get(axis, planned.get(axis, value))
        if not value / SAME_FACTOR <= asked <= value * SAME_FACTOR:
            return (
                f"every finished run ended at {axis}={numbers.scale(value)}, so where one ends at"
                f" {axis}={numbers.scale(asked)} is a guess"
            )
    return ""


def axes_along_runs(data: pd.DataFrame, axes: Sequence[str], run: str) -> tuple[str, ...]:
    """The axes whose value changes within some run, in the given order."""
    varies = data.groupby(run, sort=False)[list(axes)].nunique().max()
    return tuple(axis for axis in axes if varies[axis] > 1)


def last_points(
    data: pd.DataFrame, axes: Sequence[str], run: str, along: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Where the last row of every run in the data stands, by run id and axis."""
    rows = data.sort_values(list(along), kind="stable") if along else data
    last = rows.groupby(run, sort=False).tail(1)
    places = last[list(axes)].to_numpy(dtype=float).tolist()
    ids = last[run].astype(str)
    return {each: dict(zip(axes, row, strict=True)) for each, row in zip(ids, places, strict=True)}


def end_of_run(
    run: Run,
    last: Mapping[str, Mapping[str, float]],
    along: Sequence[str],
    horizon: Mapping[str, float],
    finished: Sequence[str],
    plans: Sequence[Plan] = (),
) -> tuple[dict[str, float], str]:
    """The point at which `run` ends, and a sentence saying how that is known.

    `last` is from `last_points`, `finished` the ids of runs of the group that ended by themselves.
    What `horizon` names holds for every run. Otherwise a finished run ends where it did, one that
    goes on where its own params say (`runs.planned`), another one where the longest finished
    sibling did, but never before its own last point.
    """
    own = dict(last[run.id])
    if not along:
        return own, "one value per run: its own scale"
    asked = {axis: value for axis, value in horizon.items() if axis in along}
    point = {**own, **asked}
    free = [axis for axis in along if axis not in asked]
    said = f"horizon {numbers.point(asked)} as asked" if asked else ""
    if not free:
        return point, said
    if run.status == "FINISHED":
        return point, _join(
            said, "where the finished run ended; its own points took part in the fit"
        )
    told = {plan.axis: plan for plan in plans if plan.axis in free and run.id in plan.ends}
    if told:
        point |= {axis: plan.ends[run.id] for axis, plan in told.items()}
        free = [axis for axis in free if axis not in told]
        keys = " and ".join(dict.fromkeys(f"`{plan.key}`" for plan in told.values()))
        said = _join(said, f"where its own {keys} says")
        if not free:
            return point, said
    siblings = [each for each in finished if each in last and each != run.id]
    if not siblings:
        return point, _join(
            said, "its last point so far, as no sibling has finished; --horizon says otherwise"
        )
    further = {axis: max(own[axis], *(last[each][axis] for each in siblings)) for axis in free}
    if all(further[axis] == own[axis] for axis in free):
        return point, _join(said, "its last point so far, beyond every finished sibling")
    return {**point, **further}, _join(said, "where the longest finished sibling ended")


def _join(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
