"""Which pasts to replay: what a law would have seen then, and what it is to be scored on.

Two designs. *By size*: up to a size everything is seen, everything larger is scored. Where there
are runs, a run is seen whole or not at all, so that no run helps to forecast itself. *By runs*,
where runs have an axis along which they train: a run's last point from its first 30, 50 and 70%
and from the smaller runs (of equally large ones, those listed before it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unsl_tracking.errors import AxisError, TooLittleEvidence
from unsl_tracking.fit import Points, size_of
from unsl_tracking.forecast.metric_scale import MetricScale
from unsl_tracking.forecast.table import to_points
from unsl_tracking.law import Form
from unsl_tracking.runs.axes import Axis

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Design = Literal["size", "runs"]

ORIGINS = 4  # sizes
TEST_RUNS = 8
SHARES = (0.3, 0.5, 0.7)  # of a run's length
_FIRST, _LAST = 0.4, 0.85  # shares of the points (or runs) between which origins are put
_SAME = 1e-9  # e-folds: sizes closer than this are equal


@dataclass(frozen=True)
class History:
    """The data of a law and how it was fitted. `scale` marks the axes that make up size."""

    data: pd.DataFrame
    axes: tuple[Axis, ...]
    value: str
    metric: MetricScale
    scale: Mask
    run: str | None
    forms: tuple[Form, ...] | None
    seed: int

    @property
    def names(self) -> list[str]:
        """Of the axes."""
        return [a.name for a in self.axes]

    @property
    def log_x(self) -> Array:
        """Logs of the axes (n, m)."""
        return np.asarray(np.log(self.data[self.names].to_numpy(dtype=float)))

    def points(self, seen: Mask) -> Points:
        """What is fitted. Raises what a law of only these rows would raise."""
        return to_points(self.data[seen], self.axes, self.value, self.metric)


@dataclass(frozen=True)
class Replay:
    """`seen` and `scored` (n,) mark rows; replays of one `unit` are not independent.

    `origin` is the share of the points that is seen (by size), or of the run (by runs).
    """

    unit: int
    origin: float
    seen: Mask
    scored: Mask


@dataclass(frozen=True)
class Skipped:
    """A replay that even a law of those days would have refused, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """What to replay, in the order of what was seen; what cannot be."""

    design: Design
    replays: tuple[Replay, ...]
    skipped: tuple[Skipped, ...]


def plan(history: History, design: Design | None, origins: int | None) -> Plan:
    """The replays of the design; without one, by runs where that is possible, else by size."""
    if design == "runs" or (design is None and along_runs(history)):
        found = _by_runs(history, origins or TEST_RUNS)
        if found.replays or design == "runs":
            return found
    return _by_size(history, origins or ORIGINS)


def along_runs(history: History) -> tuple[str, ...]:
    """The scale axes that change within runs, where there are several runs."""
    data, run = history.data, history.run
    if run is None or data[run].nunique() < 2:
        return ()
    varies = data.groupby(run, sort=False)[history.names].nunique().max()
    return tuple(
        name for name, s in zip(history.names, history.scale, strict=True) if s and varies[name] > 1
    )


def _by_size(history: History, count: int) -> Plan:
    size = size_of(history.log_x, history.scale)
    end = size  # of the run that a row belongs to
    order = size  # where cuts are put
    if history.run is not None and history.data[history.run].nunique() > 1:
        runs = history.data[history.run]
        end = pd.Series(size).groupby(runs.to_numpy()).transform("max").to_numpy()
        order = end[~runs.duplicated().to_numpy()]
    shares = np.linspace(_FIRST, _LAST, count) if count > 1 else np.array([0.7])
    replays: list[Replay] = []
    skipped: list[Skipped] = []
    cuts = np.quantile(order, shares, method="lower")
    for cut in cuts[np.diff(cuts, prepend=-np.inf) > _SAME]:
        seen = end <= cut + _SAME
        scored = ~seen & (size > cut + _SAME)
        name = f"the smallest {seen.mean():.0%} of the points"
        if not scored.any():
            continue
        refusal = _refusal(history, seen)
        if refusal is None:
            replays.append(Replay(len(replays), float(seen.mean()), seen, scored))
        else:
            skipped.append(Skipped(name, refusal))
    return Plan("size", tuple(replays), tuple(skipped))


def _by_runs(history: History, count: int) -> Plan:
    along = along_runs(history)
    if history.run is None or not along:
        return Plan("runs", (), ())
    size = size_of(history.log_x, history.scale)
    runs = history.data[history.run].to_numpy()
    names = list(dict.fromkeys(runs))
    ends = np.array([size[runs == name].max() for name in names])
    ranked = [names[i] for i in np.argsort((ends / _SAME).round(), kind="stable")]
    rank = {name: i for i, name in enumerate(ranked)}
    ranks = np.array([rank[name] for name in runs])
    place = history.data[along[0]].to_numpy(dtype=float)
    possible: list[list[Replay]] = []
    skipped: list[Skipped] = []
    for name in ranked:
        replays, refusals = _of_run(history, name, rank[name], ranks, place)
        possible += [replays] if replays else []
        skipped += refusals
    chosen = [possible[i] for i in _spread(len(possible), count)]
    return Plan(
        "runs",
        tuple(
            Replay(unit, r.origin, r.seen, r.scored)
            for unit, replays in enumerate(chosen)
            for r in replays
        ),
        tuple(skipped),
    )


def _of_run(
    history: History, name: str, rank: int, ranks: NDArray[np.int64], place: Array
) -> tuple[list[Replay], list[Skipped]]:
    """The replays of one run, least seen first."""
    own = ranks == rank
    last = float(place[own].max())
    scored = np.zeros(len(ranks), dtype=bool)
    scored[np.flatnonzero(own & (place == last))[-1]] = True
    replays: list[Replay] = []
    skipped: list[Skipped] = []
    for share in SHARES:
        early = own & (place <= share * last)
        seen = (ranks < rank) | early
        if not early.any() or (replays and (seen == replays[-1].seen).all()):
            continue
        label = f"{name} from its first {share:.0%}"
        refusal = _refusal(history, seen)
        if refusal is None:
            replays.append(Replay(rank, share, seen, scored))
        else:
            skipped.append(Skipped(label, refusal))
    return replays, skipped


def _refusal(history: History, seen: Mask) -> str | None:
    """Why a law of these rows alone would be refused; None where it would not."""
    try:
        history.points(seen)
    except (TooLittleEvidence, AxisError) as error:
        return str(error)
    return None


def _spread(available: int, wanted: int) -> Sequence[int]:
    """Indices of at most `wanted` of the available, evenly spread, the last one among them."""
    if available <= wanted:
        return range(available)
    places = np.linspace(available - 1, 0, wanted).round().astype(int)
    return sorted(set(places.tolist()))
