"""Whether a run that goes on is where finished runs were at that share of their way.

A law that is fitted to ends knows nothing of a run's own values so far. They are compared with what
its forecast means for them: finished siblings say by how much a value at that share of the way lies
above the end. Where that and the forecast cannot both be right, the forecast is not given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unsl_tracking.forecast import FittedLaw
from unsl_tracking.forecast.metric_scale import MetricScale
from unsl_tracking.report import Answer

_FEWEST: Final = 3  # finished siblings that have values before and after that share
_ERRORS: Final = 4.0  # standard errors apart: of runs that are alright, hardly one
_APART: Final = 0.03  # of ln y at the least: closer, the forecast may stand as it is
_NORMAL_80: Final = 1.2816  # half-width of a normal's central 80% in standard deviations

_Floats = NDArray[np.float64]


class Course:
    """How runs of a group came to their ends, to hold those against that go on.

    Built once per group: what it takes of a sibling is the same for every run held against it.
    """

    def __init__(
        self, curves: pd.DataFrame, law: FittedLaw, along: str, ended: Sequence[str]
    ) -> None:
        """`curves` has all rows of the group, `ended` are runs that came to the end of `along`."""
        self._scale = MetricScale.for_metric(law.mode, law.ceiling, np.empty(0), law.value)
        at = curves[along].to_numpy(dtype=float)
        ln_y = self._scale.to_log(curves[law.value].to_numpy())
        by_run = {str(run): rows for run, rows in curves.groupby("run_id").indices.items()}
        self._last = {run: (at[rows[-1]], ln_y[rows[-1]]) for run, rows in by_run.items()}
        self._ended = [
            (np.log(at[rows] / at[rows[-1]]), ln_y[rows] - ln_y[rows[-1]])
            for rows in (by_run[run] for run in ended if run in by_run)
        ]

    def objection(self, run: str, answer: Answer, end: float) -> str:
        """Why the forecast `answer` of the end of `run` is not to be had; empty where it may stand.

        `end` is where the run ends on the axis.
        """
        at, ln_y = self._last[run]
        share = float(at) / end
        ahead = self._above_their_ends(share)
        if len(ahead) < _FEWEST:
            return ""
        bounds = self._scale.to_log(np.array([*answer.intervals[0.8], answer.median]))
        spread = abs(bounds[1] - bounds[0]) / (2.0 * _NORMAL_80)
        error = float(np.hypot(ahead.std(ddof=1) * np.sqrt(1.0 + 1.0 / len(ahead)), spread))
        apart = float(ln_y - bounds[2] - ahead.mean())
        if abs(apart) <= max(_ERRORS * error, _APART):
            return ""
        side = "worse" if apart > 0.0 else "better"
        return (
            f"after {share:.0%} of its way it is {abs(np.expm1(apart)):.0%} {side} than finished"
            " runs were there, so that the law of their ends does not hold for it"
        )

    def _above_their_ends(self, share: float) -> _Floats:
        """How far ln y lay above the end at that share of the way, where there were values."""
        place = np.log(share)
        found: _Floats = np.array(
            [
                np.interp(place, way, above)
                for way, above in self._ended
                if way[0] <= place <= 0.0  # not before the first value
            ],
            dtype=np.float64,
        )
        known: _Floats = found[np.isfinite(found)]
        return known
