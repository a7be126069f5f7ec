"""Published laws, each written out here as its paper prints it, equal named forms of ours.

Raw units throughout: the papers know no centre of the data, so the forms are given `centre`
different from zero and the parameters that belong to it.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import brentq

from unsl_tracking.law import BrokenPowerLaw, Form, log_value, zoo

from .naive import vector

Array = NDArray[np.float64]


def _y(form: Form, values: dict[str, float], x: Array, centre: Array | None = None) -> Array:
    """y (n,) at raw axes (n, m)."""
    origin = np.zeros(x.shape[1]) if centre is None else centre
    y: Array = np.exp(log_value(form, vector(form, values), np.log(x), origin)[0])
    return y


@pytest.mark.parametrize("breaks", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("named", ["bnsl", "unsl"])
def test_one_axis_without_ceiling_is_bnsl(named: str, breaks: int) -> None:
    """Caballero et al., arXiv 2210.14891, eq. 1, with its symbols a, b, c_i, d_i, f_i."""
    rng = np.random.default_rng(breaks)
    a, b, c0 = 0.7, 35.0, 0.31
    c, f = rng.normal(0, 0.4, breaks), np.exp(rng.uniform(-2, 0.5, breaks))
    d = np.sort(10 ** rng.uniform(4, 11, breaks))
    x = np.logspace(2, 13, 60)
    published = b * x**-c0
    for c_i, d_i, f_i in zip(c, d, f, strict=True):
        published = published * (1 + (x / d_i) ** (1 / f_i)) ** (-c_i * f_i)
    published = a + published

    form = (
        zoo.bnsl("x", breaks) if named == "bnsl" else zoo.unsl(["x"], breaks=breaks, ceiling=False)
    )
    centre = np.array([np.log(3e7)])
    values = {"limit.ln_a": np.log(a), "K0.alpha[x]": c0}
    values["K0.beta"] = float(np.log(b) - c0 * centre[0])
    for k in range(breaks):
        values[f"K0.delta{k + 1}"] = float(np.log(d[k]) - centre[0])
        values[f"K0.gamma{k + 1}"] = float(c[k])
        values[f"K0.ln_f{k + 1}"] = float(np.log(f[k]))
    np.testing.assert_allclose(_y(form, values, x[:, None], centre), published, rtol=1e-11)


CHINCHILLA_FIT = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
"""Hoffmann et al., arXiv 2203.15556, eq. 10."""


def _chinchilla_values(centre: Array) -> dict[str, float]:
    fit = CHINCHILLA_FIT
    return {
        "K0.beta": float(np.log(fit["A"]) - fit["alpha"] * centre[0]),
        "K0.alpha[N]": fit["alpha"],
        "K1.beta": float(np.log(fit["B"]) - fit["beta"] * centre[1]),
        "K1.alpha[D]": fit["beta"],
        "limit.ln_a": float(np.log(fit["E"])),
    }


@pytest.mark.parametrize(
    "form",
    [
        zoo.chinchilla(["N", "D"]),
        zoo.unsl(["N", "D"], trend=False, ceiling=False),
        zoo.unsl(["N", "D"], trend=False, ceiling=False, bottlenecks=[["N"], ["D"]]),
    ],
    ids=["chinchilla", "unsl without trend and ceiling", "explicit bottlenecks"],
)
def test_two_bottlenecks_without_breaks_are_chinchilla(form: Form) -> None:
    rng = np.random.default_rng(0)
    n, d = 10 ** rng.uniform(6, 12, 50), 10 ** rng.uniform(8, 13, 50)
    fit, centre = CHINCHILLA_FIT, np.log([4e8, 1e10])
    published = fit["E"] + fit["A"] / n ** fit["alpha"] + fit["B"] / d ** fit["beta"]
    ours = _y(form, _chinchilla_values(centre), np.stack([n, d], axis=1), centre)
    np.testing.assert_allclose(ours, published, rtol=1e-12)


def test_the_published_fit_gives_the_loss_of_chinchilla_itself() -> None:
    at = np.array([[70e9, 1.4e12]])
    centre = np.log([1e9, 1e11])
    loss = _y(zoo.chinchilla(["N", "D"]), _chinchilla_values(centre), at, centre)[0]
    # By hand: 406.4/7e10^0.34 = 0.0834 and 410.7/1.4e12^0.28 = 0.1632 above 1.69.
    assert loss == pytest.approx(1.69 + 0.0834 + 0.1632, abs=2e-4)


def test_one_hyperbreak_over_parameters_and_data_is_kaplan() -> None:
    """Kaplan et al., arXiv 2001.08361, eq. 1.5: [(N_c/N)^(α_N/α_D) + D_c/D]^α_D.

    Taking D_c/D out leaves (1 + (N_c/N)^(α_N/α_D) D/D_c)^α_D: a hyperbreak of sharpness 1.
    """
    alpha_n, alpha_d, n_c, d_c = 0.076, 0.103, 6.4e13, 1.8e13
    rng = np.random.default_rng(0)
    n, d = 10 ** rng.uniform(4, 12, 50), 10 ** rng.uniform(6, 13, 50)
    published = ((n_c / n) ** (alpha_n / alpha_d) + d_c / d) ** alpha_d
    form = Form("Kaplan", ("N", "D"), (BrokenPowerLaw(("N", "D"), breaks=1),))
    values = {
        "K0.beta": float(alpha_d * np.log(d_c)),
        "K0.alpha[N]": 0.0,
        "K0.alpha[D]": alpha_d,
        "K0.w1[N]": -alpha_n / alpha_d,
        "K0.w1[D]": 1.0,
        "K0.delta1": float(np.log(d_c) - alpha_n / alpha_d * np.log(n_c)),
        "K0.gamma1": -alpha_d,
        "K0.ln_f1": 0.0,
    }
    np.testing.assert_allclose(_y(form, values, np.stack([n, d], axis=1)), published, rtol=1e-11)


def test_a_power_law_of_several_axes_is_their_product_and_m1_on_one() -> None:
    x = np.array([[2.0, 3.0], [50.0, 0.1]])
    values = {"K0.beta": np.log(7.0), "K0.alpha[p]": 0.4, "K0.alpha[q]": -0.2}
    published = 7.0 * x[:, 0] ** -0.4 * x[:, 1] ** 0.2
    np.testing.assert_allclose(_y(zoo.power_law(["p", "q"]), values, x), published)
    del values["K0.alpha[q]"]
    np.testing.assert_allclose(_y(zoo.power_law(["p"]), values, x[:, :1]), 7.0 * x[:, 0] ** -0.4)


def test_m2_is_a_power_law_above_a_limit() -> None:
    """Alabdulmohsin et al., arXiv 2209.06640: ε = ε∞ + β x^c, here with falling c."""
    x = np.logspace(0, 9, 20)
    values = {"K0.beta": np.log(5.0), "K0.alpha[x]": 0.25, "limit.ln_a": np.log(0.02)}
    np.testing.assert_allclose(_y(zoo.limited(["x"]), values, x[:, None]), 0.02 + 5.0 * x**-0.25)


def test_m3_saturates_at_gamma() -> None:
    """Alabdulmohsin et al.: ε = ε∞ + β (1/x + γ)^c."""
    x, centre = np.logspace(1, 9, 40), np.array([np.log(2e4)])
    limit, beta, gamma, c = 0.05, 3.0, 1e-6, 0.4
    values = {
        "K0.beta": float(np.log(beta) - c * centre[0]),
        "K0.alpha[x]": c,
        "K0.delta": float(-np.log(gamma) - centre[0]),
        "limit.ln_a": np.log(limit),
    }
    published = limit + beta * (1 / x + gamma) ** c
    ours = _y(zoo.saturating("x"), values, x[:, None], centre)
    np.testing.assert_allclose(ours, published, rtol=1e-12)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_m4_fulfils_its_equation_and_agrees_with_brentq(alpha: float) -> None:
    """Alabdulmohsin et al.: (ε − ε∞)/(ε0 − ε)^α = β x^-c."""
    floor, top, beta, c = 0.1, 0.9, 40.0, 0.6
    x, centre = np.logspace(0, 7, 30), np.array([np.log(1e3)])
    values = {
        "K0.beta": float(np.log(beta) + alpha * np.log(top - floor) - c * centre[0]),
        "K0.c": c,
        "K0.ln_a": np.log(floor),
        "K0.ln_M": np.log(top - floor),
        "K0.ln_warp": np.log(alpha),
    }
    y = _y(zoo.implicit("x"), values, x[:, None], centre)
    np.testing.assert_allclose((y - floor) / (top - y) ** alpha, beta * x**-c, rtol=1e-9)

    def miss(candidate: float, at: float) -> float:
        return float(candidate - floor - beta * at**-c * (top - candidate) ** alpha)

    roots = [brentq(miss, floor, top, args=(float(at),), xtol=1e-15) for at in x]
    np.testing.assert_allclose(y, roots, rtol=1e-12)


def test_m4_without_warp_is_a_power_law_under_a_ceiling_by_reciprocals() -> None:
    """α = 1 gives y = a + 1/(1/(b x^-c) + 1/span): UNSL's ceiling is a special case of M4."""
    x = np.logspace(-6, 6, 25)[:, None]
    implicit = {"K0.beta": 0.4, "K0.c": 0.7, "K0.ln_a": -2.0, "K0.ln_M": 0.3, "K0.ln_warp": 0.0}
    unified = {"K0.beta": 0.4, "K0.alpha[x]": 0.7, "ceiling.ln_M": 0.3, "limit.ln_a": -2.0}
    np.testing.assert_allclose(
        _y(zoo.implicit("x"), implicit, x),
        _y(zoo.unsl(["x"], breaks=0), unified, x),
        rtol=1e-12,
    )


