"""Eight things that a unified scaling law must be able to do, one test or more for each.

Caballero et al. (arXiv 2605.26248) ask eight desiderata of a unified law. The list below is our
reading of public descriptions of that paper, in our words and our order; we do not claim that it
is the paper's list item by item.

1. Each axis alone: where the other axes abound, y falls to its limit as a power law of the scarce
   one, with an exponent of its own.
2. Breaks: along an axis the slope may change any number of times, sharply or smoothly, and the law
   may turn upwards and down again (double descent) or stay flat and then fall (emergence).
3. Breaks are shared: a break is a surface in all axes at once; more of one axis moves it along
   another multiplicatively.
4. Bottlenecks: what stays when one axis grows without bound is decided by the other axes.
5. Irreducible limit: when everything grows without bound, a > 0 stays, and y never falls below.
6. Misperformance limit: when scale vanishes y approaches what knowing nothing scores, a limit
   which may itself depend on scale.
7. Hyperparameters have an optimum, and it moves with scale as a power law.
8. Overfitting: y rises with repetition of the data, and the rise shrinks as the data set grows.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar

from unsl_tracking.law import BrokenPowerLaw, Ceiling, Form, Limit, log_value, zoo

from .forms import seeds
from .naive import vector

Array = NDArray[np.float64]
FAR = 400.0  # e-folds: as good as infinity for exponents around 0.3


def _ln_y(form: Form, values: dict[str, float], z: object) -> Array:
    """ln y (n,) at logs of the axes (n, m), measured from their centre."""
    at = np.atleast_2d(np.asarray(z, dtype=float))
    ln_y: Array = log_value(form, vector(form, values), at, np.zeros(at.shape[1]))[0]
    return ln_y


def _slope(form: Form, values: dict[str, float], z: float, step: float = 1e-4) -> float:
    above, below = _ln_y(form, values, [[z + step], [z - step]])
    return float((above - below) / (2 * step))


WHOLE = zoo.unsl(["n", "d"], breaks=1)
TREND = {
    "K0.beta": 0.2,
    "K0.alpha[n]": 0.25,
    "K0.alpha[d]": 0.3,
    "K0.w1[n]": 1.0,
    "K0.w1[d]": -0.5,
    "K0.delta1": 1.0,
    "K0.gamma1": 0.2,
    "K0.ln_f1": -0.5,
}
BOTTLENECKS = {"K1.beta": -0.4, "K1.alpha[n]": 0.34, "K2.beta": 0.1, "K2.alpha[d]": 0.28}
ENDS = {"ceiling.ln_M": 2.3, "limit.ln_a": -0.7}
VALUES = TREND | BOTTLENECKS | ENDS


# 1. Each axis alone


@pytest.mark.parametrize(("axis", "exponent"), [(0, 0.34), (1, 0.28)], ids=["params", "data"])
def test_1_a_scarce_axis_falls_as_a_power_law_where_the_other_abounds(
    axis: int, exponent: float
) -> None:
    z = np.full((2, 2), FAR)
    z[:, axis] = [20.0, 21.0]  # large enough to be out of the ceiling's way
    above_limit = np.exp(_ln_y(WHOLE, VALUES, z)) - np.exp(ENDS["limit.ln_a"])
    assert np.diff(np.log(above_limit))[0] == pytest.approx(-exponent, rel=1e-2)


# 2. Breaks


def test_2_the_slope_changes_at_every_break_by_the_amount_of_that_break() -> None:
    form = zoo.bnsl("x", breaks=4, limit=False)
    positions, changes = [-30.0, -10.0, 10.0, 30.0], [0.5, -0.4, -0.6, 0.9]
    values = {"K0.beta": 0.0, "K0.alpha[x]": 0.1}
    for k, (delta, gamma) in enumerate(zip(positions, changes, strict=True), start=1):
        values |= {f"K0.delta{k}": delta, f"K0.gamma{k}": gamma, f"K0.ln_f{k}": -1.0}
    between = [-40.0, -20.0, 0.0, 20.0, 40.0]
    slopes = [_slope(form, values, z) for z in between]
    np.testing.assert_allclose(slopes, -0.1 - np.cumsum([0.0, *changes]), atol=1e-6)


def test_2_double_descent_falls_rises_and_falls_again_to_a_lower_value() -> None:
    values = {
        "K0.beta": 0.0,
        "K0.alpha[x]": 0.3,
        "K0.delta1": 2.0,
        "K0.gamma1": -1.3,
        "K0.ln_f1": -1.0,
        "K0.delta2": 4.0,
        "K0.gamma2": 1.5,
        "K0.ln_f2": -1.0,
        "limit.ln_a": -3.0,
    }
    ln_y = _ln_y(zoo.bnsl("x", 2), values, np.linspace(-4, 12, 400)[:, None])
    turns = np.flatnonzero(np.diff(np.sign(np.diff(ln_y))))
    first, second = turns
    assert ln_y[first] < ln_y[second], "a valley, then a peak"
    assert ln_y[-1] < ln_y[first], "and the second descent ends lower"


def test_2_emergence_is_flat_and_then_falls() -> None:
    values = {
        "K0.beta": 0.0,
        "K0.alpha[x]": 0.0,
        "K0.delta1": 5.0,
        "K0.gamma1": 0.8,
        "K0.ln_f1": -2.0,
        "limit.ln_a": -12.0,
    }
    form = zoo.bnsl("x", 1)
    assert _slope(form, values, 2.0) == pytest.approx(0.0, abs=1e-4)
    assert _slope(form, values, 8.0) == pytest.approx(-0.8, abs=1e-2)


@pytest.mark.parametrize("ln_f", [-4.0, -2.0, 0.0, 1.0])
def test_2_the_sharpness_sets_over_how_many_e_folds_a_break_extends(ln_f: float) -> None:
    form = zoo.bnsl("x", 1, limit=False)
    values = {"K0.beta": 0.0, "K0.alpha[x]": 0.0, "K0.delta1": 0.0, "K0.gamma1": 1.0}
    values["K0.ln_f1"] = ln_f
    ends = [
        brentq(lambda z, share=share: -_slope(form, values, z) - share, -60, 60)
        for share in (0.1, 0.9)
    ]
    # The slope is a sigmoid of z/f, which goes from 10% to 90% within 2 ln 9 f.
    assert ends[1] - ends[0] == pytest.approx(2 * np.log(9) * np.exp(ln_f), rel=1e-3)


# 3. Breaks are shared


@pytest.mark.parametrize("more_data", [1.0, 10.0, 1000.0])
def test_3_more_of_one_axis_moves_the_break_along_another_multiplicatively(
    more_data: float,
) -> None:
    form = Form("trend", ("n", "d"), (BrokenPowerLaw(("n", "d"), 1),))

    def halfway(z_n: float) -> float:  # the slope along n is halfway through its change
        z = [[z_n + 1e-4, np.log(more_data)], [z_n - 1e-4, np.log(more_data)]]
        above, below = _ln_y(form, TREND, z)
        return float((above - below) / 2e-4 + 0.25 + 0.2 / 2)

    # The hyperbreak is the line ln n − 0.5 ln d = 1, i.e. n = e·d^0.5.
    assert np.exp(brentq(halfway, -30, 30)) == pytest.approx(np.e * more_data**0.5, rel=1e-4)


def test_3_a_break_may_tilt_over_any_subset_of_the_axes() -> None:
    form = Form("subset", ("n", "d", "s"), (BrokenPowerLaw(("n", "s"), 2), Limit()))
    rng = np.random.default_rng(0)
    theta = rng.normal(size=(1, len(form.parameters)))
    z = rng.normal(size=(5, 3))
    moved = z + np.array([0.0, 3.0, 0.0])
    same = log_value(form, theta, z, np.zeros(3)) == log_value(form, theta, moved, np.zeros(3))
    assert same.all(), "an axis outside of the subset plays no part"
    tilted = log_value(form, theta, z + np.array([0.0, 0.0, 1.0]), np.zeros(3))
    assert (tilted != log_value(form, theta, z, np.zeros(3))).all()


# 4. Bottlenecks


@pytest.mark.parametrize(("grown", "scarce"), [(0, 1), (1, 0)], ids=["params", "data"])
def test_4_what_stays_when_one_axis_is_unbounded_is_decided_by_the_other(
    grown: int, scarce: int
) -> None:
    z = np.full((3, 2), FAR)
    z[:, scarce] = [0.0, 2.0, 4.0]
    y = np.exp(_ln_y(WHOLE, VALUES, z))
    name = ("n", "d")[scarce]
    left = np.exp(
        VALUES[f"K{1 + scarce}.beta"] - VALUES[f"K{1 + scarce}.alpha[{name}]"] * z[:, scarce]
    )
    expected = np.exp(-0.7) + 1 / (1 / left + np.exp(-2.3))
    np.testing.assert_allclose(y, expected, rtol=1e-9)
    z[:, grown] *= 2
    np.testing.assert_allclose(np.exp(_ln_y(WHOLE, VALUES, z)), y, rtol=1e-9)


def test_4_without_a_bottleneck_term_one_axis_can_make_up_for_another() -> None:
    """The counterpart: A2 has no bottlenecks, and tends to the limit along either axis alone."""
    form = zoo.ablations(["n", "d"])["A2"]
    values = TREND | ENDS
    assert _ln_y(form, values, [[FAR, 0.0]])[0] == pytest.approx(-0.7, abs=1e-9)


# 5. Irreducible limit


def test_5_when_everything_grows_the_irreducible_limit_stays() -> None:
    assert _ln_y(WHOLE, VALUES, [[FAR, FAR]])[0] == pytest.approx(-0.7, abs=1e-12)


@settings(max_examples=40)
@given(z=st.tuples(*[st.floats(-60, 60)] * 2))
def test_5_no_scale_goes_below_the_irreducible_limit(z: tuple[float, float]) -> None:
    assert _ln_y(WHOLE, VALUES, [z])[0] >= -0.7


# 6. Misperformance limit


@pytest.mark.parametrize("vanishing", [[0], [1], [0, 1]], ids=["params", "data", "both"])
def test_6_when_scale_vanishes_y_is_what_knowing_nothing_scores(vanishing: list[int]) -> None:
    z = np.zeros((1, 2))
    z[:, vanishing] = -FAR
    assert np.exp(_ln_y(WHOLE, VALUES, z))[0] == pytest.approx(np.exp(-0.7) + np.exp(2.3))


@settings(max_examples=40)
@given(z=st.tuples(*[st.floats(-60, 60)] * 2), seed=seeds)
def test_6_whatever_the_breaks_q_is_between_zero_and_the_ceiling(
    z: tuple[float, float], seed: int
) -> None:
    form = zoo.unsl(["n", "d"], breaks=2)
    theta = np.random.default_rng(seed).normal(size=(1, len(form.parameters)))
    ln_y = log_value(form, theta, np.array([z]), np.zeros(2))[0, 0]
    ln_m, ln_a = theta[0, -2:]
    assert ln_a <= ln_y <= np.logaddexp(ln_a, ln_m) + 1e-12


def test_6_the_ceiling_may_move_with_scale() -> None:
    form = Form("moving", ("n", "d"), (BrokenPowerLaw(("n",)), Ceiling(("d",))))
    values = {"K0.beta": 0.0, "K0.alpha[n]": 0.5, "ceiling.ln_M": 1.0, "ceiling.alpha[d]": 0.1}
    ln_y = _ln_y(form, values, [[-FAR, 0.0], [-FAR, 5.0]])
    np.testing.assert_allclose(ln_y, [1.0, 1.0 - 0.1 * 5.0])


# 7. Hyperparameters

LEARNING_RATE = zoo.unsl(["n", "lr"], hyper=["lr"], trend=False, bottlenecks=(), ceiling=False)
LEARNING_RATE_VALUES = {
    "K0.beta": 0.3,  # too small a learning rate hurts less the larger the model: lr^-0.4 n^-0.5
    "K0.alpha[lr]": 0.4,
    "K0.alpha[n]": 0.5,
    "K1.beta": -0.2,  # too large a one hurts as lr^0.9 n^-0.1
    "K1.alpha[lr]": -0.9,
    "K1.alpha[n]": 0.1,
    "limit.ln_a": -2.0,
}


def _best_learning_rate(z_n: float) -> float:
    def ln_y(z_lr: float) -> float:
        return float(_ln_y(LEARNING_RATE, LEARNING_RATE_VALUES, [[z_n, z_lr]])[0])

    return float(minimize_scalar(ln_y, bounds=(-12, 12), options={"xatol": 1e-9}).x)


def test_7_a_hyperparameter_has_one_optimum_with_a_rise_on_either_side() -> None:
    z = np.stack([np.zeros(200), np.linspace(-15, 15, 200)], axis=1)
    steps = np.sign(np.diff(_ln_y(LEARNING_RATE, LEARNING_RATE_VALUES, z)))
    assert steps[0] == -1
    assert steps[-1] == 1
    assert np.count_nonzero(np.diff(steps)) == 1


def test_7_the_optimum_moves_with_scale_as_a_power_law() -> None:
    # Minimising A lr^-p n^-q + B lr^r n^-s: lr* = (pA/rB)^(1/(p+r)) n^((s−q)/(p+r)).
    p, q, r, s = 0.4, 0.5, 0.9, 0.1
    at_one = np.log(p / r) + 0.3 - (-0.2)
    for z_n in (0.0, 5.0, 10.0):
        expected = (at_one + (s - q) * z_n) / (p + r)
        assert _best_learning_rate(z_n) == pytest.approx(expected, abs=1e-4)


# 8. Overfitting

EPOCHS = zoo.unsl(
    ["steps", "data", "epochs"],
    bottlenecks=[["steps"]],
    trend=False,
    ceiling=False,
    overfit=(["epochs"], ["data"]),
)
EPOCHS_VALUES = {
    "K0.beta": 0.0,
    "K0.alpha[steps]": 0.5,
    "O1.beta": -4.0,
    "O1.alpha[epochs]": -0.7,
    "O1.alpha[data]": 0.6,
    "limit.ln_a": -1.0,
}


def _along_training(z_data: float, z_steps: Array) -> Array:
    """ln y when steps grow on a fixed data set: epochs are steps per sample."""
    z = np.stack([z_steps, np.full_like(z_steps, z_data), z_steps - z_data], axis=1)
    return _ln_y(EPOCHS, EPOCHS_VALUES, z)


def test_8_more_epochs_on_the_same_data_first_help_and_then_overfit() -> None:
    steps = np.sign(np.diff(_along_training(0.0, np.linspace(-5, 15, 300))))
    assert steps[0] == -1
    assert steps[-1] == 1
    assert np.count_nonzero(np.diff(steps)) == 1


def test_8_a_larger_data_set_overfits_later_and_ends_lower() -> None:
    z_steps = np.linspace(-5, 25, 1000)
    small, large = (_along_training(z, z_steps) for z in (0.0, 4.0))
    assert z_steps[large.argmin()] > z_steps[small.argmin()]
    assert large.min() < small.min()


def test_8_overfitting_vanishes_as_the_data_set_grows_without_bound() -> None:
    without = np.logaddexp(-1.0, 0.0 - 0.5 * 3.0)
    assert _ln_y(EPOCHS, EPOCHS_VALUES, [[3.0, FAR, 10.0]])[0] == pytest.approx(without)
    assert _ln_y(EPOCHS, EPOCHS_VALUES, [[3.0, 0.0, 10.0]])[0] > without + 0.1


def test_8_overfitting_may_rise_above_the_ceiling() -> None:
    """It opposes learning from outside Q: a confident mistake costs more than a random guess."""
    form = zoo.unsl(
        ["data", "epochs"],
        bottlenecks=[["data"]],
        trend=False,
        overfit=(["epochs"], ["data"]),
    )
    values = {
        "K0.beta": 0.0,
        "K0.alpha[data]": 0.5,
        "O1.beta": 0.0,
        "O1.alpha[epochs]": -1.0,
        "O1.alpha[data]": 0.5,
        "ceiling.ln_M": 1.0,
        "limit.ln_a": -2.0,
    }
    assert _ln_y(form, values, [[0.0, 5.0]])[0] > np.logaddexp(1.0, -2.0)
