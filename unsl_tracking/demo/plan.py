"""Which networks the demo trains: a ladder of small ones, then the larger ones it forecasts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unsl_tracking.demo.network import Settings


@dataclass(frozen=True, slots=True)
class Plan:
    """Settings of the runs to learn from and of those to forecast, in the order of training."""

    ladder: tuple[Settings, ...]
    larger: tuple[Settings, ...]

    @property
    def cost(self) -> float:
        """Of everything, in the unit of `Settings.cost`."""
        return sum(settings.cost for settings in (*self.ladder, *self.larger))


def full_plan(seed: int = 0) -> Plan:
    """Five widths times four data sizes, with steps that grow with the data; three larger runs."""
    data = ((50_000, 1_000), (150_000, 1_400), (500_000, 2_000), (1_200_000, 2_600))
    widths = (12, 24, 48, 96, 192)
    larger = ((384, 1_200_000, 3_000), (384, 3_000_000, 4_000), (768, 3_000_000, 4_000))
    return Plan(
        ladder=tuple(Settings(w, chars, steps, seed) for w in widths for chars, steps in data),
        larger=tuple(Settings(w, chars, steps, seed) for w, chars, steps in larger),
    )


def small_plan(seed: int = 0) -> Plan:
    """A few seconds of the same, for tests."""
    data = ((50_000, 200), (150_000, 300), (500_000, 400))
    widths = (8, 16, 32, 64)
    return Plan(
        ladder=tuple(Settings(w, chars, steps, seed) for w in widths for chars, steps in data),
        larger=(Settings(128, 1_000_000, 600, seed),),
    )


def evaluation_steps(steps: int, count: int = 24) -> frozenset[int]:
    """Log-spaced steps at which to evaluate, the last one included."""
    first = max(60, steps // 40)
    return frozenset(int(step) for step in np.geomspace(first, steps, count).round())