MUENNIGHOFF_FIT = {"E": 1.87, "A": 521.0, "B": 1488.0, "alpha": 0.353, "R_N": 5.31, "R_D": 15.39}
"""Muennighoff et al., arXiv 2305.16264, section 5: C4, one exponent for both."""


def _muennighoff(n: float, d: float, u: float) -> float:
    fit = MUENNIGHOFF_FIT
    a, b, alpha = fit["A"], fit["B"], fit["alpha"]
    # With equal exponents Hoffmann's G is (A/B)^(1/2α), and N_opt = G² D_opt.
    u_d = min(u, d)
    u_n = min(n, (a / b) ** (1 / alpha) * u)
    n_effective = u_n + u_n * fit["R_N"] * (1 - np.exp(-(n / u_n - 1) / fit["R_N"]))
    d_effective = u_d + u_d * fit["R_D"] * (1 - np.exp(-(d / u_d - 1) / fit["R_D"]))
    return float(fit["E"] + a / n_effective**alpha + b / d_effective**alpha)


def test_repeated_data_is_muennighoff() -> None:
    fit, centre = MUENNIGHOFF_FIT, np.log([3e8, 5e9, 7e8])
    values = {
        "K0.ln_A": float(np.log(fit["A"]) - fit["alpha"] * centre[0]),
        "K0.alpha": fit["alpha"],
        "K0.ln_B": float(np.log(fit["B"]) - fit["alpha"] * centre[1]),
        "K0.beta": fit["alpha"],
        "K0.ln_RD": float(np.log(fit["R_D"])),
        "K0.ln_RN": float(np.log(fit["R_N"])),
        "limit.ln_a": float(np.log(fit["E"])),
    }
    grid = [(n, u * r, u) for n in (1e7, 2e9, 5e11) for u in (1e8, 3e10) for r in (0.5, 1, 4, 900)]
    published = [_muennighoff(*point) for point in grid]
    ours = _y(zoo.muennighoff("N", "D", "U"), values, np.array(grid), centre)
    np.testing.assert_allclose(ours, published, rtol=1e-11)


