"""Which rows of a table are the small-scale part, and which the large-scale part.

Every rule is a pure function of the rows. Values that differ by less than `TIE` (relative) count as
one size, and rows of one size stay on one side: budgets are meant to be discrete but are logged
with rounding errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unsl_tracking import DataError

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

TIE = 0.01
_RULES = "top, first, from, above, or column with train"


@dataclass(frozen=True)
class Split:
    """`by` columns are multiplied into a size (in logs); one rule says which sizes are large.

    top: about this share of the rows is large; the nearest that ties allow.
    first: this share of the rows, the smallest, is small.
    at_least, above: sizes ≥ or > this are large.
    column, train: rows whose column holds one of these values are small.
    score: "rest" scores all large rows, "last" the largest only.
    """

    by: tuple[str, ...] = ()
    top: float | None = None
    first: float | None = None
    at_least: float | None = None
    above: float | None = None
    column: str | None = None
    train: tuple[object, ...] = ()
    score: Literal["rest", "last"] = "rest"

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Split:
        """From a table of the manifest; `from` is spelt as there."""
        known = {"by", "top", "first", "from", "above", "column", "train", "score"}
        if unknown := sorted(set(given) - known):
            raise DataError(f"a split consists of {sorted(known)}", got=unknown)
        fields = {("at_least" if k == "from" else k): v for k, v in given.items()}
        for name in ("by", "train"):
            value = fields.get(name, ())
            fields[name] = tuple(value) if isinstance(value, list | tuple) else (value,)
        split = cls(**fields)
        rules = [split.top, split.first, split.at_least, split.above, split.column]
        if sum(r is not None for r in rules) != 1:
            raise DataError(f"a split has exactly one rule: {_RULES}", got=dict(given))
        return split

    def large(self, rows: pd.DataFrame) -> Mask:
        """Marks the rows (n,) of the large-scale part."""
        if self.column is not None:
            return ~np.asarray(rows[self.column].isin(list(self.train)), dtype=bool)
        size = log_size(rows, self.by)
        if self.top is not None:
            return size > _nearest_cut(size, self.top)
        if self.first is not None:
            count = int(np.ceil(self.first * len(size)))
            return np.asarray(np.argsort(np.argsort(size, kind="stable")) >= count, dtype=bool)
        if self.above is not None:
            return np.asarray(size > np.log(self.above) + 1e-12, dtype=bool)
        assert self.at_least is not None
        return np.asarray(size >= np.log(self.at_least) - 1e-12, dtype=bool)

    def scored(self, rows: pd.DataFrame, large: Mask) -> Mask:
        """Marks the rows to score: the large ones, or the last of them."""
        if self.score == "rest" or not large.any():
            return large
        size = np.where(large, log_size(rows, self.by), -np.inf)
        return np.asarray(size == size.max(), dtype=bool)


def log_size(rows: pd.DataFrame, by: tuple[str, ...]) -> Array:
    """Sum of the logs of the columns (n,): their product can overflow an integer."""
    return np.asarray(np.log(rows[list(by)].to_numpy(dtype=float)).sum(axis=1), dtype=float)


def _nearest_cut(size: Array, share: float) -> float:
    """The size above which a share of the rows lies that is nearest to the one asked for."""
    ordered = np.sort(size)
    gaps = np.flatnonzero(np.diff(ordered) > TIE)
    if gaps.size == 0:
        raise DataError("a split by size needs rows of different sizes", got=len(size))
    shares = 1.0 - (gaps + 1) / len(size)
    best = int(gaps[np.argmin(np.abs(shares - share))])
    return float(0.5 * (ordered[best] + ordered[best + 1]))
