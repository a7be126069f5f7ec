"""What a monitor remembers of its run: a curve in bounded memory, and the last raw values."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd

from unsl_tracking.errors import DataError
from unsl_tracking.runs.curve import CurveBuckets

SCHEMA: Final = "unsl.monitor/1"


@dataclass
class RunState:
    """The curve of one run along `axes[0]`; the other axes are curves over the same places."""

    axes: tuple[str, ...]
    keep: int
    curves: dict[str, CurveBuckets] = field(init=False)
    recent: deque[float] = field(init=False)
    version: int = 0  # counts what was logged, whatever it was
    points: int = 0  # finite values
    at: float = 0.0
    step: int = 0

    def __post_init__(self) -> None:
        self.curves = {name: CurveBuckets() for name in ("", *self.axes[1:])}
        self.recent = deque(maxlen=self.keep)

    def add(self, step: float, value: float, places: Sequence[float]) -> None:
        """Add one value, at the place on each axis. Costs the same at the end as at the start."""
        self.version += 1
        self.recent.append(value)
        at = places[0]
        if not at > 0 or at == math.inf:
            return
        self.at, self.step = at, int(step)
        if not math.isfinite(value):
            return
        self.points += 1
        self.curves[""].add(at, value)
        for name, place in zip(self.axes[1:], places[1:], strict=True):
            self.curves[name].add(at, place)

    def copy(self) -> RunState:
        """An independent state."""
        result = RunState(self.axes, self.keep)
        result.curves = {name: curve.copy() for name, curve in self.curves.items()}
        result.recent = self.recent.copy()
        result.version, result.points = self.version, self.points
        result.at, result.step = self.at, self.step
        return result

    def frame(self, metric: str) -> pd.DataFrame:
        """The curve as observations: the axes, the metric and `count`."""
        own = self.curves[""].to_frame()
        columns = {self.axes[0]: own["step"], metric: own["value"], "count": own["count"]}
        for name in self.axes[1:]:
            other = self.curves[name].to_frame()
            # Interpolated, because a corrected step may have ended in another bucket.
            columns[name] = np.interp(own["step"], other["step"], other["value"])
        return pd.DataFrame(columns)

    def to_dict(self) -> dict[str, Any]:
        """Everything, as strict JSON: values that are not finite are text."""
        return {
            "axes": list(self.axes),
            "curves": {name: curve.to_state() for name, curve in self.curves.items()},
            "recent": [v if math.isfinite(v) else str(v) for v in self.recent],
            "version": self.version,
            "points": self.points,
            "at": self.at,
            "step": self.step,
        }

    def load(self, state: Mapping[str, Any]) -> RunState:
        """A new state of the same axes with what `to_dict` wrote. Raises `DataError`."""
        result = RunState(self.axes, self.keep)
        try:
            if tuple(state["axes"]) != self.axes:
                raise DataError(f"the state is of a run along {self.axes}", got=state["axes"])
            for name in result.curves:
                result.curves[name] = CurveBuckets.from_state(state["curves"][name])
            result.recent.extend(float(v) for v in state["recent"])
            result.version, result.points = int(state["version"]), int(state["points"])
            result.at, result.step = float(state["at"]), int(state["step"])
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError("the state of a monitor is complete", got=repr(error)) from error
        return result