def test_repeated_data_seen_once_by_a_small_model_is_chinchilla() -> None:
    """With D ≤ U and N ≤ N_opt(U) nothing decays."""
    n, d = np.array([1e6, 1e7, 1e8]), np.array([1e9, 1e10, 1e11])
    u = np.full(3, 1e12)
    shared = {"limit.ln_a": 0.5}
    repeated = {"K0.ln_A": 6.0, "K0.alpha": 0.34, "K0.ln_B": 6.1, "K0.beta": 0.28}
    decay = {"K0.ln_RD": 2.7, "K0.ln_RN": 1.7}
    twice = {"K0.beta": 6.0, "K0.alpha[N]": 0.34, "K1.beta": 6.1, "K1.alpha[D]": 0.28}
    np.testing.assert_allclose(
        _y(zoo.muennighoff("N", "D", "U"), repeated | decay | shared, np.stack([n, d, u], axis=1)),
        _y(zoo.chinchilla(["N", "D"]), twice | shared, np.stack([n, d], axis=1)),
        rtol=1e-12,
    )


def test_the_ceiling_joins_by_reciprocals() -> None:
    x = np.logspace(-9, 9, 30)
    values = {
        "K0.beta": 1.0,
        "K0.alpha[x]": 0.5,
        "ceiling.ln_M": np.log(2.3),
        "limit.ln_a": np.log(0.4),
    }
    expected = 0.4 + 1 / (1 / (np.e * x**-0.5) + 1 / 2.3)
    np.testing.assert_allclose(_y(zoo.unsl(["x"], breaks=0), values, x[:, None]), expected)


