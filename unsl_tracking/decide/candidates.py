"""Runs one could train next: read from a table, or a grid between what was seen and the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unsl_tracking.decide.cost import read_cost
from unsl_tracking.errors import AxisError, DataError
from unsl_tracking.forecast import FittedLaw
from unsl_tracking.forecast.table import query
from unsl_tracking.runs.expression import parse_expression

Array = NDArray[np.float64]

MOST: Final = 2000
_TICKS: Final = {1: 12, 2: 8, 3: 6}  # of the grid along each scale axis, by their number; else 4
_RATIO: Final = float(np.log(2.0))  # e-folds beyond observed shapes (tokens per parameter) to try
_SHARE: Final = 0.5  # of the target run's cost: a run that costs more might as well be that one
# Where a run along a curve is observed, as shares of its end: a checkpoint per factor of two, as
# denser ones tell the same again.
_ALONG: Final = (0.125, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Candidates:
    """`frame`: a row per run with the axes and what else came with it; `cost` (n,) of each.

    `points`: log_x (q, m) at which each run would be observed. `cost_of_target`: of a run there.
    """

    frame: pd.DataFrame
    cost: Array
    points: list[Array]
    cost_of_target: float

    def __len__(self) -> int:
        return len(self.frame)


def read_candidates(
    law: FittedLaw,
    candidates: pd.DataFrame | None,
    target: Mapping[str, float],
    cost: str,
    given: Mapping[str, float] | None,
    measured: pd.DataFrame | None,
) -> Candidates:
    """The candidates with what each costs and where it would be observed.

    Raises:
        DataError: no candidates or too many, or a cost that is not positive.
        AxisError: a candidate lacks an axis or has no positive value on it.
    """
    if candidates is None:
        frame = _grid(law, target, cost, given, measured)
    else:
        if not isinstance(candidates, pd.DataFrame):
            raise DataError("candidates come as a pandas DataFrame", got=type(candidates).__name__)
        frame = candidates.reset_index(drop=True)
    if not 0 < len(frame) <= MOST:
        raise DataError(
            f"there are between 1 and {MOST} candidates",
            got=len(frame),
            next_step="Name some: a table with a column per axis." if frame.empty else "",
        )
    points = query(frame, law.axes)
    costs = _costs(law, frame, cost, given, measured)
    log_x = np.log(points.to_numpy(dtype=float))
    along = np.array([name in axes_along_runs(law) for name in law.axes])
    shares = np.log(_ALONG)[:, None] * along if along.any() else np.zeros((1, len(law.axes)))
    frame = frame.assign(**{name: points[name] for name in law.axes})
    wanted = pd.DataFrame([{name: float(target[name]) for name in law.axes}])
    dearest = _cost_of_target(law, wanted, costs, cost, given, measured)
    return Candidates(frame, costs, [row + shares for row in log_x], dearest)


def axes_along_runs(law: FittedLaw) -> tuple[str, ...]:
    """The axes that grow while a run trains; none where rows do not say which run they are of."""
    if law.run is None or law.run not in law.data:
        return ()
    varies = law.data.groupby(law.run, sort=False)[list(law.axes)].nunique().max()
    return tuple(axis for axis in law.axes if varies[axis] > 1)


def _costs(
    law: FittedLaw,
    frame: pd.DataFrame,
    cost: str,
    given: Mapping[str, float] | None,
    measured: pd.DataFrame | None,
) -> Array:
    """Of each candidate (n,). Its own columns count before anything else by the same name."""
    expression = parse_expression(cost)
    own = {str(c): frame[c] for c in frame.columns if str(c) in expression.names}
    if own.keys() | set(given or {}) >= set(expression.names):
        values = {c: np.asarray(pd.to_numeric(v), dtype=float) for c, v in own.items()}
        numbers = {name: np.asarray(float(v)) for name, v in (given or {}).items()}
        costs = np.broadcast_to(expression({**numbers, **values}), len(frame)).astype(float)
    else:
        priced = read_cost(law.axes, cost, given=given, measured=measured)
        costs = priced(np.log(frame[list(law.axes)].to_numpy(dtype=float)))
    if not (np.isfinite(costs).all() and (costs > 0.0).all()):
        bad = costs[~(np.isfinite(costs) & (costs > 0.0))]
        raise DataError("every candidate has a positive cost", got=float(bad[0]))
    return costs


def _cost_of_target(
    law: FittedLaw,
    wanted: pd.DataFrame,
    costs: Array,
    cost: str,
    given: Mapping[str, float] | None,
    measured: pd.DataFrame | None,
) -> float:
    """What a run at the target costs; that of all candidates where only they know their cost."""
    try:
        return float(_costs(law, wanted, cost, given, measured)[0])
    except DataError:
        return float(costs.sum())


def _grid(
    law: FittedLaw,
    target: Mapping[str, float],
    cost: str,
    given: Mapping[str, float] | None,
    measured: pd.DataFrame | None,
) -> pd.DataFrame:
    """Runs between the smallest observed one and the target, of shapes that were observed."""
    scale = [name for name in law.axes if name not in law.hyperparameters]
    at = {name: float(np.log(target[name])) for name in law.axes}
    runs = _whole_runs(law)
    seen = pd.DataFrame({name: np.log(runs[name].to_numpy(dtype=float)) for name in scale})
    low = dict(zip(law.axes, law.mixture.lowest.tolist(), strict=True))
    high = dict(zip(law.axes, law.mixture.highest.tolist(), strict=True))
    if axes_along_runs(law):
        low = {name: float(seen[name].min()) for name in scale}
        high = {name: float(seen[name].max()) for name in scale}
    ticks = [
        np.linspace(min(low[name], at[name]), max(high[name], at[name]), _TICKS.get(len(scale), 4))
        for name in scale
    ]
    rows = np.array(list(product(*ticks)), dtype=float)
    logs = pd.DataFrame(rows, columns=scale)
    keep = np.ones(len(logs), dtype=bool)
    for i, first in enumerate(scale):
        for second in scale[i + 1 :]:
            keep &= _of_seen_shape(seen, logs, first, second, at[first] - at[second])
    columns = {name: np.exp(logs.loc[keep, name].to_numpy(dtype=float)) for name in scale}
    columns |= {name: np.full(int(keep.sum()), target[name]) for name in law.hyperparameters}
    frame = pd.DataFrame({name: columns[name] for name in law.axes})
    if frame.empty:
        return frame
    wanted = pd.DataFrame([{name: target[name] for name in law.axes}])
    costs = _costs(law, pd.concat([frame, wanted], ignore_index=True), cost, given, measured)
    affordable = np.flatnonzero(costs[:-1] <= _SHARE * costs[-1])
    return frame.take(affordable).reset_index(drop=True)


def _whole_runs(law: FittedLaw) -> pd.DataFrame:
    """Where runs ended: a row from the middle of one has a shape that nobody trains."""
    along = axes_along_runs(law)
    if not along:
        return law.data
    ends = law.data.groupby(law.run, sort=False)[along[0]].idxmax()
    return law.data.loc[ends]


def _of_seen_shape(
    runs: pd.DataFrame, logs: pd.DataFrame, first: str, second: str, of_target: float
) -> NDArray[np.bool_]:
    """Whether the ratio of two axes is about one that was observed, or the target's."""
    seen = np.append((runs[first] - runs[second]).to_numpy(dtype=float), of_target)
    ratio = (logs[first] - logs[second]).to_numpy(dtype=float)
    inside = (ratio >= seen.min() - _RATIO) & (ratio <= seen.max() + _RATIO)
    return np.asarray(inside, dtype=bool)


def target_point(law: FittedLaw, target: Mapping[str, float]) -> Array:
    """ln of the target (m,). Raises `AxisError` where an axis is missing or not positive."""
    point = query(target, law.axes)
    if len(point) != 1:
        raise AxisError("runs are designed for one target", got=len(point))
    return np.asarray(np.log(point.to_numpy(dtype=float)[0]), dtype=float)
