"""Series, one metric of one run each, as adapters read them, and the frame they make together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unsl_tracking.runs.run import HISTORY_DTYPES, empty_history


class Key(NamedTuple):
    """Which series: a run's id and a metric's name."""

    run_id: str
    metric: str


class Rows(Protocol):
    """The rows of one series, in order of timestamp, then step. All have shape (n,)."""

    @property
    def step(self) -> NDArray[np.int64]:
        """As logged."""

    @property
    def timestamp(self) -> NDArray[np.int64]:
        """Milliseconds since 1970."""

    @property
    def value(self) -> NDArray[np.float64]:
        """As logged, NaN and infinities included."""


def to_frame(parts: Mapping[Key, Rows]) -> pd.DataFrame:
    """All series as one frame of `HISTORY_DTYPES`, ordered by run, metric, timestamp and step."""
    kept = [(key, parts[key]) for key in sorted(parts) if len(parts[key].step)]
    if not kept:
        return empty_history()
    lengths = [len(rows.step) for _, rows in kept]
    # Series with a type: pandas would turn bare arrays of texts into its own and back.
    columns = {
        "run_id": _repeated([key.run_id for key, _ in kept], lengths),
        "metric": _repeated([key.metric for key, _ in kept], lengths),
        "step": np.concatenate([rows.step for _, rows in kept]),
        "timestamp": np.concatenate([rows.timestamp for _, rows in kept]),
        "value": np.concatenate([rows.value for _, rows in kept]),
    }
    return pd.DataFrame(columns).astype(HISTORY_DTYPES)


def _repeated(names: Sequence[str], lengths: Sequence[int]) -> pd.Series[str]:
    return pd.Series(np.repeat(np.array(names, dtype=object), lengths), dtype="object")
