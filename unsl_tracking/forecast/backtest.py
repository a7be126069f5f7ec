"""Backtest: what a law would have forecast in the past, against what came out.

The law is refitted to what was seen at each origin (see `replay`), by the same search that fits it:
no weight, prior or hyperparameter uses a row that is scored. Intervals have their default width,
also where the law was recalibrated, for that width was learned from the very rows scored here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unsl_tracking.errors import DataError
from unsl_tracking.forecast.forecast import LEVELS
from unsl_tracking.forecast.recalibration import unit_weights, weighted_quantile, width_factor
from unsl_tracking.forecast.replay import Design, Skipped

Array = NDArray[np.float64]

SCHEMA: Final = "unsl_tracking/backtest"
SCHEMA_VERSION: Final = 1
EDGES: Final = (0.25, 0.5, 1.0, 2.0)  # decades beyond the data, between the bins of the tables
ALL: Final = "all"
_LEVEL = 0.8  # of the coverage that `supported_decades` looks at


@dataclass(frozen=True, eq=False)
class Backtest:
    """Forecasts of the past with their outcomes.

    `frame` has a row per scored observation: unit (rows of one unit are not independent), origin
    (the share of the points, or of the run, that was seen), seen (points fitted), run (None where
    the law has none), the axes, actual, median, lo and hi of 50, 80 and 95%, pit = P(Y ≤ actual),
    horizon (e-folds beyond what was seen) and decades (the same in powers of ten), ln_error (ln of
    forecast over outcome; of the errors ceiling − value for metrics to maximise), log_score (log
    density of that ln) and crps (in units of ln).
    """

    metric: str
    mode: str
    axes: tuple[str, ...]
    design: Design
    frame: pd.DataFrame
    skipped: tuple[Skipped, ...] = ()

    @property
    def units(self) -> int:
        """How many origins or runs were scored: about how many independent outcomes there are."""
        return int(self.frame["unit"].nunique())

    @property
    def replayed(self) -> str:
        """What was replayed, in words: `4 origins by size`."""
        one = self.units == 1
        if self.design == "size":
            return f"{self.units} origin{'' if one else 's'} by size"
        return "1 run from its beginning" if one else f"{self.units} runs from their beginnings"

    @property
    def width(self) -> float:
        """The factor on the width of intervals that this history asks for, see `recalibration`."""
        return width_factor(self.frame["pit"].to_numpy(), self.frame["unit"].to_numpy())

    def coverage(self, levels: Sequence[float] = LEVELS) -> pd.DataFrame:
        """How often central intervals held the outcome: bin, level, coverage, se, rows, units.

        The first bin is "all", the others are decades beyond the data. Units have equal shares.
        `se` is the binomial standard error of a calibrated law, as if a unit were one outcome.

        Raises:
            DataError: a level outside (0, 1).
        """
        for level in levels:
            if not 0.0 < level < 1.0:
                raise DataError("levels of coverage lie strictly between 0 and 1", got=level)
        rows = []
        for name, part, weight in self.bins():
            depth = np.abs(2.0 * part["pit"].to_numpy() - 1.0)
            units = int(part["unit"].nunique())
            for level in levels:
                rows.append(
                    {
                        "bin": name,
                        "level": float(level),
                        "coverage": float(np.average(depth <= level, weights=weight)),
                        "se": math.sqrt(level * (1.0 - level) / units),
                        "rows": len(part),
                        "units": units,
                    }
                )
        return pd.DataFrame(rows)

    def error(self) -> pd.DataFrame:
        """How far medians were off: bin, median of |ln error|, rmsle, bias, rows, units."""
        rows = []
        for name, part, weight in self.bins():
            error = part["ln_error"].to_numpy()
            rows.append(
                {
                    "bin": name,
                    "median_error": weighted_quantile(np.abs(error), weight, 0.5),
                    "rmsle": float(np.sqrt(np.average(error**2, weights=weight))),
                    "bias": float(np.average(error, weights=weight)),
                    "rows": len(part),
                    "units": int(part["unit"].nunique()),
                }
            )
        return pd.DataFrame(rows)

    def score(self) -> dict[str, float]:
        """Proper scores, units having equal shares: log_score (higher is better), crps (lower)."""
        _, part, weight = self.bins()[0]
        return {n: float(np.average(part[n], weights=weight)) for n in ("log_score", "crps")}

    def supported_decades(
        self, max_error: float | None = 0.05, coverage: float | None = None
    ) -> float:
        """How far beyond the data this history supports forecasts, in decades.

        That is the farthest outcome in the bins, from the nearest on, that all have an rmsle of at
        most `max_error` and an 80% interval that held at least a share `coverage` of the outcomes.
        0 where the nearest bin has not. None leaves out a condition.

        Raises:
            DataError: neither condition is given.
        """
        if max_error is None and coverage is None:
            raise DataError("max_error or coverage says what counts as supported", got=None)
        supported = 0.0
        for _, part, weight in self.bins()[1:]:
            rmsle = math.sqrt(float(np.average(part["ln_error"] ** 2, weights=weight)))
            held = np.abs(2.0 * part["pit"].to_numpy() - 1.0) <= _LEVEL
            if max_error is not None and rmsle > max_error:
                break
            if coverage is not None and np.average(held, weights=weight) < coverage:
                break
            supported = float(part["decades"].max())
        return supported

    def __repr__(self) -> str:
        rows = len(self.frame)
        return f"Backtest({self.metric} by {self.design}, {self.units} units, {rows} rows)"

    def __str__(self) -> str:
        lines = [f"Backtest of {self.metric}: {self.replayed}, {len(self.frame)} outcomes"]
        wide = self.coverage().pivot(index="bin", columns="level", values="coverage")
        table = self.error().set_index("bin").join(wide)
        table = table.rename(columns={level: f"{level:.0%} held" for level in LEVELS})
        columns = ["median_error", "rmsle", "bias", *wide.columns.map("{:.0%} held".format)]
        formats: dict[Any, Any] = {
            c: (lambda v: f"{v:.0%}") if "held" in c else (lambda v: f"{v:.4f}") for c in columns
        }
        table.index.name = "decades beyond the data"
        lines.append(table.reset_index().to_string(index=False, formatters=formats))
        score = self.score()
        lines.append(
            f"log score {score['log_score']:.3f}, crps {score['crps']:.4f}; "
            f"recalibration would multiply widths by {self.width:.2f}"
        )
        reasons = dict.fromkeys(each.reason for each in self.skipped)
        for reason in reasons:
            names = [each.name for each in self.skipped if each.reason == reason]
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            lines.append(f"not scored: {', '.join(names[:3])}{more}: {reason}")
        return "\n\n".join(lines)

    def to_dict(self) -> dict[str, object]:
        """Everything as strict JSON values: what is not finite is None."""
        return {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "metric": self.metric,
            "mode": self.mode,
            "axes": list(self.axes),
            "design": self.design,
            "units": self.units,
            "width": self.width,
            "score": {name: _plain(value) for name, value in self.score().items()},
            "error": _records(self.error()),
            "coverage": _records(self.coverage()),
            "rows": _records(self.frame),
            "skipped": [{"name": s.name, "reason": s.reason} for s in self.skipped],
        }

    def bins(self) -> list[tuple[str, pd.DataFrame, Array]]:
        """Name, rows and weights of all rows, then of each bin of decades that has any."""
        weight = unit_weights(self.frame["unit"].to_numpy())
        place = np.searchsorted(EDGES, self.frame["decades"].to_numpy(), side="left")
        found = [(ALL, self.frame, weight)]
        for i, name in enumerate(bin_names()):
            inside = place == i
            if inside.any():
                found.append((name, self.frame[inside], weight[inside]))
        return found


def bin_names() -> list[str]:
    """Names of all bins of decades beyond the data, the nearest first."""
    between = [f"{a:g} to {b:g}" for a, b in pairwise(EDGES)]
    return [f"up to {EDGES[0]:g}", *between, f"over {EDGES[-1]:g}"]


def _records(frame: pd.DataFrame) -> list[dict[str, object]]:
    return [
        {str(name): _plain(value) for name, value in row.items()}
        for row in frame.to_dict(orient="records")
    ]


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
