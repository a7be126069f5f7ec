"""Few siblings with other settings, whose learning rate falls late: a law of the way misses it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from unsl_tracking.live.judge import Judge
from unsl_tracking.live.siblings import Group

HORIZON = 4000
STEPS = np.unique(np.geomspace(20, HORIZON, 60).astype(int))


def losses(params: float, drop: float) -> np.ndarray:
    """A power law of size and steps; the last fifth of the way takes `drop` off it."""
    late = np.clip((STEPS / HORIZON - 0.8) / 0.2, 0.0, 1.0)
    values: np.ndarray = (1.7 + 400 * params**-0.34 + 9.0 * STEPS**-0.4) * (1.0 - drop * late)
    return values


@pytest.mark.parametrize(("drop", "most"), [(0.0, 0.1), (0.06, 0.5)])
@pytest.mark.parametrize("count", [2, 4])
def test_the_interval_holds_the_end(drop: float, most: float, count: int) -> None:
    *sizes, mine = np.geomspace(1e7, 1e8, count + 1).tolist()
    siblings = pd.concat(
        pd.DataFrame({"run_id": f"s{i}", "step": STEPS, "loss": losses(n, drop), "params": n})
        for i, n in enumerate(sizes)
    )
    judge = Judge("loss", {"step": HORIZON}, config={"params": mine})
    state = judge.new_state()
    curve = losses(mine, drop)
    for step, value in zip(STEPS.tolist(), curve.tolist(), strict=True):
        if step <= 0.5 * HORIZON:
            state.add(step, value, (step,))
    low, high = judge.forecast(state, Group.of(siblings, "step", "loss")).interval(0.8)
    assert low < curve[-1] < high
    assert high - low < most * curve[-1]


def test_a_sibling_that_never_began_changes_nothing() -> None:
    sizes = np.geomspace(1e7, 1e8, 4).tolist()
    rows = [
        pd.DataFrame({"run_id": f"s{i}", "step": STEPS, "loss": losses(n, 0.0), "params": n})
        for i, n in enumerate(sizes)
    ]
    never = pd.DataFrame({"run_id": "never", "step": [0], "loss": [9.0], "params": [3e7]})
    judge = Judge("loss", {"step": HORIZON}, config={"params": 5e7})
    state = judge.new_state()
    for step, value in zip(STEPS[:30].tolist(), losses(5e7, 0.0)[:30].tolist(), strict=True):
        state.add(step, value, (step,))
    with_it, without = (
        judge.forecast(state, Group.of(pd.concat(frames).assign(finished=True), "step", "loss"))
        for frames in ([*rows, never], rows)
    )
    assert with_it.median == pytest.approx(without.median, rel=1e-6)