def test_with_the_other_axes_fixed_the_unified_law_of_one_trend_is_bnsl_along_the_last() -> None:
    form = zoo.unsl(["n", "d"], breaks=1, bottlenecks=(), ceiling=False)
    joint = {
        "K0.beta": 0.5,
        "K0.alpha[n]": 0.3,
        "K0.alpha[d]": 0.2,
        "K0.w1[n]": 0.8,
        "K0.w1[d]": -0.5,
        "K0.delta1": 1.5,
        "K0.gamma1": 0.4,
        "K0.ln_f1": -0.2,
        "limit.ln_a": -1.0,
    }
    d = 7.0
    # (w_n z − (δ − w_d ln d))/f scaled by 1/w_n: δ' = (δ − w_d ln d)/w_n, f' = f/w_n, γ' = γ w_n.
    single = {
        "K0.beta": 0.5 - 0.2 * np.log(d),
        "K0.alpha[n]": 0.3,
        "K0.delta1": (1.5 + 0.5 * np.log(d)) / 0.8,
        "K0.gamma1": 0.4 * 0.8,
        "K0.ln_f1": -0.2 - np.log(0.8),
        "limit.ln_a": -1.0,
    }
    n = np.logspace(-5, 8, 40)
    np.testing.assert_allclose(
        _y(form, joint, np.stack([n, np.full(40, d)], axis=1)),
        _y(zoo.bnsl("n", 1), single, n[:, None]),
        rtol=1e-12,
    )


def test_each_ablation_lacks_the_layer_it_is_named_for() -> None:
    removed = zoo.ablations(["n", "d"], breaks=2)
    whole = zoo.unsl(["n", "d"], breaks=2)
    trend, *bottlenecks = whole.terms[:3]
    assert removed["A1"].breaks == 0
    assert removed["A1"].terms[1:] == whole.terms[1:]
    assert removed["A2"].terms == (trend, *whole.terms[3:])
    assert removed["A3"].terms == (*bottlenecks, *whole.terms[3:])
