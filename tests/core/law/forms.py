"""Which forms the tests of the law run over: every named one, and random compositions of terms."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from unsl_tracking.law import (
    BrokenPowerLaw,
    Ceiling,
    Form,
    Limit,
    RepeatedData,
    RepeatedTokens,
    zoo,
)
from unsl_tracking.law.form import Term

Array = NDArray[np.float64]
AXES = ("params", "tokens", "unique", "lr")
SCALE = AXES[:2]

NAMED = [
    zoo.power_law(SCALE),
    zoo.limited(["params"]),
    zoo.saturating("params"),
    zoo.implicit("params"),
    *(zoo.bnsl("params", b) for b in range(4)),
    zoo.chinchilla(SCALE),
    zoo.muennighoff(*AXES[:3]),
    zoo.unsl(["params"], breaks=2),
    zoo.unsl(SCALE),
    zoo.unsl(AXES, hyper=["lr"], breaks=2, overfit=(["tokens"], ["unique"]), name="everything"),
    Form("DC with a ceiling", AXES, (RepeatedData(("params", "tokens", "unique")), Ceiling())),
    Form("repeated tokens", AXES, (RepeatedTokens(("tokens", "unique")), Limit())),
    Form("moving ceiling", SCALE, (BrokenPowerLaw(SCALE, 1), Ceiling(SCALE), Limit())),
    *zoo.ablations(SCALE).values(),
]


def name_of(form: Form) -> str:
    """What pytest calls a case."""
    return form.name


@st.composite
def composed_forms(draw: st.DrawFn) -> Form:
    """One to three terms in the sum, and any of ceiling, limit and overfitting."""
    terms: list[Term] = [draw(_summands()) for _ in range(draw(st.integers(1, 3)))]
    if draw(st.booleans()):
        terms.append(Ceiling(draw(_subsets(0))))
    if draw(st.booleans()):
        terms.append(Limit())
    if draw(st.booleans()):
        over = draw(_subsets(1))
        terms.append(BrokenPowerLaw(over, draw(st.integers(0, 1)), "overfit", rising=over[:1]))
    return Form("composed", AXES, tuple(draw(st.permutations(terms))))


def _subsets(smallest: int) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(AXES), unique=True, min_size=smallest, max_size=3).map(tuple)


@st.composite
def _summands(draw: st.DrawFn) -> Term:
    axes = draw(_subsets(1))
    kinds: list[Term] = [
        BrokenPowerLaw(axes, breaks=draw(st.integers(0, 3)), rising=axes[1:2]),
        BrokenPowerLaw(axes[:1], saturating=True),
    ]
    if len(axes) > 1:
        kinds.append(RepeatedTokens((axes[0], axes[1])))
    if len(axes) == 3:
        kinds.append(RepeatedData((axes[0], axes[1], axes[2])))
    return draw(st.sampled_from(kinds))


any_form = st.one_of(st.sampled_from(NAMED), composed_forms())
seeds = st.integers(0, 2**32 - 1)


def ordinary(form: Form, seed: int, batch: int = 2, points: int = 5) -> tuple[Array, Array, Array]:
    """Parameters (B, p), ln x (n, m) and centre (m,) of the size that fits meet."""
    rng = np.random.default_rng(seed)
    draw = {
        "log_scale": lambda: rng.normal(0, 1, batch),
        "exponent": lambda: rng.uniform(0.1, 0.8, batch),
        "rising_exponent": lambda: -rng.uniform(0.1, 0.8, batch),
        "direction": lambda: rng.normal(0, 1, batch),
        "break_position": lambda: rng.normal(0, 1.5, batch),
        "slope_change": lambda: rng.normal(0, 0.5, batch),
        "log_sharpness": lambda: rng.uniform(-1.5, 1.0, batch),
        "log_limit": lambda: rng.normal(-2, 1, batch),
        "log_ceiling": lambda: rng.normal(1, 1, batch),
        "ceiling_exponent": lambda: rng.normal(0, 0.3, batch),
        "log_decay": lambda: rng.uniform(0, 2, batch),
        "log_warp": lambda: rng.uniform(-0.7, 0.7, batch),
    }
    theta = np.stack([draw[p.kind]() for p in form.parameters], axis=1)
    centre = rng.uniform(0, 25, len(form.axes))
    return theta, centre + rng.normal(0, 2, (points, len(centre))), centre


def extreme(form: Form, seed: int, batch: int = 8, points: int = 8) -> tuple[Array, Array, Array]:
    """The same at the edges: parameters ±1e-30 … ±1e30 or 0, axes and centre 1e-30 … 1e30."""
    rng = np.random.default_rng(seed)
    edge = np.array([-1e30, -1e-30, 0.0, 1e-30, 1e30, 1.0, -1.0, 60.0, -60.0])

    def decades(*shape: int) -> Array:
        return np.where(rng.random(shape) < 0.5, rng.uniform(-30, 30, shape), 30.0)

    shape = (batch, len(form.parameters))
    anywhere = rng.choice([-1.0, 1.0], shape) * 10.0 ** decades(*shape)
    theta = np.where(rng.random(shape) < 0.5, anywhere, rng.choice(edge, shape))
    sign = rng.choice([-1.0, 1.0], (points, len(form.axes)))
    log_x = np.log(10.0) * sign * decades(points, len(form.axes))
    return theta, log_x, np.log(10.0) * rng.uniform(-30, 30, len(form.axes))
