"""Where a run ends: the place along its own axes (steps, tokens, epochs) of its final value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from unsl_tracking.forecast import FittedLaw
from unsl_tracking.report import numbers
from unsl_tracking.runs import Run


def axes_along_runs(data: pd.DataFrame, axes: Sequence[str], run: str) -> tuple[str, ...]:
    """The axes whose value changes within some run, in the given order."""
    varies = data.groupby(run, sort=False)[list(axes)].nunique().max()
    return tuple(axis for axis in axes if varies[axis] > 1)


def last_points(law: FittedLaw, along: Sequence[str]) -> dict[str, dict[str, float]]:
    """Where the last row of every run in the law's data stands, by run id and axis."""
    assert law.run is not None
    data = law.data.sort_values(list(along), kind="stable") if along else law.data
    last = data.groupby(law.run, sort=False).tail(1)
    places = last[list(law.axes)].to_numpy(dtype=float).tolist()
    ids = last[law.run].astype(str)
    return {
        run: dict(zip(law.axes, row, strict=True)) for run, row in zip(ids, places, strict=True)
    }


def end_of_run(
    run: Run,
    last: Mapping[str, Mapping[str, float]],
    along: Sequence[str],
    horizon: Mapping[str, float],
    finished: Sequence[str],
) -> tuple[dict[str, float], str]:
    """The point at which `run` ends, and a sentence saying how that is known.

    `last` is from `last_points`, `finished` the ids of runs of the group that ended by themselves.
    What `horizon` names holds for every run. Otherwise a finished run ends where it did, another
    one where the longest finished sibling did, but never before its own last point.
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
