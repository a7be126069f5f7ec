"""Where unfinished runs will end, when a param says so: `max_steps`, `num_epochs`, `total_tokens`.

A plan is believed when finished runs kept to it: their last value on the axis is the planned number
times one factor (steps per epoch, say) that is the same for all within `SAME_FACTOR`. A single
finished run shows the factor only when it is 1. Without any finished run, only a plan in steps is
believed, for the axis `step`, and only when no run has gone beyond it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

import numpy as np
from numpy.typing import NDArray

from unsl_tracking.runs.axes import Axis
from unsl_tracking.runs.detect import is_ignored
from unsl_tracking.runs.names import family_of, plain_name
from unsl_tracking.runs.numbers import read_number
from unsl_tracking.runs.run import Run
from unsl_tracking.runs.table import Table

SAME_FACTOR: Final = 1.05
_STEP_PLANS: Final = ("max*step*", "total*step*", "num*step*", "n_step*", "train*step*", "steps")


@dataclass(frozen=True, slots=True)
class Plan:
    """Where runs end on an axis by what `key` says; `ends` has the runs that have not finished."""

    axis: str
    key: str
    ends: dict[str, float]
    kept_by: int
    """Number of finished runs that ended where the plan said."""


def told_lengths(runs: Sequence[Run], ignored: Sequence[str]) -> list[str]:
    """Keys of params and config that may say how long runs were to be."""
    keys = dict.fromkeys(key for run in runs for key in (*run.params, *run.config))
    return [
        key
        for key in keys
        if family_of(key) in {"progress", "repeats"} and not is_ignored(key, ignored)
    ]


def find_plans(table: Table, axes: Sequence[Axis], ignored: Sequence[str]) -> tuple[Plan, ...]:
    """The best believed plan for every axis that runs along, if there is one."""
    rows = table.rows
    last = np.flatnonzero(np.diff(rows.run, append=-1))
    runs = [rows.runs[index] for index in rows.run[last]]
    lengths = told_lengths(runs, ignored)
    plans = []
    for axis in axes:
        column = table.axis(axis)
        if not column.along:
            continue
        is_step = axis.expression() is None and table.find(axis.source or axis.name)[0] == "step"
        found = [_plan(axis.name, key, runs, column.values[last], is_step) for key in lengths]
        believed = [plan for plan in found if plan is not None and plan.ends]
        if believed:
            plans.append(max(believed, key=lambda plan: (plan.kept_by, len(plan.ends))))
    return tuple(plans)


def _plan(
    axis: str, key: str, runs: Sequence[Run], reached: NDArray[np.float64], is_step: bool
) -> Plan | None:
    told = [read_number(run.params.get(key, run.config.get(key))) for run in runs]
    planned = np.array([np.nan if number is None else number for number in told])
    known = np.isfinite(planned) & (planned > 0) & np.isfinite(reached) & (reached > 0)
    done = known & np.array([run.status == "FINISHED" for run in runs])
    open_ = known & ~np.array([run.finished for run in runs])
    with np.errstate(over="ignore"):
        factors = reached[done] / planned[done]
    one = is_step and any(fnmatchcase(plain_name(key), each) for each in _STEP_PLANS)
    if factors.size > 1:
        if not factors.max() / SAME_FACTOR < factors.min():
            return None
        factor = float(np.median(factors))
    elif factors.size == 1 or one:
        factor = 1.0
        if factors.size and not 1 / SAME_FACTOR < factors[0] < SAME_FACTOR:
            return None
    else:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        ends = factor * planned
    if not (reached[open_] / SAME_FACTOR < ends[open_]).all() or np.isinf(ends[open_]).any():
        return None
    # A run that has just gone past its plan ends where it is.
    ends = np.maximum(ends, reached)
    where = {runs[i].id: float(ends[i]) for i in np.flatnonzero(open_).tolist()}
    return Plan(axis, key, where, int(done.sum()))
