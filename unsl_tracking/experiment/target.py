"""The scale that is asked for: axes that nobody named are filled in."""

from __future__ import annotations

from collections.abc import Mapping

from unsl_tracking.forecast import FittedLaw
from unsl_tracking.report import numbers


def target_point(law: FittedLaw, at: Mapping[str, float]) -> tuple[dict[str, float], str]:
    """The point on every axis of the law, and a sentence saying what was filled in.

    Axes left out take their largest observed value. Hyperparameters have a best value, not a
    largest one that is wanted: they take that of the best observation so far.
    """
    values = law.data[law.value].to_numpy(dtype=float)
    best = int(values.argmin() if law.mode == "min" else values.argmax())
    free = [axis for axis in law.axes if axis not in at]
    tuned = {a: float(law.data[a].iloc[best]) for a in free if a in law.hyperparameters}
    largest = {a: float(law.data[a].max()) for a in free if a not in tuned}
    parts = ["as asked"]
    parts += [f"not asked for, so the largest observed: {numbers.point(largest)}"] * bool(largest)
    parts += [f"not asked for, so as in the best run: {numbers.point(tuned)}"] * bool(tuned)
    filled = {**largest, **tuned, **at}
    return {axis: float(filled[axis]) for axis in law.axes}, "; ".join(parts)
