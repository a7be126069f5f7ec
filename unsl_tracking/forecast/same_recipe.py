"""Which runs are of one recipe: the same settings, as far as they are told.

Log densities of ends rose by 0.26 on AlgoPerf where another run of the recipe had finished. How far
apart two recipes lie is not asked: a kernel over settings (logs of numbers, texts the same or not)
did no better there, and slowed searches on TaskSet, where every run has settings of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Settings: TypeAlias = Mapping[str, float | str]
NOT_TOLD: Final[Settings] = {}


def recipes(runs: Sequence[Settings], names: Sequence[str]) -> NDArray[np.float64]:
    """A number for each run, shape (runs,), the same for runs that agree on all these names.

    NaN, which equals nothing, for runs of which none of the names is told.
    """
    wanted = sorted(set(names))
    told = [tuple(run.get(name) for name in wanted) for run in runs]
    numbers: dict[tuple[float | str | None, ...], float] = {}
    return np.array(
        [
            np.nan if all(each is None for each in one) else numbers.setdefault(one, len(numbers))
            for one in told
        ],
        dtype=float,
    )


def pairs(recipe: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 where two runs are of one recipe, else 0, shape (runs, runs); a run is of its own."""
    same = recipe[:, None] == recipe
    np.fill_diagonal(same, True)
    result: NDArray[np.float64] = same.astype(float)
    return result
